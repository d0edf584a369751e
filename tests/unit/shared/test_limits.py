"""Limits of components: numbers with defaults, which one setting changes."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import pytest
from msgspec import Meta

from shared.errors import SettingsError
from shared.settings import Settings
from shared.settings.limits import COMPONENTS, ChangedLimits, component_of, known_limits, named_numbers

HERE = ("tests.unit.shared.test_limits:BatchFoldLimits", "tests.unit.shared.test_limits:SenderLimits")


@dataclass(frozen=True)
class Policy:
    first: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFoldLimits:
    events: Annotated[int, Meta(ge=1)] = 500
    seconds: float = 0.5
    kept: timedelta = timedelta(days=1)
    policy: Policy = Policy()


def changed(text):
    return ChangedLimits.parse(text, HERE)


def test_a_limit_is_named_after_its_component():
    assert component_of("projector.folding:BatchFoldLimits") == "batch_fold"
    assert named_numbers(BatchFoldLimits()) == {
        "batch_fold.events": 500,
        "batch_fold.seconds": 0.5,
        "batch_fold.kept": 86_400.0,
    }


def test_what_is_not_changed_keeps_its_default():
    """Limits of other components are none of this one's business."""
    limits = changed("batch_fold.events=200, sender.window=2").apply(BatchFoldLimits)

    assert limits == BatchFoldLimits(events=200)
    assert Settings.load({}).limits_of(BatchFoldLimits) == BatchFoldLimits()


def test_a_whole_number_serves_where_seconds_are_wanted():
    limits = changed("batch_fold.seconds=2,batch_fold.kept=3600").apply(BatchFoldLimits)

    assert (limits.seconds, limits.kept) == (2.0, timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("batch.fold=1", "no component 'batch': did you mean batch_fold?"),
        ("xyzzy.events=1", "no component 'xyzzy': `muster config --limits`"),
        ("batch_fold.event=1", "no limit 'event': did you mean events?"),
        ("batch_fold.policy=1", "no limit 'policy'"),
        ("batch_fold.events=0", "cannot be 0: Expected `int` >= 1"),
        ("batch_fold.events=1.5", "cannot be 1.5: Expected `int`"),
        ("batch_fold.events=-1", "component.limit=number"),
        ("batch_fold.seconds=inf", "component.limit=number"),
        ("events=1", "component.limit=number"),
        ("batch_fold.events", "component.limit=number"),
        ("batch_fold.events=1,", "component.limit=number"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, hint):
    with pytest.raises(ValueError) as refused:
        changed(text).apply(BatchFoldLimits)

    assert hint in str(refused.value)


def test_a_refused_limit_names_its_setting():
    """In one line, where it is read and where it is used."""
    with pytest.raises(SettingsError, match=r"^MUSTER_LIMITS is 'xyzzy\.a=1': there is no component"):
        Settings.load({"MUSTER_LIMITS": "xyzzy.a=1"})
    settings = Settings(home="/", limits=changed("batch_fold.event=1"))
    with pytest.raises(SettingsError, match=r"^MUSTER_LIMITS is 'batch_fold\.event=1': batch_fold has no limit"):
        settings.limits_of(BatchFoldLimits)


def test_every_component_has_its_limits_shown():
    """Each by a name of its own, with a default."""
    names = [component_of(path) for path in COMPONENTS]

    assert len(set(names)) == len(names)
    assert [component_of(f":{kind.__name__}") for kind in known_limits()] == names
    assert all(named_numbers(kind()) for kind in known_limits())

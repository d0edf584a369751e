"""Events in a former shape are read in the current one; those in a shape to come are named, not guessed."""

from uuid import UUID

import pytest

from shared.event_log.codec import decode
from shared.event_log.ports import UnknownEvent
from shared.events import HandleChanged, Redacted
from shared.events.upcasters import UPCASTERS, schema_of

ACCOUNT = UUID(int=1)
BY_NAMES = b'{"type": "handle-changed", "account_id": "%s", "from": "ada", "to": "bob"}' % str(ACCOUNT).encode()
BY_PAIR = b'{"type": "handle-changed", "account_id": "%s", "handles": ["ada", "bob"]}' % str(ACCOUNT).encode()


def _paired(shape):
    return {"type": shape["type"], "account_id": shape["account_id"], "handles": [shape["from"], shape["to"]]}


def _old_and_new(shape):
    old, new = shape.pop("handles")
    return {**shape, "old": old, "new": new}


@pytest.fixture(autouse=True)
def upcasters(monkeypatch):
    """As if the event had had two other shapes before."""
    monkeypatch.setitem(UPCASTERS, "handle-changed", (_paired, _old_and_new))


@pytest.mark.parametrize(("data", "schema"), [(BY_NAMES, 1), (BY_PAIR, 2)])
def test_a_former_shape_is_brought_up_step_by_step(data, schema):
    assert decode(data, type_name="handle-changed", schema=schema) == HandleChanged(
        account_id=ACCOUNT, old="ada", new="bob"
    )


def test_each_upcaster_raises_the_schema_of_its_type_alone():
    assert (schema_of("handle-changed"), schema_of("email-changed")) == (3, 1)


def test_an_event_on_which_its_upcaster_fails_is_unknown():
    """The projector then stops at it, and names it, rather than fall over it again and again."""
    unknown = decode(BY_PAIR, type_name="handle-changed", schema=1)

    assert unknown == UnknownEvent("handle-changed", 1, "its upcaster fails with KeyError")


def test_a_shape_to_come_is_unknown():
    """An older release stops at it rather than misread it."""
    unknown = decode(BY_PAIR, type_name="handle-changed", schema=4)

    assert unknown == UnknownEvent("handle-changed", 4, "this release reads schema 3 of it at most")


@pytest.mark.parametrize("schema", [1, 2, 3, 99])
def test_nothing_is_left_to_upcast_of_a_redacted_event(schema):
    """Whatever shape it had."""
    redacted = decode(b'{"type": "redacted", "by": 7}', type_name="handle-changed", schema=schema)

    assert redacted == Redacted(was="handle-changed", by=7)

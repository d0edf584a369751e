"""Projections with a planted bug."""

from collections.abc import Callable
from typing import NamedTuple

from hypothesis import strategies as st

from projector.declaring.projection import Projection
from shared.event_log import RecordedEvent
from tests.support.histories import nth_id
from tests.support.projections import derived

EVERYBODY = [str(nth_id(number)) for number in (1, 2, 3)]


def poisoned(projection: Projection, is_poison: Callable[[RecordedEvent], bool]) -> Projection:
    """The projection, but that it fails on some of the events that concern it, when it has saved all it has to save."""

    class Poisoned(type(projection)):
        def react(self, recorded, documents):
            super().react(recorded, documents)
            if is_poison(recorded) and self.plan.touched(recorded).saved:
                raise ValueError(f"planted: {recorded.event}")

    return derived(projection, Poisoned)


def unrevising(projection: Projection, is_poison: Callable[[str], bool]) -> Projection:
    """The projection, but that no fan-out can bring anything to the documents with some ids."""

    class Unrevising(type(projection)):
        def fan_out(self, event):
            fan_out = super().fan_out(event)
            return fan_out and fan_out._replace(revise=_failing(fan_out.revise, is_poison))

    return derived(projection, Unrevising)


def of_account(account_id) -> Callable[[RecordedEvent], bool]:
    """Whether an event is one of an account, its profile or its memberships."""
    return lambda recorded: getattr(recorded.event, "account_id", None) == account_id


def _failing(revise, is_poison):
    def failing(id_, record):
        revised = revise(id_, record)
        if revised is not record and is_poison(id_):
            raise KeyError(id_)
        return revised

    return failing


class Bug(NamedTuple):
    """Which events a release cannot fold, and whose documents its fan-outs cannot revise."""

    positions: frozenset[int]
    people: frozenset[str]

    def planted(self, projection):
        fails = poisoned(projection, lambda recorded: recorded.position in self.positions)
        return unrevising(fails, lambda id_: any(person in id_ for person in self.people))


bugs = st.builds(
    Bug,
    st.frozensets(st.integers(1, 30), max_size=4),
    st.frozensets(st.sampled_from(EVERYBODY), max_size=2),
)

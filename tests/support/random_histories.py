"""What hypothesis makes of histories, and of the crashes that interrupt their folding."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from shared.event_log import RecordedEvent
from tests.support.histories import History

HANDLES = ("ada", "bob", "cyd", "dan", "eve")
EMAILS = ("a@x.org", "b@x.org", "c@x.org", "d@x.org")
SETTLED = 6
"""How many events are folded before the first crash: three registrations."""


@dataclass(frozen=True)
class Step:
    """Fold `size` events; crash after so many of the commit's writes, or not at all."""

    size: int
    crash_after: int | None = None


steps = st.lists(st.builds(Step, size=st.integers(1, 9), crash_after=st.none() | st.integers(0, 24)), max_size=8)


@st.composite
def histories(draw) -> Sequence[RecordedEvent]:
    """Three people who change, swap and free their handles and addresses, and others who take them."""
    history = History()
    for handle, email in zip(HANDLES[:3], EMAILS, strict=False):
        history.register(handle, email=email, external_id=handle)
    for _ in range(draw(st.integers(1, 12))):
        draw(st.sampled_from(_DEEDS))(history, draw)
    return history.events


def _change_handle(history, draw):
    if free := _free(HANDLES, history.handles):
        history.change_handle(_somebody(history, draw), draw(st.sampled_from(free)))


def _change_email(history, draw):
    if free := _free(EMAILS, history.emails):
        history.change_email(_somebody(history, draw), draw(st.sampled_from(free)))


def _swap(history, draw):
    if free := _free(HANDLES, history.handles):
        one, other, *_ = draw(st.permutations(sorted(history.handles)))
        history.swap_handles(one, other, by_way_of=free[0])


def _suspend(history, draw):
    history.suspend(_somebody(history, draw))


def _update(history, draw):
    history.update(_somebody(history, draw), title=draw(st.sampled_from(["Dr", "Prof", None])))


def _register(history, draw):
    handles, emails = _free(HANDLES, history.handles), _free(EMAILS, history.emails)
    if handles and emails:
        history.register(draw(st.sampled_from(handles)), email=draw(st.sampled_from(emails)))


def _somebody(history, draw):
    return draw(st.sampled_from(sorted(history.handles)))


def _free(values, taken):
    return [value for value in values if value not in taken.values()]


_DEEDS = (_change_handle, _change_handle, _swap, _suspend, _update, _change_email, _register)

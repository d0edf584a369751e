"""What hypothesis makes of histories, and of the crashes that interrupt their folding."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from shared.event_log import RecordedEvent
from tests.support.histories import History

HANDLES = ("ada", "bob", "cyd", "dan", "eve")
EMAILS = ("a@x.org", "b@x.org", "c@x.org", "d@x.org")
SLUGS = ("board", "choir", "chess")
ROLES = ("member", "chair")
SETTLED = 6
"""How many events are folded before the first crash: three registrations."""


@dataclass(frozen=True)
class Step:
    """
    Fold `size` events, none if there are none or it is 0, then bring a fan-out to so many documents.

    Crash after so many writes of the first commit that comes of it, or not at all.
    """

    size: int
    crash_after: int | None = None
    fan_out: int = 0


steps = st.lists(
    st.builds(
        Step,
        size=st.just(0) | st.integers(1, 3) | st.integers(1, 9),
        crash_after=st.none() | st.integers(0, 12) | st.integers(0, 80),
        fan_out=st.integers(0, 2),
    ),
    min_size=2,
    max_size=10,
)


@st.composite
def people(draw) -> History:
    """Three people who change, swap and free their handles and addresses, and others who take them; some are erased."""
    history = History()
    for handle, email in zip(HANDLES[:3], EMAILS, strict=False):
        history.register(handle, email=email, external_id=handle)
    for _ in range(draw(st.integers(1, 12))):
        draw(st.sampled_from(_DEEDS))(history, draw)
    return history


@st.composite
def members(draw) -> History:
    """The same three, who found groups, come and go, while groups are renamed and deleted."""
    history = History()
    for handle, email in zip(HANDLES[:3], EMAILS, strict=False):
        history.register(handle, email=email, external_id=handle)
    if draw(st.booleans()):
        _found_with_everybody(history)
    for _ in range(draw(st.integers(4, 16))):
        draw(st.sampled_from(_GROUP_DEEDS))(history, draw)
    return history


def histories() -> st.SearchStrategy[Sequence[RecordedEvent]]:
    """What the log has in the end of `people`."""
    return people().map(lambda history: history.events)


def group_histories() -> st.SearchStrategy[Sequence[RecordedEvent]]:
    """What the log has in the end of `members`."""
    return members().map(lambda history: history.events)


def _change_handle(history, draw):
    if free := _free(HANDLES, history.handles):
        history.change_handle(_account(history, draw), draw(st.sampled_from(free)))


def _change_email(history, draw):
    if free := _free(EMAILS, history.emails):
        history.change_email(_account(history, draw), draw(st.sampled_from(free)))


def _swap(history, draw):
    if free := _free(HANDLES, history.handles):
        one, other, *_ = draw(st.permutations(_open(history)))
        history.swap_handles(one, other, by_way_of=free[0])


def _suspend(history, draw):
    if active := _with_status(history, "active"):
        history.suspend(draw(st.sampled_from(active)))


def _reinstate(history, draw):
    if suspended := _with_status(history, "suspended"):
        history.reinstate(draw(st.sampled_from(suspended)))


def _close(history, draw):
    """One stays: the closed can do nothing any more."""
    if len(_open(history)) > 2:
        history.close(_account(history, draw))


def _erase(history, draw):
    """One stays here too; the closed can be erased like all others."""
    there = sorted(history.statuses)
    account = draw(st.sampled_from(there))
    if len(_open(history)) > 2 or history.statuses[account] == "closed":
        history.erase(account)


def _found_with_everybody(history):
    group = history.create_group(SLUGS[0])
    for person in _open(history):
        history.add_member(group, person)


def _create_group(history, draw):
    if free := _free(SLUGS, history.slugs):
        history.create_group(draw(st.sampled_from(free)))


def _rename_group(history, draw):
    if history.slugs:
        history.rename_group(_some_group(history, draw), draw(st.sampled_from(["Elders", "Singers"])))


def _change_slug(history, draw):
    if history.slugs and (free := _free(SLUGS, history.slugs)):
        history.change_slug(_some_group(history, draw), draw(st.sampled_from(free)))


def _delete_group(history, draw):
    if history.slugs:
        history.delete_group(_some_group(history, draw))


def _add_member(history, draw):
    everybody = [(group, person) for group in sorted(history.slugs) for person in _open(history)]
    if strangers := [each for each in everybody if each not in history.members]:
        history.add_member(*draw(st.sampled_from(strangers)), role=draw(st.sampled_from(ROLES)))


def _change_role(history, draw):
    if history.members:
        history.change_role(*_some_member(history, draw), draw(st.sampled_from(ROLES)))


def _remove_member(history, draw):
    if history.members:
        history.remove_member(*_some_member(history, draw))


def _update(history, draw):
    history.update(_account(history, draw), title=draw(st.sampled_from(["Dr", "Prof", None])))


def _rename_person(history, draw):
    history.update(_account(history, draw), display_name=draw(st.sampled_from(["Ann", "Zoë"])))


def _register(history, draw):
    handles, emails = _free(HANDLES, history.handles), _free(EMAILS, history.emails)
    if handles and emails:
        history.register(draw(st.sampled_from(handles)), email=draw(st.sampled_from(emails)))


def _account(history, draw):
    return draw(st.sampled_from(_open(history)))


def _open(history):
    return _with_status(history, "active", "suspended")


def _with_status(history, *statuses):
    return sorted(each for each, status in history.statuses.items() if status in statuses)


def _some_group(history, draw):
    return draw(st.sampled_from(sorted(history.slugs)))


def _some_member(history, draw):
    return draw(st.sampled_from(sorted(history.members)))


def _free(values, taken):
    return [value for value in values if value not in taken.values()]


_DEEDS = (
    _change_handle,
    _change_handle,
    _swap,
    _suspend,
    _reinstate,
    _close,
    _update,
    _change_email,
    _register,
    _erase,
)
_GROUP_DEEDS = (
    _create_group,
    _create_group,
    _add_member,
    _add_member,
    _add_member,
    _change_role,
    _remove_member,
    _rename_group,
    _change_slug,
    _delete_group,
    _delete_group,
    _rename_person,
    _change_handle,
    _suspend,
    _reinstate,
    _close,
    _erase,
)

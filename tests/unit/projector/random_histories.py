"""What hypothesis makes of histories, and of the crashes that interrupt their folding."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, permutations, product
from uuid import UUID

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
    history = _begun()
    for _ in range(draw(st.integers(1, 12))):
        _do(draw(st.sampled_from(_OF_PEOPLE)), history, draw)
    return history


@st.composite
def members(draw) -> History:
    """The same three, who found groups, come and go, while groups are renamed and deleted."""
    history = _begun()
    if draw(st.booleans()):
        group = history.create_group(SLUGS[0])
        for person in history.handles:
            history.add_member(group, person)
    for _ in range(draw(st.integers(4, 16))):
        _do(draw(st.sampled_from(_OF_GROUPS)), history, draw)
    return history


def histories() -> st.SearchStrategy[Sequence[RecordedEvent]]:
    """What the log has in the end of `people`."""
    return people().map(lambda history: history.events)


def group_histories() -> st.SearchStrategy[Sequence[RecordedEvent]]:
    """What the log has in the end of `members`."""
    return members().map(lambda history: history.events)


def _begun() -> History:
    history = History()
    for handle, email in zip(HANDLES[:3], EMAILS, strict=False):
        history.register(handle, email=email, external_id=handle)
    return history


def _do(name: str, history: History, draw: st.DrawFn) -> None:
    """Have a method of the history do one of those things that it can do at present, if there is any."""
    if possible := list(_possible(history)[name]):
        getattr(history, name)(**draw(st.sampled_from(possible)))


def _possible(history: History) -> Mapping[str, Iterable[Mapping[str, object]]]:
    """What each method of a history can be asked for now: the closed can do nothing any more, so two stay open."""
    by_status: dict[str, list[UUID]] = {"active": [], "suspended": [], "closed": []}
    for account, status in sorted(history.statuses.items()):
        by_status[status].append(account)
    is_open = sorted(by_status["active"] + by_status["suspended"])
    leaving = is_open if len(is_open) > 2 else []
    handles, emails, slugs = (
        [each for each in values if each not in taken.values()]
        for values, taken in ((HANDLES, history.handles), (EMAILS, history.emails), (SLUGS, history.slugs))
    )
    there, groups = sorted(history.members), sorted(history.slugs)
    strangers = [each for each in product(groups, is_open) if each not in history.members]
    return {
        "register": _each(("handle", "email"), product(handles, emails)),
        "change_handle": _each(("account_id", "new"), product(is_open, handles)),
        "change_email": _each(("account_id", "new"), product(is_open, emails)),
        "verify_email": _each(("account_id",), product(is_open)),
        "swap_handles": _each(
            ("one", "other", "by_way_of"), ((*both, free) for both, free in product(permutations(is_open, 2), handles))
        ),
        "update": chain(
            _each(("account_id", "title"), product(is_open, ("Dr", "Prof", None))),
            _each(("account_id", "display_name"), product(is_open, ("Ann", "Zoë"))),
        ),
        "suspend": _each(("account_id",), product(by_status["active"])),
        "reinstate": _each(("account_id",), product(by_status["suspended"])),
        "close": _each(("account_id",), product(leaving)),
        "erase": _each(("account_id",), product(by_status["closed"] + leaving)),
        "create_group": _each(("slug",), product(slugs)),
        "rename_group": _each(("group_id", "name"), product(groups, ("Elders", "Singers"))),
        "change_slug": _each(("group_id", "new"), product(groups, slugs)),
        "delete_group": _each(("group_id",), product(groups)),
        "add_member": _each(
            ("group_id", "account_id", "role"), ((*who, role) for who, role in product(strangers, ROLES))
        ),
        "change_role": _each(("group_id", "account_id", "new"), ((*who, role) for who, role in product(there, ROLES))),
        "remove_member": _each(("group_id", "account_id"), there),
    }


def _each(names: Sequence[str], values: Iterable[Sequence[object]]) -> Iterable[Mapping[str, object]]:
    return (dict(zip(names, each, strict=True)) for each in values)


_OF_PEOPLE = (
    *("change_handle", "change_handle", "change_email", "verify_email", "swap_handles", "update"),
    *("suspend", "reinstate", "close", "erase", "register"),
)
_OF_GROUPS = (
    *("create_group", "create_group", "rename_group", "change_slug", "delete_group", "delete_group"),
    *("add_member", "add_member", "add_member", "change_role", "remove_member"),
    *("update", "change_handle", "suspend", "reinstate", "close", "erase"),
)

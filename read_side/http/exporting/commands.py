"""All people and groups as the commands that make them, which `muster import` takes."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from uuid import UUID

import msgspec

from read_side.http.exporting.walk import EVERY_GROUP, EVERYONE, Walk
from read_side.views import GroupViews, ProfileViews
from shared.read_model.records import GroupRecord, ProfileRecord


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="command"):
    """A command, its name first."""


class _CreateGroup(_Line, frozen=True, kw_only=True, tag="create-group"):
    group_id: UUID
    slug: str
    name: str
    description: str | None = None
    external_id: str | None = None


class _RegisterAccount(_Line, frozen=True, kw_only=True, tag="register-account"):
    account_id: UUID
    handle: str
    email: str
    display_name: str
    given_name: str | None = None
    family_name: str | None = None
    title: str | None = None
    bio: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    picture_url: str | None = None
    external_id: str | None = None
    links: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    attributes: dict[str, str] = {}


class _AddGroupMember(_Line, frozen=True, kw_only=True, tag="add-group-member"):
    group: UUID
    account: UUID
    role: str


class _SuspendAccount(_Line, frozen=True, kw_only=True, tag="suspend-account"):
    account: UUID


class _CloseAccount(_Line, frozen=True, kw_only=True, tag="close-account"):
    account: UUID


_ENDINGS: Mapping[str, Callable[..., _Line]] = {"suspended": _SuspendAccount, "closed": _CloseAccount}

_encode_lines = msgspec.json.Encoder().encode_lines
_decode_person = msgspec.json.Decoder(ProfileRecord).decode
_decode_group = msgspec.json.Decoder(GroupRecord).decode


class ExportedCommands:
    """
    The lines of one export.

    Those who are there throughout are exported once. What changes meanwhile is exported as it was or as it is; a group
    that is new by then comes before its first member.
    """

    def __init__(self, profiles: ProfileViews, groups: GroupViews, walk: Walk) -> None:
        self._profiles, self._groups, self._walk = profiles, groups, walk
        self._known: set[UUID] = set()

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield some lines at a time, each a command in JSON."""
        async for page in self._walk.pages(self._groups.list, EVERY_GROUP):
            yield _encode_lines([self._created(_decode_group(each)) for each in page])
        async for page in self._walk.pages(self._profiles.list, EVERYONE):
            people = list(map(_decode_person, page))
            yield _encode_lines([*await self._later_groups(people), *self._lines(people)])

    def _created(self, group: GroupRecord) -> _Line:
        self._known.add(group.group_id)
        return _copied(_CreateGroup, group)

    async def _later_groups(self, people: Iterable[ProfileRecord]) -> list[_Line]:
        later = {each.group_id for person in people for each in person.groups} - self._known
        found = [await self._walk.ask(self._groups.get, str(each)) for each in sorted(later)]
        return [self._created(_decode_group(each.document.body)) for each in found if each.document]

    def _lines(self, people: Sequence[ProfileRecord]) -> Iterator[_Line]:
        """Yield all registrations first: a line shares no transaction with one that it depends on."""
        yield from (_copied(_RegisterAccount, person) for person in people)
        for person in people:
            for group in person.groups:
                if group.group_id in self._known:  # else it is gone already
                    yield _AddGroupMember(group=group.group_id, account=person.account_id, role=group.role)
        for person in people:
            if ending := _ENDINGS.get(person.status):
                yield ending(account=person.account_id)


def _copied(kind: type[_Line], record: msgspec.Struct) -> _Line:
    """Make a command of the fields that a record has under the same names."""
    return kind(**{field: getattr(record, field) for field in kind.__struct_fields__})

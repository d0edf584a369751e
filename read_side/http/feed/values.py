"""The values of changed fields: looked up when a change is shown, and kept in no feed."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from read_side.views import GroupViews, Matches, ProfileKeys, ProfileViews
from shared.read_model.changes import ChangeItem
from shared.read_model.envelope import Sealed

_decode = msgspec.json.Decoder(dict[str, Any]).decode

Values = Mapping[str, Any] | None


class RecordValues:
    """Look up the records of changes, each of which reflects the change."""

    def __init__(self, profiles: ProfileViews, groups: GroupViews) -> None:
        self._profiles, self._groups = profiles, groups

    async def of(self, items: Sequence[ChangeItem]) -> Sequence[Values]:
        """
        Return the fields of the record of each item, None where it is gone.

        :raises ProjectionBehind: they do not reflect a change in time.
        """
        if not items:
            return ()
        people, others = await asyncio.gather(self._of_people(items), self._of_groups(items))
        return [others[_key(each)] if each.group else people.get(_text(each.account)) for each in items]

    async def _of_people(self, items: Sequence[ChangeItem]) -> Mapping[str, Values]:
        changed = [each for each in items if each.group is None]
        if not changed:
            return {}
        keys = ProfileKeys(ids=tuple(dict.fromkeys(_text(each.account) for each in changed)))
        found: Matches = await self._profiles.freshness.reach(
            changed[-1].position, partial(self._profiles.by_keys, keys)
        )
        return {record["account_id"]: record for record in map(_decode, found.found)}

    async def _of_groups(self, items: Sequence[ChangeItem]) -> Mapping[tuple[bytes | None, bytes | None], Values]:
        wanted = {_key(each): each.position for each in items if each.group}
        found = await asyncio.gather(*(self._of_group(*key, position) for key, position in wanted.items()))
        return dict(zip(wanted, found, strict=True))

    async def _of_group(self, group: bytes | None, account: bytes | None, position: int) -> Values:
        freshness, name = self._groups.freshness, _text(group)
        if account is None:
            return _fields((await freshness.reach(position, partial(self._groups.get, name))).document)
        member = await freshness.reach(position, partial(self._groups.member, name, _text(account)))
        return _fields(member.document)


def _key(item: ChangeItem) -> tuple[bytes | None, bytes | None]:
    return item.group, item.account


def _text(id: bytes | None) -> str:
    return str(UUID(bytes=id))


def _fields(document: Sealed | None) -> Values:
    return None if document is None else _decode(document.body)

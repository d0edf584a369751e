"""`GET /profiles/{id}/export`: everything that the read models hold of one person, in one document."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from litestar.types import HTTPScope

from read_side.http.endpoints import ACCOUNT, Outcomes, PathKeys
from read_side.http.parameters import filters
from read_side.http.parameters.conditions import wanted_position
from read_side.http.problems import PROFILE_NOT_FOUND, profile_not_found
from read_side.http.resource import Opened, ReadRoute
from read_side.http.responses import DocumentResponse
from read_side.views import ActivityViews, GroupViews, ProfileViews, Reached, Variant, standing
from shared.http.parsing.parameters import Parameters
from shared.read_model.envelope import Sealed, entity_tag
from shared.read_model.records import ActivityRecord, MemberCard, ProfileGroup, ProfileRecord
from shared.text import unique_email, unique_external_id, unique_handle


class LookUps(msgspec.Struct, frozen=True, kw_only=True):
    """By what a person is found, in the form in which keys are compared."""

    handle: str
    email: str
    external_id: str | None


class ExportedMembership(msgspec.Struct, frozen=True):
    """A group of the person, and their card there; null where the groups are not as far as the profiles."""

    group: ProfileGroup
    card: MemberCard | None


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """One person: the full record, by what it is found, memberships, and all that happened, newest first."""

    account_id: UUID
    profile: ProfileRecord
    look_ups: LookUps
    memberships: tuple[ExportedMembership, ...]
    activity: tuple[ActivityRecord, ...]


class _StoredExport(msgspec.Struct, frozen=True):
    """The same, with the documents as they are stored."""

    account_id: UUID
    profile: msgspec.Raw
    look_ups: LookUps
    memberships: list["_StoredMembership"]
    activity: list[msgspec.Raw]


class _StoredMembership(msgspec.Struct, frozen=True):
    group: ProfileGroup
    card: msgspec.Raw | None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ProfileRecord).decode


@dataclass(frozen=True, kw_only=True)
class ExportRoute(ReadRoute):
    """Answers with all that three read models hold."""

    def endpoint(self, opened: Opened, port: type[Any], variant: Variant) -> "ExportEndpoint":  # noqa: ARG002 - private
        return ExportEndpoint(self, opened[ProfileViews], opened[GroupViews], opened[ActivityViews])


class ExportEndpoint:
    """Asks three read models, one after the other, and is as fresh as the oldest of their answers."""

    def __init__(self, route: ExportRoute, profiles: ProfileViews, groups: GroupViews, activity: ActivityViews) -> None:
        self._profiles, self._groups, self._activity = profiles, groups, activity
        self._keys = PathKeys(route.path, route.keys)
        self.outcomes = Outcomes(route.path)

    async def answer(self, scope: HTTPScope, segments: Sequence[bytes], *_: object) -> DocumentResponse:
        [account_id], parameters = self._keys.of(segments), Parameters(scope)
        minimum = wanted_position(parameters)
        parameters.require_valid()
        found = await self._profiles.freshness.reach(minimum, partial(self._profiles.by_id, account_id))
        if found.document is None:
            self.outcomes.misses.inc()
            raise profile_not_found(found.position)
        record = _decode(found.document.body)
        of_groups, memberships = await self._memberships(record, minimum)
        of_activity, happened = await self._happened(account_id, minimum)
        body = _encode(
            _StoredExport(record.account_id, msgspec.Raw(found.document.body), _look_ups(record), memberships, happened)
        )
        position = min(found.position, of_groups, of_activity)
        return DocumentResponse(position, Sealed(position, entity_tag(body), body))

    async def _memberships(self, record: ProfileRecord, minimum: int) -> tuple[int, list[_StoredMembership]]:
        position, found = await self._groups.freshness.reach(minimum, partial(standing, self._groups)), []
        for group in record.groups:
            answer = await self._groups.member(str(group.group_id), str(record.account_id))
            position = min(position, Reached(answer.position))
            found.append(_StoredMembership(group, answer.document and msgspec.Raw(answer.document.body)))
        return position.position, found

    async def _happened(self, account_id: str, minimum: int) -> tuple[int, list[msgspec.Raw]]:
        ask = partial(self._activity.of, account_id, limit=filters.GREATEST_LIMIT)
        page = await self._activity.freshness.reach(minimum, ask)
        position, found = page.position, list(map(msgspec.Raw, page.documents or ()))
        while page.after is not None:
            page = await ask(after=page.after)
            position = min(position, page.position)
            found += map(msgspec.Raw, page.documents or ())
        return position, found


def _look_ups(record: ProfileRecord) -> LookUps:
    external_id = record.external_id
    return LookUps(
        handle=unique_handle(record.handle),
        email=unique_email(record.email),
        external_id=None if external_id is None else unique_external_id(external_id),
    )


EXPORT = ExportRoute(
    name="export_profile",
    path="/profiles/{id}/export",
    summary="Get what the read models hold of one person; former values are in the event log alone",
    answer=Export,
    keys=(ACCOUNT,),
    problems=(PROFILE_NOT_FOUND,),
    is_whole=True,
    is_private=True,
)

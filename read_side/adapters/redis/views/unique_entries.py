"""How a person is found: a look-up leads to an id, the id to a document, and the document must carry the key."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from read_side.adapters.redis.transport.consistent_read import Ask, Attempt, ConsistentRead
from read_side.adapters.redis.transport.reads import Field
from read_side.views import Match, Matches, ProfileKeys, Variant
from shared.read_model.envelope import Forms, Sealed, entity_tag, full_forms, public_form, tagged, unseal
from shared.read_model.keys import GenerationKeys
from shared.read_model.records import PublicProfileRecord
from shared.text import unique_email, unique_external_id, unique_handle, unique_slug

Whose = TypeVar("Whose")


class Identity(msgspec.Struct, frozen=True):
    """The fields of a full document that tell whose it is."""

    handle: str
    email: str
    external_id: str | None


class GroupIdentity(msgspec.Struct, frozen=True):
    """The fields of a group's document that tell which it is."""

    slug: str


class UniqueKey(NamedTuple, Generic[Whose]):
    """
    One way to find something.

    :param unique: makes keys comparable.
    :param identity: reads of a document what tells whose it is.
    :param carried: the key it carries.
    """

    hash: str
    unique: Callable[[str], str]
    identity: Callable[[bytes], Whose]
    carried: Callable[[Whose], str | None]

    def field(self, key: str) -> Field:
        return Field(self.hash, self.unique(key).encode())

    def finds(self, key: str, envelope: bytes | None) -> bool:
        """Whether this document has the key; it may have given it up between two trips."""
        if envelope is None:
            return False
        carried = self.carried(self.identity(unseal(envelope).body))
        return carried is not None and self.unique(carried) == self.unique(key)


_encode = msgspec.json.Encoder().encode
_public = msgspec.json.Decoder(PublicProfileRecord).decode
_identity = msgspec.json.Decoder(Identity).decode
_group_identity = msgspec.json.Decoder(GroupIdentity).decode

BY_HANDLE = UniqueKey("by-handle", unique_handle, _identity, lambda identity: identity.handle)
BY_EMAIL = UniqueKey("by-email", unique_email, _identity, lambda identity: identity.email)
BY_EXTERNAL_ID = UniqueKey("by-external-id", unique_external_id, _identity, lambda identity: identity.external_id)
BY_SLUG = UniqueKey("by-slug", unique_slug, _group_identity, lambda identity: identity.slug)
UNIQUE_KEYS: Mapping[str, UniqueKey[Identity]] = {
    "handles": BY_HANDLE,
    "emails": BY_EMAIL,
    "external_ids": BY_EXTERNAL_ID,
}
"""By what `ProfileKeys` calls their keys."""


def unique_entry_names(keys: GenerationKeys) -> Mapping[str, str]:
    """Every hash that a look-up of people reads."""
    return {
        "full": keys.documents("profile", "full"),
        **{by.hash: keys.unique_entries(by.hash) for by in UNIQUE_KEYS.values()},
    }


def served(envelope: bytes, variant: Variant) -> Sealed:
    """Return what is served of a person's document alone."""
    document = unseal(envelope)
    if variant == "full":
        return tagged(document)
    body = _public_form(envelope)
    return Sealed(document.position, entity_tag(body), body, document.stale_since)


def _public_form(envelope: bytes) -> bytes:
    try:
        return public_form(envelope)
    except ValueError:  # version 3 of the projection had private fields between the others: it may still be live
        return _encode(_public(unseal(envelope).body))


def _public_forms(envelopes: Iterable[bytes]) -> Forms:
    """Without tags: that of a whole document would give away what its private fields are to those who can guess."""
    return Forms(tuple(map(_public_form, envelopes)))


FORMS: Mapping[Variant, Callable[[Sequence[bytes]], Forms]] = {"full": full_forms, "public": _public_forms}
"""What is served of people's documents in one answer."""


async def find_by_key(ask: Ask, by: UniqueKey[Any], key: str, variant: Variant = "full") -> Attempt[Match]:
    """Find where a key leads, then the document there."""
    read = ConsistentRead(ask)
    (lead,) = (await read.ask(by.field(key))).values
    if lead is None:
        return Attempt(Match(read.position, None), consistent=True)
    (envelope,) = (await read.ask(Field("full", lead))).values
    if envelope is None or not by.finds(key, envelope):
        return Attempt(Match(read.position, None), consistent=False)
    return Attempt(Match(read.position, served(envelope, variant)), consistent=True)


class _Named(NamedTuple):
    """A key, and the account whose it is; None if no account has it."""

    keys: str
    key: str
    account: bytes | None


class BatchQuery:
    """The keys that one batch asks for, each once."""

    def __init__(self, keys: ProfileKeys, variant: Variant) -> None:
        self._variant = variant
        self._ids = dict.fromkeys(map(str.encode, keys.ids))
        self._unique = [(kind, key) for kind in UNIQUE_KEYS for key in dict.fromkeys(getattr(keys, kind))]

    def unique_entries(self) -> list[Field]:
        """What the first trip asks; nothing if only ids are wanted."""
        return [UNIQUE_KEYS[kind].field(key) for kind, key in self._unique]

    def accounts(self, leads: Sequence[bytes | None]) -> tuple[bytes, ...]:
        """Whose documents the second trip asks for, when this is where the first led."""
        return tuple(dict.fromkeys([*self._ids, *filter(None, leads)]))

    def attempt(
        self, leads: Sequence[bytes | None], there: Mapping[bytes, bytes | None], *, position: int
    ) -> Attempt[Matches]:
        """
        Sort what was asked for into found and missing.

        :param there: the documents of `accounts`; None where there is none.
        """
        named = list(self._named(leads, there))
        found = dict.fromkeys([*self._ids, *(each.account for each in named if each.account)])
        documents = FORMS[self._variant](list(filter(None, map(there.__getitem__, found))))
        moved = any(lead and not each.account for lead, each in zip(leads, named, strict=True))
        missing = _missing([account.decode() for account in self._ids if there[account] is None], named)
        return Attempt(Matches(position, documents.bodies, missing, documents.tags), consistent=not moved)

    def _named(self, leads: Sequence[bytes | None], there: Mapping[bytes, bytes | None]) -> Iterator[_Named]:
        for (kind, key), lead in zip(self._unique, leads, strict=True):
            has_key = lead is not None and UNIQUE_KEYS[kind].finds(key, there[lead])
            yield _Named(kind, key, lead if has_key else None)


def _missing(ids: Sequence[str], named: Iterable[_Named]) -> ProfileKeys:
    missing: dict[str, list[str]] = {}
    for keys, key, account in named:
        if account is None:
            missing.setdefault(keys, []).append(key)
    return ProfileKeys(ids=tuple(ids), **{keys: tuple(each) for keys, each in missing.items()})

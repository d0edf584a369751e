"""How a person is found: a look-up leads to an id, the id to a document, and the document must carry the key."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from read_side.adapters.redis.trips import Seen, Want
from read_side.views import Answer, Batch, ProfileKeys, Variant
from shared.keys import GenerationKeys
from shared.records import unseal
from shared.text import unique_email, unique_external_id, unique_handle

A = TypeVar("A")


class Identity(msgspec.Struct, frozen=True):
    """What of a full document tells whose it is."""

    handle: str
    email: str
    external_id: str | None


class LookUp(NamedTuple):
    """
    One way to find a person.

    :param keys: what `ProfileKeys` calls the keys.
    :param unique: makes keys comparable.
    :param carried: the key a document carries.
    """

    hash: str
    keys: str
    unique: Callable[[str], str]
    carried: Callable[[Identity], str | None]

    def want(self, key: str) -> Want:
        return Want(self.hash, self.unique(key).encode())

    def finds(self, key: str, envelope: bytes | None) -> bool:
        """Whether this is the document of whoever has the key; he may have given it up between two trips."""
        if envelope is None:
            return False
        carried = self.carried(_decode_identity(unseal(envelope).body))
        return carried is not None and self.unique(carried) == self.unique(key)


BY_HANDLE = LookUp("by-handle", "handles", unique_handle, lambda identity: identity.handle)
BY_EMAIL = LookUp("by-email", "emails", unique_email, lambda identity: identity.email)
BY_EXTERNAL_ID = LookUp("by-external-id", "external_ids", unique_external_id, lambda identity: identity.external_id)
LOOK_UPS = (BY_HANDLE, BY_EMAIL, BY_EXTERNAL_ID)

_decode_identity = msgspec.json.Decoder(Identity).decode


def hashes(keys: GenerationKeys) -> Mapping[str, str]:
    """Every hash that a look-up reads."""
    return {
        "full": keys.documents("profile", "full"),
        "public": keys.documents("profile", "public"),
        **{by.hash: keys.look_up(by.hash) for by in LOOK_UPS},
    }


def documents(accounts: Sequence[bytes], variant: Variant) -> list[Want]:
    """Ask for the documents served, behind those that tell whose they are if these are others."""
    served = [] if variant == "full" else [Want(variant, account) for account in accounts]
    return [Want("full", account) for account in accounts] + served


class Outcome(NamedTuple, Generic[A]):
    """What was found, and whether nothing moved while it was looked for; no answer if the generation itself did."""

    answer: A | None
    settled: bool


def outcome(by: LookUp, key: str, second: Seen, *, position: int) -> Outcome[Answer]:
    """
    Judge what a look-up led to.

    :param second: the answer to `documents`.
    """
    full, served = second.values[0], second.values[-1]
    if served is None or not by.finds(key, full):
        return Outcome(Answer(position, None), settled=False)
    return Outcome(Answer(position, unseal(served)), settled=True)


class _Named(NamedTuple):
    """A key, and the account whose it is; None if it is nobody's."""

    keys: str
    key: str
    account: bytes | None


class _Documents(NamedTuple):
    full: bytes
    served: bytes


class KeysAsked:
    """What one batch asks for, each key once."""

    def __init__(self, keys: ProfileKeys) -> None:
        self._ids = list(dict.fromkeys(keys.ids))
        self._look_ups = [(by, key) for by in LOOK_UPS for key in dict.fromkeys(getattr(keys, by.keys))]

    def look_ups(self) -> list[Want]:
        """What the first trip asks; nothing if only ids are wanted."""
        return [by.want(key) for by, key in self._look_ups]

    def accounts(self, leads: Sequence[bytes | None]) -> list[bytes]:
        """Whose documents the second trip asks for, when this is where the first led."""
        return list(dict.fromkeys([*map(str.encode, self._ids), *filter(None, leads)]))

    def outcome(self, leads: Sequence[bytes | None], second: Seen, *, position: int) -> Outcome[Batch]:
        """
        Sort what was asked into found and missing.

        :param second: the answer to `documents` of `accounts`.
        """
        there = _there(self.accounts(leads), second.values)
        named = [*self._named_by_id(there), *self._named_by_look_up(leads, there)]
        found = [unseal(there[account].served) for account in dict.fromkeys(each.account for each in named) if account]
        moved = any(lead and not each.account for lead, each in zip(leads, named[len(self._ids) :], strict=True))
        return Outcome(Batch(position, tuple(found), _missing(named)), settled=not moved)

    def _named_by_id(self, there: Mapping[bytes, _Documents]) -> Iterator[_Named]:
        for key in self._ids:
            account = key.encode()
            yield _Named("ids", key, account if account in there else None)

    def _named_by_look_up(self, leads: Sequence[bytes | None], there: Mapping[bytes, _Documents]) -> Iterator[_Named]:
        for (by, key), lead in zip(self._look_ups, leads, strict=True):
            has_key = lead is not None and lead in there and by.finds(key, there[lead].full)
            yield _Named(by.keys, key, lead if has_key else None)


def _there(accounts: Sequence[bytes], values: Sequence[bytes | None]) -> Mapping[bytes, _Documents]:
    """The documents that exist; `values` answer `documents` of `accounts`."""
    full, served = values[: len(accounts)], values[len(values) - len(accounts) :]
    return {
        account: _Documents(document, as_served)
        for account, document, as_served in zip(accounts, full, served, strict=True)
        if document is not None and as_served is not None
    }


def _missing(named: Iterable[_Named]) -> ProfileKeys:
    missing: dict[str, list[str]] = {}
    for keys, key, account in named:
        if account is None:
            missing.setdefault(keys, []).append(key)
    return ProfileKeys(**{keys: tuple(each) for keys, each in missing.items()})

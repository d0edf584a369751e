"""What happened to accounts, in Redis."""

from bisect import bisect_left
from collections.abc import Mapping
from functools import partial
from uuid import UUID

import msgspec

from read_side.adapters.redis.transport.reads import Field
from read_side.adapters.redis.views.source import RedisViews
from read_side.views import Page, Variant
from shared.errors import Unavailable
from shared.read_model.activity import AccountActivity, unpacked
from shared.read_model.envelope import unseal
from shared.read_model.keys import GenerationKeys

_decode = msgspec.json.Decoder(AccountActivity).decode
_encode = msgspec.json.Encoder().encode


class RedisActivityViews(RedisViews):
    projection = "activity"
    oldest_version = 3

    async def of(self, account_id: str, *, limit: int, after: bytes | None = None, variant: Variant = "full") -> Page:
        reply = await self._ask_for_list(Field("full", account_id.encode()))
        (envelope,) = reply.values
        if envelope is None:
            return Page(reply.position, None if after is None else ())
        try:
            items = _decode(unseal(envelope).body).items
            end = len(items) if after is None else bisect_left(items, int.from_bytes(after), key=_position)
            start = max(0, end - limit)
            show = partial(_shown, UUID(account_id), is_public=variant == "public")
            return Page(
                reply.position, tuple(map(show, reversed(items[start:end]))), _place(items[start]) if start else None
            )
        except msgspec.MsgspecError as error:
            raise Unavailable("What happened to an account cannot be read") from error

    @staticmethod
    def names(keys: GenerationKeys) -> Mapping[str, str]:
        return {"full": keys.documents("activity", "full")}


def _position(item: msgspec.Raw) -> int:
    return unpacked(item).position


def _place(item: msgspec.Raw) -> bytes:
    return _position(item).to_bytes(8, "big")


def _shown(account_id: UUID, item: msgspec.Raw, *, is_public: bool) -> bytes:
    return _encode(unpacked(item).record(account_id, is_public=is_public))

"""A page shows what stands where it was found, also if something was written meanwhile."""

from types import SimpleNamespace
from uuid import UUID

import msgspec

from read_side.adapters.list_query import ListLimits, ListQuery
from read_side.adapters.redis.lists.lengths import ListLengths
from read_side.adapters.redis.lists.page import page
from read_side.adapters.redis.lists.search import Places, Search
from read_side.views import GroupQuery
from shared.read_model.envelope import Forms
from shared.read_model.ordering import ANY_STATUS, EVERYBODY, IndexRow, place

ADA, BOB, CYD, DAN = (UUID(int=nth) for nth in (1, 2, 3, 4))
FOUND = [place(name, id_) for name, id_ in ((b"ada", ADA), (b"bob", BOB), (b"cyd", CYD), (b"dan", DAN))]


def row(name):
    return msgspec.msgpack.encode(IndexRow((EVERYBODY,), ANY_STATUS, (name,), b""))


class LastTrip:
    """The trip before which something was written: one has another name, one lost its row, one its document."""

    has_moved, position = True, 7

    async def ask(self, *_, reads):
        documents, rows = [b"1", b"2", b"3", None], [row(b"ada"), row(b"robert"), None, row(b"dan")]
        return SimpleNamespace(results=(documents, rows), values=())


async def test_what_stands_elsewhere_by_now_is_not_shown(monkeypatch):
    async def found(_):
        return Places(FOUND, None)

    monkeypatch.setattr(Search, "page", found)
    query, lengths = ListQuery.of_groups(GroupQuery()), ListLengths(ListLimits())

    shown = await page(LastTrip(), query, lengths=lengths, shown=lambda documents: Forms(tuple(documents)))

    assert shown.page.documents == (b"1",)

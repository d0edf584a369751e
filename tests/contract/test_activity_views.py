"""What all activity views promise, on every adapter."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from projector.projections.activity import activity
from read_side.views import NeverFilled, Page
from shared.errors import Unavailable
from shared.read_model.positions import Pointer
from shared.read_model.records import ActivityRecord
from tests.contract.view_sides import ALSO_IN_PARTS, side_on
from tests.support.read_side import changed

ACCOUNTS = (UUID(int=1), UUID(int=(1 << 128) - 1), UUID(int=(1 << 128) - 2))
AT = datetime(2026, 1, 1, tzinfo=UTC)


def happened(position):
    """Make something happen to one account after the other."""
    record = ActivityRecord(
        account_id=ACCOUNTS[position % 3],
        type="handle-changed",
        position=position,
        at=AT,
        actor="system",
        details={"old": f"a{position}", "new": f"b{position}"},
    )
    return record.account_id, record


@pytest.fixture(params=ALSO_IN_PARTS)
async def side(request):
    async with side_on(request.param, "activity", request) as side:
        yield side


@pytest.fixture
def filled(side):
    """Each account in turn, at positions of one, two and three digits and more."""
    side.projection.commit(*map(happened, (*range(1, 61), 255, 256, 2**40, 2**62)), position=2**62)
    return side.views


def records(page):
    return [msgspec.json.decode(each, type=ActivityRecord) for each in page.documents]


def positions(page):
    return [each.position for each in records(page)]


def own(account):
    return [each for each in (2**62, 2**40, 256, 255, *range(60, 0, -1)) if ACCOUNTS[each % 3] == account]


@pytest.mark.parametrize("limit", [1, 7, 22, 200])
@pytest.mark.parametrize("account", ACCOUNTS)
async def test_what_happened_is_told_newest_first(filled, account, limit):
    """Page by page, and nothing of anybody else."""
    told, after = [], None
    while True:
        page = await filled.of(str(account), limit=limit, after=after)
        told += positions(page)
        if page.after is None:
            break
        assert len(page.documents) == limit
        after = page.after

    assert own(account) == told
    assert page.position == 2**62


async def test_everybody_sees_the_details_that_are_public(side):
    """Of the others only that it happened."""
    details = {"old": "a@x.org", "new": "b@x.org"}
    types = ("handle-changed", "email-changed")
    for position, type_ in enumerate(types, 1):
        record = changed(happened(0)[1], position=position, type=type_, details=details)
        side.projection.commit((record.account_id, record), position=position)

    full = await side.views.of(str(ACCOUNTS[0]), limit=5)
    public = await side.views.of(str(ACCOUNTS[0]), limit=5, variant="public")

    assert [each.details for each in records(full)] == [details, details]
    assert [each.details for each in records(public)] == [{}, details]
    assert [each.type for each in records(public)] == list(reversed(types))


async def test_there_is_no_activity_of_an_account_that_is_not_there(filled):
    """None, which is not the same as nothing."""
    assert await filled.of(str(UUID(int=2)), limit=5) == Page(2**62, None)


async def test_no_place_leads_to_another_account(filled):
    """To the newest or behind the oldest."""
    for account in ACCOUNTS:
        for place in (b"\0", b"\0" * 8, b"\xff" * 40, b"\x7f", b"z" * 10_000):
            told = positions(await filled.of(str(account), limit=200, after=place))
            assert own(account)[len(own(account)) - len(told) :] == told


async def test_a_walk_is_not_disturbed_by_what_happens_meanwhile(filled, side):
    """New events stand before its beginning."""
    newest, account = 2**62 + 3, ACCOUNTS[(2**62 + 3) % 3]
    first = await filled.of(str(account), limit=10)
    side.projection.commit(happened(newest), position=newest)

    rest = await filled.of(str(account), limit=200, after=first.after)

    assert own(account) == positions(first) + positions(rest)
    assert [newest] == positions(await filled.of(str(account), limit=1))


async def test_before_the_first_fill_nobody_is_missing(side):
    with pytest.raises(NeverFilled):
        await side.views.of(str(ACCOUNTS[0]), limit=5)

    side.projection.commit(position=3)

    assert await side.views.of(str(ACCOUNTS[0]), limit=5) == Page(3, None)


async def test_what_an_older_version_has_made_is_not_read(request):
    """Nobody is told that there is nothing."""
    async with side_on("valkey", "activity", request) as side:
        side.projection.commit(happened(1), position=1)
        former = Pointer(side.projection.keys.name, activity.version - 1)
        side.projection.client.set(side.projection.projection.live, msgspec.json.encode(former))

        with pytest.raises(Unavailable, match="made by version 2"):
            await side.views.of(str(ACCOUNTS[1]), limit=5)


async def test_what_cannot_be_read_is_not_shown(request):
    """Nor does it end in an error of ours."""
    async with side_on("valkey", "activity", request) as side:
        side.projection.commit(happened(1), position=1)
        documents = side.projection.keys.documents("activity", "full")
        side.projection.client.hset(documents, str(ACCOUNTS[1]), b'1 "tag"\n{"items":[[1]]}')

        with pytest.raises(Unavailable, match="cannot be read"):
            await side.views.of(str(ACCOUNTS[1]), limit=5)

"""The connection to PostgreSQL is lost while a command is being committed: nobody can know, and yet everybody must."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from tests.support.load import Load
from tests.support.oracle import assert_all_is_right
from tests.support.patience import until_here
from tests.support.proxy import Cut, CuttingProxy
from tests.support.stack import service

COMMANDS = 80
CUTS = 5
"""At least: of transactions, which commands share the more the busier the machine is."""


class Cutting(NamedTuple):
    """A write side whose connections with PostgreSQL go through a proxy that cuts them."""

    url: str
    proxy: CuttingProxy


@pytest.fixture(scope="module")
async def cutting(stack, tmp_path_factory) -> AsyncIterator[Cutting]:
    proxy = CuttingProxy(stack.addresses.database_url, cut=Cut.BEFORE, share=0.25, seed=7)
    log = tmp_path_factory.mktemp("cutting") / "write.log"
    async with proxy.running(), service("write", log, MUSTER_DATABASE_URL=proxy.url) as (url, _):
        yield Cutting(url, proxy)


@pytest.mark.parametrize("cut", Cut)
async def test_a_lost_commit_is_answered_with_what_became_of_it(stack, cutting, cut):
    """
    With and without an Idempotency-Key: the outcome if it took effect, else 503, and then it may be sent again.

    Never a conflict with one's own success, never an error for what was stored, and nothing twice.
    """
    url, proxy = cutting
    proxy.when, proxy.cuts, proxy.undone = cut, 0, 0
    load = Load(url, seed=100 + list(Cut).index(cut), keyed=0.5, repeated=0.5, pause=0)
    async with load.running():
        await load.grown(by=COMMANDS)
        await until_here(lambda: proxy.cuts > CUTS)

    assert set(load.troubles) == ({"/problems/storage-unavailable"} if proxy.undone else set())
    assert load.troubles.total() >= proxy.undone
    assert (proxy.undone == proxy.cuts) is (cut is Cut.BEFORE)
    await assert_all_is_right(stack, load)

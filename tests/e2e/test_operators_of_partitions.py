"""What operators do where a projection has several parts: all of it once, in real processes."""

import asyncio
import json
import re
from functools import partial
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import expect
from redis import Redis

from shared.read_model.keys import HOME
from shared.read_model.partitions import Partitions
from shared.redis.cluster import slot_of
from tests.e2e.divided_showcase import UNFOLDABLE
from tests.support.browser import fits, is_live, stands_out, visited
from tests.support.cluster import valkey_cluster
from tests.support.commands import muster
from tests.support.patience import until
from tests.support.served import served


@pytest.fixture
def place(request, valkey, server_home):
    """An empty Redis, and what gives a client of the node that has a partition."""
    if request.param == "server":
        with Redis.from_url(valkey.start().url) as client:
            client.flushall()
            yield valkey.url, lambda tag: client
        return
    with valkey_cluster(server_home / "operators") as cluster:
        yield cluster.url, lambda tag: Redis.from_url(cluster.owner(slot_of(tag)).url)


class Operator:
    """Gives commands, knows no number of partitions, and wants all to end as they should."""

    def __init__(self, home, **settings):
        self._muster = partial(muster, home, **settings)

    async def does(self, *arguments, ends=0, **settings):
        ended = await asyncio.to_thread(self._muster, *arguments, **settings)
        assert ended.returncode == ends, (arguments, ended.stdout, ended.stderr)
        return ended

    async def told(self, *arguments, ends=0):
        return json.loads((await self.does(*arguments, "--json", ends=ends)).stdout)


class Directory:
    """Two of whom a change cannot be folded, among others."""

    def __init__(self, stack):
        self._client = partial(stack.client, stack.addresses.write)
        word = uuid4().hex[:10]
        self.names = [f"o{word}{nth}" for nth in range(4)]
        self.slug = f"s{word}"

    async def begin(self):
        for name in self.names:
            fields = {"handle": name, "email": f"{name}@example.org", "display_name": f"Name {name}"}
            self.person = (await self._command("register-account", **fields, attributes={"desk": "101"}))["id"]
        self.group = (await self._command("create-group", slug=self.slug, name=UNFOLDABLE))["id"]
        await self._command("update-profile", account=self.person, title=UNFOLDABLE)
        await self._command("update-profile", account=self.person, bio="Waits behind it")

    async def _command(self, name, /, **fields):
        async with self._client() as client:
            return (await client.post(f"/commands/{name}", json=fields)).raise_for_status().json()


@pytest.mark.parametrize(
    ("place", "partitions"),
    [("server", 3), pytest.param("cluster", 12, marks=pytest.mark.soak)],
    indirect=["place"],
)
async def test_all_that_operators_do_with_parts(stack, place, partitions, browser):
    """Something is parked, differs, is rebuilt and taken back; a person is erased; the page is one screen."""
    redis_url, client_of = place
    settings = {"MUSTER_DATABASE_URL": stack.addresses.database_url, "MUSTER_REDIS_URL": redis_url}
    client_of(HOME.tag).set(HOME.partitions, partitions)  # as `muster project` does
    of_parts = {"MUSTER_PARTITIONS": str(partitions), **settings}
    directory = Directory(stack)
    await directory.begin()
    with served("tests.e2e.divided_showcase:create", **of_parts) as app:
        ops = app.url
        operator = Operator(stack.home, MUSTER_OPS_URL=ops, **settings)
        await is_level(ops)
        own = f"profiles.{Partitions(partitions).of(directory.person)}"

        await sees_one_line_a_projection(operator, partitions)
        await sees_what_is_parked(operator, directory, own, partitions)
        await looks_at_the_page(browser, ops, directory, partitions)
        await skips_in_all_parts(operator, directory)
        await repairs(operator, client_of, own, partitions)
        await rebuilds(operator, own, partitions)
        await erases(operator, directory)


async def is_level(ops):
    async def level():
        told = (await client.get("/status")).json()
        return {each["checkpoint"] for each in told["projections"]} == {told["head"]} and not told["error"]

    async with httpx.AsyncClient(base_url=ops, trust_env=False) as client:
        await until(level)


async def sees_one_line_a_projection(operator, partitions):
    shown = (await operator.does("status")).stdout
    parts = (await operator.does("status", "--parts")).stdout

    assert f"profiles v6, {partitions} parts" in shown
    assert "profiles.1" not in shown
    assert len(shown.splitlines()) < 30
    assert all(f" profiles.{nth} " in parts for nth in range(partitions))


async def sees_what_is_parked(operator, directory, own, partitions):
    """Of the group in every part, of the person in theirs."""
    parked = {each["id"]: each for each in (await operator.told("parked", "list"))["parked"]}
    [of_part] = (await operator.told("parked", "show", own, directory.person))["parked"]
    [of_whole] = (await operator.told("parked", "show", "profiles", directory.person))["parked"]
    retried = await operator.told("parked", "retry", "profiles", directory.person, ends=1)

    assert parked.keys() >= {directory.person, directory.group}
    assert (of_part, of_whole["parts"], len(of_whole["waiting"])) == (of_whole, [own], 2)
    assert len(parked[directory.group]["parts"]) == partitions
    assert retried["settled"]


async def looks_at_the_page(browser, ops, directory, partitions):
    """One screen, with the parts behind a line; what is parked in all of them stands there once."""
    async with visited(browser, ops, color_scheme="dark") as page:
        await is_live(page)
        part = page.locator("#profiles\\.1")
        await expect(part).to_be_attached()
        await expect(part).to_be_hidden()
        await page.set_viewport_size({"width": 1280, "height": 800})
        await fits(page)
        await expect(page.locator(".projections")).to_be_in_viewport(ratio=1)
        await page.set_viewport_size({"width": 375, "height": 740})
        await fits(page)
        await page.locator("#profiles-worst").click()
        await expect(page.locator("#profiles-worst")).to_have_text(re.compile(f"^{partitions} parts"))
        await expect(page.locator("#profiles\\.1-rebuild")).to_be_visible()
        await stands_out(page)
        await expect(page.locator("#parked-shown li").filter(has_text=directory.group[-8:])).to_have_count(1)
        await part.evaluate("part => part.remove()")  # as if it were new
        await expect(part).to_be_attached()


async def skips_in_all_parts(operator, directory):
    skipped = await operator.told("parked", "skip", "profiles", directory.group, "--reason", "a test")

    assert [(each["projection"], each["reason"]) for each in skipped["skipped"]] == [("profiles", "a test")]
    assert (skipped["settled"], skipped["parked"]) == (True, [])


async def repairs(operator, client_of, own, partitions):
    """What is taken from a part is found there, and written anew; that another number was set is no matter."""
    keyspace = Partitions(partitions).keyspaces[int(own.partition(".")[2])]
    redis, keys = client_of(keyspace.tag), keyspace.projection("profiles")
    generation = json.loads(redis.get(keys.live))["generation"]
    held = keys.generation(generation).documents("profile", "full")
    redis.hdel(held, redis.hkeys(held)[0])

    of_part = await operator.told("verify", own, ends=1)
    repaired = await operator.told("verify", "profiles", "--repair")
    everything = await operator.does("verify", MUSTER_PARTITIONS="24")

    assert {each["projection"] for each in of_part["details"]} == {own}
    assert repaired["repaired"] == repaired["differences"] == 1
    assert f"profiles ({partitions} parts)" in everything.stdout
    assert (await operator.does("verify", "profiles.99", ends=2)).stderr.count("\n") <= 2


async def rebuilds(operator, own, partitions):
    """All parts, one, back, and nothing to abort."""
    everything = await operator.told("rebuild", "profiles")
    one = await operator.told("rebuild", own)
    back = await operator.does("rebuild", "--rollback", own)
    await operator.does("rebuild", "profiles", "--abort", ends=1)

    assert [each["projection"] for each in everything] == [f"profiles.{nth}" for nth in range(partitions)]
    assert all(each["switched"] for each in (*everything, one))
    assert f"generation {one['from']} is live again" in back.stderr


async def erases(operator, directory):
    """A short number in their records proves nothing; of what was parked for them, nothing is left."""
    proof = await operator.told("erase", directory.person, "--yes", "--prove")
    parked = (await operator.told("parked", "list"))["parked"]

    assert proof["proven"], [each for each in proof["places"] if each["found"]]
    assert {"field": "attributes", "why": "as short as other numbers", "values": 1} in proof["left_out"]
    assert directory.person not in {each["id"] for each in parked}

"""Valkey beside the log and the log beside PostgreSQL's state, while commands stream in; on real servers."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from random import Random

import psycopg
import pytest

from projector.adapters.postgres.directory import PostgresDirectory
from projector.audit.drift_sampler import DriftSampler, DriftSamplerLimits
from projector.audit.verify.following import VerifyLimits
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from projector.projections.registry import PROJECTIONS
from projector.store.errors import Superseded
from shared.event_log import EventLogUnsound
from shared.events import EVENTS, AccountErased, EmailVerified, Redacted
from shared.redis.client import connect
from tests.contract.random_commands import Writer
from tests.support.bugs import poisoned
from tests.support.examples import examples
from tests.support.folding import fold_next
from tests.support.verifying import GROUPS, PROFILES, HandInRedis, be_live, differences_in, edit, verify
from tests.support.write_side import postgres_write_side

EAGER = DriftSamplerLimits(records=50, patience=10.0, pause=0.01, attempts=1)
"""One look is enough, also for a row that changes to and fro."""
TO_AND_FRO = {
    "name of a group": (("update-group", {"name": "Other"}), ("update-group", {"name": "Chess"})),
    "role": (("change-member-role", {"role": "owner"}), ("change-member-role", {"role": "member"})),
    "number of members": (("add-group-member", {"account": "@fro"}), ("remove-group-member", {"account": "@fro"})),
}


class FromTheBeginning(Random):
    """Looks where the log begins."""

    def randint(self, a, b):
        return a


class Meanwhile:
    """An inspector that looks while something is otherwise than before and afterwards."""

    def __init__(self, inspector, *, there, back):
        self._inspector, self._there, self._back = inspector, there, back

    def __getattr__(self, name):
        return getattr(self._inspector, name)

    async def inspect(self, pointers, query):
        await self._there()
        snapshots = await self._inspector.inspect(pointers, query)
        await self._back()
        return snapshots


class Scene:
    """Servers with a directory that is written to, projected and looked at."""

    def __init__(self, write_side, hand, database_url):
        self.write_side = write_side
        self.hand = hand
        self.directory = PostgresDirectory(database_url)
        self.writer = Writer(write_side, seed=442)  # which soon suspends, closes and erases
        self.fan_out = 1
        self.fails = None
        """Whether the release that feeds cannot fold an event."""
        self._database_url = database_url
        self._log = []

    async def feed(self):
        """One pass of each projection; says whether there was anything. A repair may come in between."""
        new = await self.write_side.events_after(self._log[-1].position if self._log else 0)
        # The erasure has taken away what the log said before.
        is_erasing = any(isinstance(each.event, AccountErased) for each in new)
        self._log = await self.write_side.events() if is_erasing else [*self._log, *new]
        busy = [await self._fold(projection) for projection in PROJECTIONS]
        return any(busy)

    async def _fold(self, projection):
        model, code = self.hand.subject(projection).model, "buggy" if self.fails else "mended"
        release = poisoned(projection, self.fails) if self.fails and projection.parks else projection
        try:
            return await fold_next(model, self._log, size=20, projection=release, fan_out=self.fan_out, code=code)
        except Superseded:
            return True

    async def settle(self):
        while await self.feed():
            pass

    @asynccontextmanager
    async def going_on(self):
        """Commands are sent and projected all the time."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write(over))
            group.create_task(self._feed(over))
            try:
                yield
            finally:
                over.set()

    async def verify(self, projection, *, repair=False):
        # While groups are renamed all the time there is no end of fan-outs to wait for.
        limits = VerifyLimits(fan_out=0.1)
        log, directory = self.write_side.log, self.directory
        return await verify(self.hand, log, projection, repair=repair, directory=directory, limits=limits)

    async def change_what_is_rare(self):
        rare = {"handle": "rare", "display_name": "Rare"}
        await self.write_side.run("register-account", email="before@example.org", **rare)
        await self.write_side.run("change-email", account="@rare", email="after@example.org")
        await self.write_side.run("create-group", slug="rare", name="Rare")
        await self.write_side.run("add-group-member", group="rare", account="@rare", role="member")
        await self.write_side.run("delete-group", group="rare")

    def sampler(self):
        stores = map(self.hand.subject, PROJECTIONS)
        return DriftSampler(stores, directory=self.directory, random=FromTheBeginning(), limits=EAGER)

    def behind_the_log(self, statement):
        """Change state without an event; returns what the statement does."""
        with psycopg.connect(self._database_url) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    async def _write(self, over):
        while not over.is_set():
            await self.writer.send(1)

    async def _feed(self, over):
        while not over.is_set():
            await self.feed()


@pytest.fixture
async def scene(request, database_url):
    server = request.getfixturevalue("valkey").start()
    async with postgres_write_side(database_url) as write_side, connect(server.url) as client:
        await client.flushall()
        scene = Scene(write_side, HandInRedis(client), database_url)
        for projection in PROJECTIONS:
            await be_live(scene.hand, projection)
        await scene.writer.send(40)
        await scene.change_what_is_rare()
        await scene.settle()
        assert {type(each.event) for each in await write_side.events()} == {*EVENTS, Redacted} - {EmailVerified}
        yield scene


async def test_nothing_is_found_where_nothing_is_wrong(scene):
    """After commands of all kinds, every record, entry and row is what it should be."""
    verified = [await scene.verify(projection) for projection in PROJECTIONS]

    assert scene.writer.done > 35
    assert [differences_in(each) for each in verified] == [set()] * len(PROJECTIONS)
    assert all(each.documents for each in verified)


async def test_nothing_is_found_while_everything_goes_on(scene):
    """Commands, folds and fan-outs under way are no differences."""
    async with scene.going_on():
        before = scene.writer.done
        for _ in range(examples(2)):
            for projection in PROJECTIONS:
                assert differences_in(await scene.verify(projection)) == set()

    assert scene.writer.done > before


async def test_damage_is_repaired_while_everything_goes_on(scene):
    """The projector and the repair give way to one another."""
    [(account,), *_] = scene.behind_the_log("select id from accounts where status = 'closed' order by id")
    foreign = "ghost"
    await edit(scene.hand, PROFILES, "profile", "full", account, bio="scribbled")
    await scene.hand.put(PROFILES.unique_entries("by-handle"), foreign, str(account).encode())

    async with scene.going_on():
        repaired = await scene.verify(profiles, repair=True)
        afterwards = await scene.verify(profiles)

    assert {(f"profile {account}", "bio"), ("by-handle ghost", "by-handle")} == differences_in(repaired)
    assert repaired.stands == 0
    assert differences_in(afterwards) == set()


async def test_what_was_changed_behind_the_log_is_found_and_not_repaired(scene):
    """A field, a membership that ended, and a person of whom the log says nothing; what is compared is one snapshot."""
    [(changed,)] = scene.behind_the_log(
        "update profiles set title = 'Usurper' where id = (select min(id::text)::uuid from profiles) returning id"
    )
    [(group, member)] = scene.behind_the_log(
        "delete from memberships where id = (select min(id::text)::uuid from memberships"
        f" where account_id <> '{changed}') returning group_id, account_id"
    )
    [(new,)] = scene.behind_the_log(
        "insert into accounts"
        " values (gen_random_uuid(), 1, 'x@y', 'x@y', 'no.one', 'no.one', null, null, 'active') returning id"
    )
    scene.behind_the_log(
        "insert into profiles (id, version, display_name, links, tags, attributes)"
        f" values ('{new}', 1, 'X', '{{}}', '{{}}', '{{}}')"
    )

    of_people = await scene.verify(profiles, repair=True)

    assert differences_in(of_people) == {
        (f"profile {changed}", "state.title"),
        (f"profile {member}", "state.groups"),
        (f"profile {new}", "state.record"),
    }
    assert [each.found for each in of_people.details if each.field == "state.title"] == ["Usurper"]
    assert of_people.stands == 3
    assert differences_in(await scene.verify(groups)) == {
        (f"group {group}", "state.member_count"),
        (f"membership {group}:{member}", "state.record"),
        (f"person {new}", "state.record"),
    }


async def test_a_database_that_publishes_nothing_is_told(scene):
    """It has the schema of an earlier release."""
    scene.behind_the_log("drop view directory_profiles")

    with pytest.raises(EventLogUnsound, match="run `muster migrate`"):
        await scene.verify(profiles)


async def park(scene):
    """Have a release come that can fold no event of one account and of one group, and a lot happen."""
    [(account, group)] = scene.behind_the_log(
        "select (select min(id::text) from accounts where status = 'active'), (select min(id::text) from groups)"
    )
    begun = (await scene.write_side.run("update-profile", account=account, title="Parked")).outcome.position
    scene.fails = lambda recorded: recorded.position >= begun and _is_of({account, group}, recorded.event)
    await scene.writer.send(60)
    await scene.settle()
    return account


def _is_of(ids, event):
    return bool(ids & {str(getattr(event, name, None)) for name in ("account_id", "group_id")})


async def test_what_is_parked_is_no_difference(scene):
    """Of the state, neither; and once it can be folded, there is none at all."""
    await park(scene)
    parked = [await scene.verify(projection) for projection in PROJECTIONS]

    scene.fails = None
    await scene.settle()
    mended = [await scene.verify(projection) for projection in PROJECTIONS]

    assert [differences_in(each) for each in parked] == [set()] * len(PROJECTIONS)
    assert all(each.stale for each in parked[:2])
    assert [(differences_in(each), each.stale) for each in mended] == [(set(), 0)] * len(PROJECTIONS)


async def test_what_has_not_been_parked_yet_is_no_difference(scene):
    """The state is ahead of the store by events that cannot be folded either; an erasure would be waited for."""
    await park(scene)
    await scene.writer.send(40, erasing=False)

    verified = [await scene.verify(poisoned(projection, scene.fails)) for projection in (profiles, groups)]

    assert [differences_in(each) for each in verified] == [set(), set()]


async def test_a_sampler_leaves_out_who_is_parked_and_nobody_else(scene):
    """One record of another person was changed; so was that of the parked one, of which it cannot know."""
    account = await park(scene)
    [(other,), *_] = scene.behind_the_log(
        f"select id from accounts where id <> '{account}' and id not in (select account_id from memberships)"
    )
    sampler = scene.sampler()
    await sampler.sample("profiles")
    await sampler.sample("groups")
    before = sampler.differing("profiles") | sampler.differing("groups")
    for each in (account, other):
        await edit(scene.hand, PROFILES, "profile", "full", each, bio="scribbled")

    await sampler.sample("profiles")

    assert before == set()
    assert sampler.differing("profiles") == {("profile", str(other))}


async def test_a_sampler_finds_nothing_while_everything_goes_on(scene):
    """It waits for moments that can be compared."""
    sampler, scene.fan_out = scene.sampler(), 1000
    async with scene.going_on():
        for _ in range(examples(2)):
            for projection in ("profiles", "groups"):
                await sampler.sample(projection)
                assert sampler.differing(projection) == set()


async def test_a_sampler_takes_no_row_that_changed_to_and_fro_for_unchanged(scene):
    """Two looks at the state agree, and the store reflects what was between them."""
    await _group_of_one(scene)
    for what, changes in TO_AND_FRO.items():
        there, back = (partial(_changed, scene, *change) for change in changes)
        stores = map(scene.hand.subject, (profiles, groups))
        looking = [replace(each, inspector=Meanwhile(each.inspector, there=there, back=back)) for each in stores]
        sampler = DriftSampler(looking, directory=scene.directory, random=FromTheBeginning(), limits=EAGER)

        await sampler.sample("profiles")
        await sampler.sample("groups")

        assert sampler.differing("profiles") | sampler.differing("groups") == set(), what


async def _group_of_one(scene):
    for name in ("to", "fro"):
        await scene.write_side.run(
            "register-account", handle=name, email=f"{name}@example.org", display_name=name.title()
        )
    await scene.write_side.run("create-group", slug="to-and-fro", name="Chess")
    await scene.write_side.run("add-group-member", group="to-and-fro", account="@to", role="member")
    await scene.settle()


async def _changed(scene, command, fields):
    whose = {} if command != "change-member-role" else {"account": "@to"}
    await scene.write_side.run(command, group="to-and-fro", **whose, **fields)
    await scene.settle()


async def test_a_sampler_finds_what_differs_until_it_is_repaired(scene):
    """A record edited, one deleted, a foreign one, state that was changed behind the log, and a membership."""
    [(one,), (other,), (third,), *_] = scene.behind_the_log("select id from accounts order by id")
    [(membership,), *_] = scene.behind_the_log("select concat_ws(':', group_id, account_id) from memberships")
    await edit(scene.hand, PROFILES, "profile", "full", one, title="Countess")
    await scene.hand.take(PROFILES.documents("profile", "full"), str(other))
    await scene.hand.put(PROFILES.documents("profile", "full"), "ghost", b"boo")
    await edit(scene.hand, GROUPS, "membership", "full", membership, role="usurper")
    scene.behind_the_log(f"update accounts set status = 'suspended', handle = 'y' where id = '{third}'")
    sampler = scene.sampler()

    await sampler.sample("profiles")
    await sampler.sample("groups")
    found = sampler.differing("profiles")
    await scene.verify(profiles, repair=True)
    await sampler.sample("profiles")

    assert found == {("profile", id_) for id_ in (str(one), str(other), "ghost", str(third))}
    assert sampler.differing("profiles") == {("profile", str(third))}
    assert sampler.differing("groups") == {("membership", membership), ("person", str(third))}

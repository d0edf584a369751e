"""Projectors that share the partitions: each is fed by one, and one that slept and does not know it does no harm."""

import asyncio
import math
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.adapters.memory.leases import MemoryLease
from projector.leadership.election import LeaderElection, Leadership
from projector.leadership.limits import LeadershipLimits
from projector.main import projector_app
from projector.projections.profiles import profiles
from projector.store.errors import Superseded
from projector.store.ports import Candidate, LeaseName
from shared.auth.setup import admit_everyone
from shared.event_log import LogIdentity
from shared.settings import Settings
from tests.support.apps import app_client
from tests.support.clock import Time
from tests.support.folding import at_once, cleanly_folded
from tests.support.patience import until_here
from tests.unit.projector.test_partitioned_projector import PartitionedProcess
from tests.unit.projector.test_partitions import united, without_divided_entries

LASTING = LeadershipLimits().shared
EAGER = Settings.load({"MUSTER_LIMITS": "leadership.renew=0.005"})
NAMES = [LeaseName(projection, 1, f"tag-{nth}") for nth in range(7) for projection in ("groups", "profiles")]
SERVERS = [NAMES[:6], NAMES[6:10], NAMES[10:]]


class LeaseOfOne:
    """The leases as one projector sees them: asleep, it gives no sign of life, and believes that all is as it was."""

    def __init__(self, lease):
        self._lease = lease
        self._last = None
        self.id = None
        self.sleeps = False

    def __getattr__(self, name):
        return getattr(self._lease, name)

    async def renew(self, candidate, names):
        self.id = candidate.id
        if not self.sleeps:
            self._last = await self._lease.renew(candidate, names)
        return self._last


class HeldCommits:
    """A read model whose commits are held between what they watch and what they write while the gate is closed."""

    def __init__(self, model, *, gate):
        self._model = model
        self._gate = gate
        self.is_held = False
        self.outcome = None
        """What became of the commit that was held."""

    def __getattr__(self, name):
        return getattr(self._model, name)

    @asynccontextmanager
    async def commit(self, generation, **more):
        async with self._model.commit(generation, **more) as commit:
            if self._gate.is_set():
                yield commit
                return
            self.is_held = True
            await self._gate.wait()
            try:
                yield commit
            except Superseded:
                self.outcome = "superseded"
                raise
            self.outcome = "committed"


class SeveralProjectors(PartitionedProcess):
    """Any number of projectors on the same log and stores."""

    def __init__(self):
        super().__init__()
        self.time = Time()
        self.around.lease = self.lease = MemoryLease(time=self.time, limits=LeadershipLimits(lease=LASTING))
        self.names = {
            LeaseName(each.projection.name, each.projection.version, each.keyspace.tag) for each in self.stores.values()
        }

    @asynccontextmanager
    async def one_more(self):
        """Another one, as long as it runs; it has given signs of life when this begins."""
        seen = LeaseOfOne(self.lease)
        register = partial(self._register, lease=seen, settings=EAGER, now=self.time)
        async with app_client(projector_app, admit_everyone, register):
            await until_here(lambda: seen.id)
            yield seen

    def shares(self):
        """How many partitions each has, by their ids; none where one of them is not held as a whole."""
        holders = {name.partition: set() for name in self.names}
        for name in self.names:
            holders[name.partition].add(self.lease.holders[name].id if name in self.lease.holders else None)
        return Counter(each.pop() for each in holders.values() if len(each) == 1)

    async def shared_by(self, *projectors):
        """Let time pass until these have all partitions between them, evenly."""
        ids = {each.id for each in projectors}
        most, least = -(-4 // len(ids)), 4 // len(ids)

        def are_even():
            self.time.now += LASTING / 100
            return (found := self.shares()).keys() == ids and found.total() == 4 and {*found.values()} <= {most, least}

        await until_here(are_even)

    async def go_on(self, nth):
        """Have something happen, and wait until all partitions reflect it."""
        self.live_through(nth)
        await self.reach()

    def assert_all_is_right(self):
        events = self.around.history.events
        whole = at_once(cleanly_folded(events, profiles))
        last = LogIdentity(events[-1].event_id, len(events))
        found = map(self.checkpoint, self.places)
        assert united(self.held("profiles")) == without_divided_entries(whole, "profiles")
        assert {LogIdentity(each.event_id, each.count) for each in found} == {last}


@pytest.fixture
def several():
    return SeveralProjectors()


async def test_those_who_come_and_go_share_the_partitions(several):
    """While things happen; each event has its effect once."""
    async with several.one_more() as one:
        await several.shared_by(one)
        await several.go_on(0)
        async with several.one_more() as two:
            await several.shared_by(one, two)
            await several.go_on(1)
            async with several.one_more() as three:
                await several.shared_by(one, two, three)
                await several.go_on(2)
            await several.shared_by(one, two)
            await several.go_on(3)
        await several.shared_by(one)
        await several.go_on(4)

    several.assert_all_is_right()


async def test_one_that_sleeps_loses_its_partitions_and_does_no_harm(several):
    """It goes on feeding what it believes to hold, beside the others, until it wakes up."""
    async with several.one_more() as one, several.one_more() as two, several.one_more() as three:
        await several.shared_by(one, two, three)
        await several.go_on(0)
        one.sleeps = True
        await several.shared_by(two, three)
        for nth in range(1, 6):
            await several.go_on(nth)
        one.sleeps = False
        await several.shared_by(one, two, three)
        await several.go_on(6)

    several.assert_all_is_right()


async def test_a_commit_that_was_begun_before_the_lease_passed_to_another_writes_nothing(several):
    """The projector stands still between what it watches and what it writes."""
    gate, stores = asyncio.Event(), several.stores
    gate.set()
    held = {label: HeldCommits(each.model, gate=gate) for label, each in stores.items()}
    several.stores = {label: replace(each, model=held[label]) for label, each in stores.items()}
    async with several.one_more() as one:
        several.stores = stores
        await several.shared_by(one)
        await several.go_on(0)
        gate.clear()
        several.live_through(1)
        await until_here(lambda: any(each.is_held for each in held.values()))
        async with several.one_more() as two:
            one.sleeps = True
            await several.shared_by(two)
            await several.go_on(2)
            begun = [each for each in held.values() if each.is_held]
            gate.set()
            await until_here(lambda: all(each.outcome for each in begun))
            one.sleeps = False
            await several.shared_by(one, two)
            await several.go_on(3)

    assert {each.outcome for each in begun} == {"superseded"}
    several.assert_all_is_right()


class Elections:
    """Elections of projectors that live and die, round by round."""

    def __init__(self):
        self.time, self.now = Time(), Time()
        """Of the server, and of the processes."""
        self.lease = MemoryLease(time=self.time, limits=LeadershipLimits(lease=LASTING))
        self.living = []
        self.latest = self.time.now
        self.had = {}
        """Who has or had each lease last."""
        self.hands = Counter()
        """How often each lease came to another one."""
        self.given = []
        """When something was given up: for how long another one had been there, at most."""
        self._ids = count()

    async def join(self, _=0):
        self.living.append(Elected(self.lease, f"projector-{next(self._ids)}", now=self.now))

    @classmethod
    async def of_three(cls):
        elections = cls()
        for _ in range(3):
            await elections.join()
        return elections

    async def renew(self, nth):
        """Have one of them take a turn with a server; it takes nothing from one who is there."""
        former, named = (await self.lease.candidates(NAMES)).holders, dict(self.lease.holders)
        projector = self.living[nth // len(SERVERS) % len(self.living)]
        projector.give_sign(at=self.now.now)
        await projector.election.round(SERVERS[nth % len(SERVERS)])
        taken = {name for name, holder in self.lease.holders.items() if holder.id == projector.id}
        assert {former[each].id for each in taken if each in former} <= {projector.id}
        self.hands.update(each for each in taken if self.had.get(each) != projector.id)
        self.had |= dict.fromkeys(taken, projector.id)
        if named.keys() - self.lease.holders.keys():
            self.given.append(max(each.stayed(now=self.now.now) for each in self.living if each is not projector))

    async def leave(self, nth):
        await self.living.pop(nth % len(self.living)).election.leave()

    async def die(self, nth):
        self.living.pop(nth % len(self.living))

    async def let_time_pass(self, tenths):
        """Backwards, too, as the clock of a server that is set."""
        self.time.now += tenths / 10
        self.now.now += max(0, tenths) / 10
        self.latest = max(self.latest, self.time.now)

    async def second(self, projectors):
        """Have some of them take a turn with each server."""
        for each in projectors:
            for nth in range(len(SERVERS)):
                await self.renew(each * len(SERVERS) + nth)
        await self.let_time_pass(10)

    async def settle(self):
        """Let the signs of life of the dead run out, and have the living be there until all are settled."""
        self.time.now = self.latest
        await self.let_time_pass(int(LASTING * 10))
        for _ in range(int(LASTING) + 5):
            await self.second(range(len(self.living)))

    def assert_all_is_held_evenly(self):
        held = {each.id: {lease.lease for lease in each.leaderships if lease.is_held} for each in self.living}
        partitions = [len({name.partition for name in names}) for names in held.values()]
        assert sorted(name for names in held.values() for name in names) == sorted(NAMES)
        assert max(partitions) - min(partitions) <= 1


class Elected:
    def __init__(self, lease, id, *, now):
        self.id, self.leaderships = id, [Leadership(each) for each in NAMES]
        self.election = LeaderElection(lease, Candidate(id, "2026-12-01T08:00:00+00:00"), self.leaderships, now=now)
        self._since, self._last = math.inf, -math.inf

    def give_sign(self, *, at):
        """A gap that is shorter than two signs of life may fall between the looks of the others."""
        if at - self._last >= 2 * LASTING:
            self._since = at
        self._last = at

    def stayed(self, *, now):
        """For how long it has given signs of life without a gap."""
        return now - self._since if now - self._last < LASTING else 0


STEPS = st.one_of(
    st.tuples(st.sampled_from(["join", "leave", "die"]), st.integers(0, 4)),
    st.tuples(st.just("renew"), st.integers(0, 14)),
    st.tuples(st.just("let_time_pass"), st.integers(-30, 30)),
)


@given(st.lists(STEPS, max_size=40))
async def test_all_is_held_and_shared_evenly_once_all_have_come_and_gone(steps):
    """By those who are there, each lease by one; within the time of two signs of life and five renewals."""
    elections = Elections()
    await elections.join()
    for name, argument in steps:
        await getattr(elections, name)(argument)
        if not elections.living:
            await elections.join()
    await elections.settle()

    elections.assert_all_is_held_evenly()


@given(st.lists(st.tuples(st.permutations(range(3)), st.integers(0, 3), st.integers(1, 8)), max_size=15))
async def test_nothing_is_given_up_unless_another_one_has_stayed(spells):
    """However often projectors get no processor for longer than their leases."""
    elections = await Elections.of_three()
    for projectors, count_of, seconds in spells:
        for _ in range(seconds):
            await elections.second(projectors[:count_of])
    await elections.settle()

    assert elections.given
    assert [stayed for stayed in elections.given if stayed < LASTING] == []
    elections.assert_all_is_held_evenly()


@given(st.lists(st.tuples(st.integers(4, 8), st.integers(1, 2)), min_size=1, max_size=10))
async def test_what_one_loses_that_never_stays_changes_hands_once(turns):
    """It is there for less than a sign of life is good, time and again."""
    elections = await Elections.of_three()
    await elections.settle()
    elections.hands.clear()
    for away, there in turns:
        for nth in range(away + there):
            await elections.second(range(2) if nth < away else range(3))

    assert max(elections.hands.values()) == 1

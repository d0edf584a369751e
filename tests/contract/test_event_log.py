"""What every event log promises to its readers, on every adapter."""

import asyncio
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

from projector.projections.groups import groups
from projector.projections.profiles import profiles
from shared.event_log import LogIdentity
from shared.event_log.ranges import IdRange
from shared.event_log.tap import EventTap
from shared.runtime.retry import Backoff, poll
from tests.support.patience import SECONDS
from tests.support.reading import CountedReads, Reading
from tests.support.write_side import ANDRE, memory_write_side


async def test_an_empty_log_has_no_head(write_side):
    async with write_side.log.connect() as reader:
        assert await reader.read(after=0, limit=10) == []
        assert await reader.head() == 0
        assert await reader.oldest(after=0) is None
        assert await reader.identity(position=0) == LogIdentity(None, 0)


async def test_events_are_read_in_order_and_in_portions(write_side):
    for n in range(3):
        await write_side.run("register-account", email=f"{n}@example.org", handle=f"h{n}", display_name=str(n))
    everything = await write_side.events()

    async with write_side.log.connect() as reader:
        first = await reader.read(after=0, limit=4)
        rest = await reader.read(after=first[-1].position, limit=4)

    assert [*first, *rest] == everything
    assert [each.position for each in everything] == sorted(each.position for each in everything)
    assert len({each.event_id for each in everything}) == 6


async def test_a_replay_gives_what_is_read(write_side):
    """In order, with everything that each event says; from behind one position up to another."""
    for n in range(4):
        await write_side.run("register-account", email=f"{n}@example.org", handle=f"h{n}", display_name=f'"{n}\\ é')
    everything = await write_side.events()

    async with write_side.log.connect() as reader:
        horizon = await reader.horizon()
        whole = [each async for events in reader.replay(after=0, until=horizon) for each in events]
        part = [each async for events in reader.replay(after=2, until=5) for each in events]

    assert whole == everything
    assert part == everything[2:5]


async def test_a_range_of_ids_is_replayed_alone(write_side):
    """With all that concerns every range: what has another id, and erasures."""
    ids = [UUID(int=0x7 << 76 | 0b10 << 62 | nth) for nth in range(5)]
    for nth, id_ in enumerate(ids):
        await write_side.run(
            "register-account", account_id=str(id_), email=f"{nth}@example.org", handle=f"h{nth}", display_name="A"
        )
        await write_side.run("create-group", group_id=str(id_), slug=f"g{nth}", name="A")
        await write_side.run("add-group-member", group=f"g{nth}", account=str(ids[nth // 2]))
    await write_side.run("erase-account", account=str(ids[1]))
    everything = await write_side.events()

    async with write_side.log.connect() as reader:
        for within in (IdRange(nth, 3, of.ranged_by) for nth in range(3) for of in (profiles, groups)):
            replay = reader.replay(after=0, until=everything[-1].position, within=within)
            assert [each async for events in replay for each in events] == [
                each
                for each in everything
                if within.concerns(each.event, aggregate=each.aggregate, aggregate_id=each.aggregate_id)
            ]


async def test_the_last_event_up_to_a_position_is_known(write_side):
    await write_side.run("register-account", **ANDRE)
    first, second = await write_side.events()

    async with write_side.log.connect() as reader:
        assert await reader.last(until=first.position - 1) == 0
        assert await reader.last(until=first.position) == first.position
        assert await reader.last(until=second.position + 7) == second.position


async def test_an_empty_log_has_nothing_to_replay(write_side):
    async with write_side.log.connect() as reader:
        assert await reader.horizon() == 0
        assert [each async for each in reader.replay(after=0, until=0)] == []


async def test_the_identity_of_a_history_is_its_last_event_and_their_number(write_side):
    await write_side.run("register-account", **ANDRE)
    first, second = await write_side.events()

    async with write_side.log.connect() as reader:
        assert await reader.identity(position=second.position) == LogIdentity(second.event_id, 2)
        assert await reader.identity(position=second.position, since=first.position) == LogIdentity(second.event_id, 1)
        assert await reader.identity(position=second.position + 7) == LogIdentity(None, 2)


async def test_one_reader_goes_to_wherever_a_log_has_come(write_side):
    """PostgreSQL has numbers of several sizes, and a statement that was prepared for one takes no larger one."""
    await write_side.run("register-account", **ANDRE)
    for position in (40_000, 2**31, 2**40):
        async with write_side.log.connect() as reader:
            for after in (0, position):
                events = await reader.read(after=after, limit=10)
                identity = await reader.identity(position=position, since=after)
                found = (
                    await reader.last(until=position),
                    await reader.oldest(after=after),
                    await reader.holder(after=after),
                )

                assert (len(events), identity.count) == ((0, 0) if after else (2, 2)), position
                assert (found[0], bool(found[1]), found[2]) == (2, not after, None), position


async def test_one_reader_may_be_asked_by_several_at_once(write_side):
    """A gauge asks for the head while the log is read."""
    await write_side.run("register-account", **ANDRE)
    async with write_side.log.connect() as reader:
        for _ in range(20):
            heads, reads = reader.head(), reader.read(after=0, limit=1)
            both = await asyncio.wait_for(asyncio.gather(heads, reads, reader.head()), timeout=SECONDS)

            assert (both[0], len(both[1]), both[2]) == (2, 1, 2)


async def test_the_oldest_event_tells_how_far_a_reader_lags(write_side):
    await write_side.run("register-account", **ANDRE)
    head = len(await write_side.events())

    async with write_side.log.connect() as reader:
        assert await reader.oldest(after=head - 1) == write_side.clock.now()
        assert await reader.oldest(after=head) is None


async def test_nobody_holds_a_quiet_log(write_side):
    await write_side.run("register-account", **ANDRE)

    async with write_side.log.connect() as reader:
        assert await reader.holder(after=0) is None


async def test_without_a_ring_the_wait_ends(write_side):
    async with write_side.log.connect() as reader:
        assert await reader.wait(seconds=0.01) is False


async def test_a_ring_in_memory_wakes_a_waiting_reader():
    memory = memory_write_side()
    async with memory.log.connect() as reader:
        waiting = asyncio.create_task(reader.wait(seconds=30))
        await asyncio.sleep(0)

        await memory.run("register-account", **ANDRE, account_id=str(uuid4()))

        assert await waiting


async def test_all_that_follow_by_a_tap_read_each_event_once(write_side):
    """What they get is what a session of their own gives; one that comes later begins in a read of its own."""
    log = CountedReads(write_side.log)
    tap = EventTap(log, idle=lambda: Backoff(poll(0.01)))

    async def register(n):
        await write_side.run("register-account", email=f"{n}@example.org", handle=f"h{n}", display_name=str(n))

    async with AsyncExitStack() as following:
        readings = [Reading(await following.enter_async_context(tap.connect()), limit=100) for _ in range(5)]
        for each in readings:
            await each.once()
        for n in range(5):
            await register(n)
            await asyncio.gather(*(each.reach(2 * n + 2) for each in readings))
        assert (log.sessions, log.given) == (1, 10)
        late = Reading(await following.enter_async_context(tap.connect()), limit=3)
        await late.reach(10)
        await register(5)
        await asyncio.gather(*(each.reach(12) for each in (late, *readings)))
        last = late.events[-1]
        assert await late.follower.identity(position=last.position) == LogIdentity(last.event_id, 12)

    everything = await write_side.events()
    assert all(each.events == everything for each in (late, *readings))
    assert (log.sessions, log.given) == (1, 22)

"""A shard of the bus: messages are carried out in order, once, and answered, whichever consumer has read them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest
from msgspec import structs
from redis import Redis

from shared.auth.principal import Principal
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.errors import Unavailable
from shared.problems import INVALID, Refusal
from shared.redis.client import connect
from shared.runtime.tasks import Tasks
from tests.support import patience
from tests.support.bus import BusClient
from tests.support.clock import SettableClock
from tests.support.measures import Counted, counts, named
from tests.support.patience import until
from tests.support.write_side import ANDRE, WriteSide, invocation
from write_side.adapters.memory import MemoryDatabase, MemoryUnitsOfWork
from write_side.adapters.memory.shard_locks import MemoryShardLocks, MemoryShards
from write_side.bus.consumer import BusConsumer
from write_side.bus.entries import DEAD_LETTERS, GROUP, Message, commands
from write_side.bus.entries import settled as answer_to
from write_side.bus.limits import BusLimits
from write_side.bus.shard import ShardConsumer
from write_side.bus.stream import ShardStream

LIMITS = BusLimits(wait_seconds=0.05, share_seconds=0.01, first_retry=0.01, longest_retry=0.02)
ERP = Principal("erp", frozenset())
REGISTER = {"command": "register-account", **ANDRE}
BOB = {"email": "bob@example.org", "handle": "bob", "display_name": "Bob"}
CAT = {"email": "cat@example.org", "handle": "cat", "display_name": "Cat"}
POISON = [
    (b"\xff", "/problems/not-json"),
    (b'{"command": "fly"}', "/problems/invalid"),
    (b'{"command": "close-account", "account": "@x", "why": "secret"}', "/problems/invalid"),
    (b'{"command": "close-account", "account": 7}', "/problems/invalid"),
    (b'{"command": "suspend-account", "account": "@x", "reason": "%s"}' % (b"x" * 65_536), "/problems/too-large"),
]


def line(**fields):
    return msgspec.json.encode(fields)


@pytest.fixture(params=["valkey", "genuine_redis"])
def url(request):
    """A server that is empty."""
    server: EmbeddedRedis = request.getfixturevalue(request.param).start()
    with Redis.from_url(server.url) as redis:
        redis.flushall()
    return server.url


@pytest.fixture
def bus(url):
    with Redis.from_url(url) as redis:
        yield BusClient(redis, shards=1)


@pytest.fixture
def store():
    return MemoryDatabase(clock=SettableClock())


@pytest.fixture
def executor(store):
    return WriteSide(units=MemoryUnitsOfWork(store), log=store.log, clock=store.clock).executor


@pytest.fixture
def consuming(url, executor):
    """Runs a consumer for the length of a block."""
    return partial(running_consumer, url, executor)


@asynccontextmanager
async def running_consumer(url, executor, name="one") -> AsyncIterator[None]:
    locks = MemoryShardLocks(MemoryShards())
    async with connect(url) as client:

        def consume(shard):
            stream = ShardStream(client, shard, consumer=name, limits=LIMITS)
            return ShardConsumer(stream=stream, locks=locks, executor=executor, principal=ERP, limits=LIMITS)

        async with Tasks() as tasks:
            tasks.start(BusConsumer(shards=1, locks=locks, consume=consume, limits=LIMITS).run(), name="bus")
            yield


async def test_a_consumer_with_a_defect_lets_its_shards_go_and_goes_on(monkeypatch):
    shards, begun = MemoryShards(), asyncio.Event()
    one = MemoryShardLocks(shards)

    class Shard:
        async def run(self) -> None:
            begun.set()
            await asyncio.Event().wait()

    async def defect(_: object) -> None:
        raise ZeroDivisionError

    consumer = BusConsumer(shards=1, locks=one, consume=lambda _: Shard(), limits=LIMITS)
    async with Tasks() as tasks:
        tasks.start(consumer.run(), name="bus")
        await begun.wait()
        with monkeypatch.context() as broken:
            broken.setattr(MemoryShardLocks, "consumers", defect)
            await until(lambda: not shards.owners)
            begun.clear()

        await begun.wait()

    assert shards.owners == {0: one}


async def settled(bus):
    await until(lambda: not bus.left())


async def test_a_message_is_applied_and_answered_and_gone(bus, consuming, store, spans):
    """On behalf of the subject of the setting; counted and traced as any command."""
    sent = bus.send("andre", line(**REGISTER))

    with counts("muster_commands_total", 1, command="register-account", outcome="done"):
        async with consuming():
            await settled(bus)

    [(message, answer)] = bus.answers()
    assert message == sent
    assert answer == {"status": 200, "id": answer["id"], "version": 1, "position": 2, "replayed": False}
    assert {(each.metadata.actor, each.metadata.correlation) for each in store.log.events} == {("erp", sent)}
    [span] = named(spans, "register-account")
    assert span.attributes["muster.channel"] == "bus"


async def test_a_refusal_is_answered_by_its_problem_alone(bus, consuming, store):
    """Its sentence may quote people's data, and answers are kept."""
    for _ in range(2):
        bus.send("andre", line(**REGISTER))

    async with consuming():
        await settled(bus)

    (_, applied), (_, refused) = bus.answers()
    assert applied["status"] == 200
    assert refused == {"status": 409, "type": "/problems/email-taken", "title": "The e-mail address is taken"}
    assert bus.dead_letters() == []


async def test_a_given_key_or_else_the_id_is_the_idempotency_key(bus, consuming, store):
    for _ in range(2):
        bus.send("andre", line(**REGISTER, idempotency_key="k"))

    async with consuming():
        await settled(bus)

    assert [answer["replayed"] for _, answer in bus.answers()] == [False, True]
    assert len(store.log.events) == 2


@pytest.mark.parametrize(("body", "problem"), POISON)
async def test_poison_is_set_aside_with_the_reason_and_without_its_content(bus, consuming, body, problem):
    """What stands behind it goes on."""
    poison = bus.send("andre", body)
    bus.send("andre", line(**REGISTER))

    async with consuming():
        await settled(bus)

    [(message, reason)] = bus.dead_letters()
    (_, refused), (_, applied) = bus.answers()
    assert (message, reason["type"], reason["bytes"]) == (poison, problem, len(body))
    assert reason.get("errors", []) == refused.get("errors", [])
    assert b"secret" not in str(bus.redis.xrange(DEAD_LETTERS)).encode()
    assert applied["status"] == 200


async def test_what_cannot_be_carried_out_for_now_stays_and_holds_up_what_is_behind_it(bus, consuming, store):
    """It is not acknowledged, and carried out in its turn once the database is back."""
    store.available = False
    refusals = Counted("muster_commands_total", command="register-account", outcome="storage-unavailable")
    bodies = [line(**REGISTER), line(command="close-account", account="@andre.carson")]
    sent = [bus.send("andre", body) for body in bodies]

    async with consuming():
        await until(lambda: refusals.more >= 1)
        assert bus.answers() == []
        store.available = True
        await settled(bus)

    assert [message for message, _ in bus.answers()] == sent
    assert [answer["status"] for _, answer in bus.answers()] == [200, 200]


async def test_what_a_dead_consumer_has_read_comes_before_what_is_new(url, bus, consuming, executor):
    """It was killed once it had carried something out, and before it could acknowledge: nothing is done twice."""
    first = bus.send("andre", line(**REGISTER))
    async with connect(url) as client:
        dead = ShardStream(client, 0, consumer="dead", limits=LIMITS)
        await dead.open()
        await dead.take()
    await executor.execute(structs.replace(invocation("register-account", key=first, **ANDRE), principal=ERP))
    second = bus.send("andre", line(command="close-account", account="@andre.carson"))

    async with consuming():
        await settled(bus)

    [(again, replayed), (last, closed)] = bus.answers()
    assert (again, replayed["replayed"], last, closed["version"]) == (first, True, second, 2)


async def test_consumers_that_have_nothing_are_forgotten(url, bus):
    """One that has read something is not: it would be lost."""
    bus.send("andre", line(**REGISTER))
    async with connect(url) as client:
        for name in ("busy", "idle", "next"):
            stream = ShardStream(client, 0, consumer=name, limits=LIMITS)
            await stream.open()
            if name != "next":
                await client.xreadgroup(GROUP, name, {commands(0): ">"})

    assert [each["name"] for each in bus.redis.xinfo_consumers(commands(0), GROUP)] == [b"busy"]


async def test_one_that_was_thought_dead_settles_nothing(url, bus):
    """Another consumer has claimed what it had read: that one answers."""
    bus.send("andre", line(**REGISTER))
    ending = Refusal(INVALID, "no")
    async with connect(url) as client:
        zombie, other = (ShardStream(client, 0, consumer=each, limits=LIMITS) for each in ("zombie", "other"))
        await zombie.open()
        [message] = await zombie.take()
        [again] = await other.take()
        assert (again.key, again.deaths) == (message.key, 1)

        with pytest.raises(Unavailable):
            await zombie.settle([answer_to(message, ending)])
        before = bus.answers()
        await other.settle([answer_to(message, ending)])

    assert (before, len(bus.answers()), bus.left()) == ([], 1, 0)


async def test_more_is_pending_than_is_read_at_once(url, bus):
    """What is new waits until all of it is settled."""
    sent = [bus.send("andre", b"%d" % nth) for nth in range(5)]
    async with connect(url) as client:
        dead, next_one = (
            ShardStream(client, 0, consumer=each, limits=BusLimits(at_once=2)) for each in ("dead", "next")
        )
        await dead.open()
        await client.xreadgroup(GROUP, "dead", {commands(0): ">"}, count=4)
        taken = []
        while messages := await next_one.take():
            taken += [message.key for message in messages]
            await next_one.settle([answer_to(message, Refusal(INVALID, "no")) for message in messages])

    assert taken == sent


async def test_a_message_that_kills_its_consumers_is_tried_no_more(url, bus, consuming, store):
    """Its sender is answered, and those beside it are carried out, though they were read with it each time at first."""
    before, kills, behind = (bus.send("a", line(command="register-account", **each)) for each in (ANDRE, BOB, CAT))
    async with connect(url) as client:
        for nth in range(LIMITS.deaths):
            doomed = ShardStream(client, 0, consumer=f"doomed {nth}", limits=LIMITS)
            await doomed.open()
            for each in await doomed.take():
                if each.key == kills:
                    break
                await doomed.settle([answer_to(each, Refusal(INVALID, "no"))])
        pending = await client.xpending_range(commands(0), GROUP, "-", "+", 10)
    assert [each["times_delivered"] for each in pending] == [LIMITS.deaths, 2]

    async with consuming():
        await settled(bus)

    answers = dict(bus.answers())
    assert [answers[each]["status"] for each in (before, kills, behind)] == [422, 500, 200]
    [(dead, reason)] = bus.dead_letters()
    assert (dead, reason["title"]) == (kills, "Consumers ended whenever they carried it out")
    assert [each.event.handle for each in store.log.events if hasattr(each.event, "handle")] == [CAT["handle"]]


async def test_what_a_consumer_takes_again_itself_is_not_counted(url, bus):
    """It does so with all that stands behind a refusal, and while PostgreSQL is away."""
    bus.send("andre", line(**REGISTER))
    async with connect(url) as client:
        stream = ShardStream(client, 0, consumer="one", limits=LIMITS)
        await stream.open()
        deaths = [(await stream.take())[0].deaths for _ in range(10)]

    assert deaths == [0] * 10


async def test_a_consumer_that_is_held_up_or_stopped_is_no_death(url, bus, consuming, executor, store):
    """While the database is away, and where consumers are stopped amid a command: however many there are."""
    bus.send("andre", line(**REGISTER))
    store.available = False
    for nth in range(LIMITS.deaths + 1):
        refusals = Counted("muster_commands_total", command="register-account", outcome="storage-unavailable")
        async with running_consumer(url, executor, name=f"held up {nth}"):
            await patience.until(lambda counted=refusals: counted.more >= 1 and _reads(bus) == 1)
    store.available = True
    for nth in range(LIMITS.deaths + 1):
        slow = SlowExecutor()
        async with running_consumer(url, slow, name=f"stopped {nth}"):
            await patience.until(lambda asked=slow.is_asked: asked.is_set() or bus.dead_letters())

    async with consuming():
        await settled(bus)

    [(_, answer)] = bus.answers()
    assert (answer["status"], bus.dead_letters()) == (200, [])


def _reads(bus):
    [pending] = bus.redis.xpending_range(commands(0), GROUP, "-", "+", 10)
    return pending["times_delivered"]


class SlowExecutor:
    """Never ends a command."""

    def __init__(self):
        self.is_asked = asyncio.Event()

    async def execute(self, *_):
        self.is_asked.set()
        await asyncio.Event().wait()


async def test_one_that_was_thought_dead_survives_nothing(url, bus):
    """What another consumer has claimed is counted for that one."""
    bus.send("andre", line(**REGISTER))
    async with connect(url) as client:
        zombie, other = (ShardStream(client, 0, consumer=each, limits=LIMITS) for each in ("zombie", "other"))
        await zombie.open()
        await zombie.take()
        await other.take()

        await zombie.survive()
        [pending] = await client.xpending_range(commands(0), GROUP, "-", "+", 10)

    assert (pending["consumer"], pending["times_delivered"]) == (b"other", 2)


async def test_what_a_producer_trims_is_pending_no_more(url, bus):
    """Neither what was read nor what is behind it is waited for in vain."""
    *_, last = [bus.send("andre", b"%d" % nth) for nth in range(3)]
    async with connect(url) as client:
        stream = ShardStream(client, 0, consumer="one", limits=BusLimits(at_once=2))
        await stream.open()
        await stream.take()
        await client.xtrim(commands(0), maxlen=1, approximate=False)

        taken = [await stream.take() for _ in range(2)]

    assert [[each.key for each in messages] for messages in taken] == [[], [last]]


class Messages:
    """A shard in memory, whose answers cannot be written."""

    def __init__(self, *bodies):
        self.messages = [Message(0, f"{nth}-0", body, None) for nth, body in enumerate(bodies)]
        self.tried = []

    async def open(self):
        pass

    async def take(self):
        return self.messages

    async def survive(self):
        pass

    async def settle(self, messages):
        self.tried.append([each.kind for each in messages])
        raise Unavailable("another consumer has claimed it")


@pytest.mark.parametrize(("first", "kind"), [(line(**REGISTER), "refused"), (b"{", "poison")])
async def test_a_refusal_is_answered_before_anything_behind_it_takes_effect(write_side, first, kind):
    """Who comes after carries it out again, and what was behind it would have taken effect before."""
    await write_side.run("register-account", **ANDRE)
    locks = MemoryShardLocks(MemoryShards())
    await locks.consumers()
    stream = Messages(first, *[line(command="register-account", **BOB)] * 2)
    shard = ShardConsumer(stream=stream, locks=locks, executor=write_side.executor, principal=ERP, limits=LIMITS)
    async with Tasks() as tasks:
        tasks.start(shard.run(), name="shard")
        await until(lambda: len(stream.tried) > 2)

    assert {tuple(each) for each in stream.tried} == {(kind,)}
    assert len(await write_side.events()) == 2

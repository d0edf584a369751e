"""One suite over every store of a read model: in memory, on fakeredis, Valkey and a genuine Redis."""

import asyncio
import gc
from types import SimpleNamespace

import msgspec
import pytest
from redis import Redis as BlockingRedis
from redis.exceptions import ConnectionError as ConnectionLost
from structlog.testing import capture_logs

from projector.adapters.redis.server_check import ServerCheck
from projector.adapters.redis.store import store_in_redis
from projector.declaring.index_entries import SortedEntry, UniqueEntry
from projector.folding.batch import Batch
from projector.projections.profiles import profiles
from projector.store.collections import collections_of, key_of
from projector.store.errors import GenerationDamaged, Superseded
from projector.store.generations import LOST, Building, Order, Roster, Survey
from projector.store.transitions import RebuildUnderWay, at_version, begun, readied, switched
from shared.dev_stack.embedded.server import free_port
from shared.errors import EvictionPossible, Unavailable
from shared.read_model.keys import HOME
from shared.read_model.positions import Announcement, Checkpoint, Pointer
from shared.redis.client import connect
from tests.support.folding import (
    ORDER,
    POINTER,
    PREFIX,
    PROFILES,
    begin,
    cleanly_folded,
    fold_all,
    fold_next,
    folded,
    go_live,
)
from tests.support.histories import History
from tests.support.patience import until_here
from tests.support.proxy import Proxy
from tests.support.read_models import StoreInRedis, on_a_server


@pytest.fixture
def history():
    """Two people, of whom one changed her handle."""
    history = History()
    ada = history.register("ada", external_id="A1")
    history.register("bob", title="Dr")
    history.change_handle(ada, "countess")
    return history


async def prepared(commit, history, *, after=None):
    """What the engine would commit of a whole history."""
    envelopes = await commit.fetch(profiles.plan.wanted(history.events))
    return folded(history.events, envelopes, after=after or Checkpoint())


async def test_a_first_fill_is_invisible_until_it_goes_live(store, history):
    """Readers follow the live pointer, which is set once the generation is complete."""
    model = store.model()
    await begin(model)
    await fold_all(model, history.events)
    before = await model.survey()

    after = await model.transition(switched(POINTER, at=ORDER.at))

    assert (before.live, before.main) == (None, POINTER)
    assert (after.live, after.roster) == (POINTER, Roster())
    assert before.checkpoint == after.checkpoint


async def test_a_first_fill_begins_once(store):
    """Of two projectors that find nothing, one begins; the other looks again and finds it."""
    await begin(store.model())

    with pytest.raises(RebuildUnderWay):
        await begin(store.model(), generation="g2")

    assert (await store.model().survey()).fed == (POINTER,)


async def test_a_first_fill_that_lost_its_checkpoint_begins_anew(store):
    """A crash in the middle of beginning leaves nothing that would be in the way."""
    model = store.model()
    lost = Building(pointer=Pointer("g0", profiles.version), order=ORDER, target=0)
    await store.plant("muster:{0}:profiles:roster", msgspec.json.encode(Roster(building=lost)))

    await begin(model)

    survey = await model.survey()
    assert (POINTER, Checkpoint()) == (survey.main, survey.checkpoint)
    assert [each.pointer.generation for each in survey.roster.leaving] == ["g0"]


@pytest.mark.parametrize("size", [1, 2, 500])
async def test_a_commit_stores_documents_look_ups_and_checkpoint(store, history, size):
    """However the events are cut into batches, every store holds the same in the end."""
    model = store.model()
    await begin(model)

    await fold_all(model, history.events, size=size)

    checkpoint = (await model.survey()).checkpoint
    assert await cleanly_folded(history.events) == await store.content()
    assert (5, history.events[-1].event_id, 5) == (checkpoint.position, checkpoint.event_id, checkpoint.count)


async def test_every_commit_is_announced(store, history):
    """Readers who wait for a position are woken; going live is told as well."""
    model = store.model()
    await begin(model)

    await fold_all(model, history.events, size=3)
    await go_live(model)

    assert [Announcement("g1", position) for position in (3, 5, 5)] == await store.announced()


async def test_of_two_writers_one_commits(store, history):
    """Both computed from the same checkpoint; the second's commit writes nothing at all."""
    await begin(store.model())
    async with store.model().commit("g1", expected=Checkpoint()) as slow:
        late = await prepared(slow, history)
        await fold_next(store.model(), history.events, size=2)
        before = await store.content()

        with pytest.raises(Superseded):
            await slow.apply(late)

    assert before == await store.content()
    assert (await store.model().survey()).checkpoint.position == 2


async def test_a_race_of_many_writers_applies_every_event_once(store, history):
    """A superseded processor goes on from the checkpoint that it finds."""
    await begin(store.model())

    async def write():
        model = store.model()
        while True:
            try:
                if not await fold_next(model, history.events, size=1):
                    return
            except Superseded:
                continue

    await asyncio.gather(*(write() for _ in range(5)))

    checkpoint = (await store.model().survey()).checkpoint
    assert (checkpoint.count, checkpoint.revision) == (5, 5)
    assert await cleanly_folded(history.events) == await store.content()


async def test_a_zombie_is_refused(store, history):
    """A processor with an old checkpoint hears so before it reads anything."""
    model = store.model()
    await begin(model)
    await fold_all(model, history.events)

    with pytest.raises(Superseded):
        async with model.commit("g1", expected=Checkpoint()):
            pytest.fail("the commit began")


async def test_a_generation_that_is_not_fed_takes_nothing(store):
    """Neither live nor filling: nobody will ever read it."""
    await begin(store.model())

    with pytest.raises(Superseded):
        async with store.model().commit("g0", expected=Checkpoint()):
            pytest.fail("the commit began")


@pytest.mark.parametrize("size", [1, 500])
async def test_nothing_is_written_to_a_store_that_was_emptied(store, history, size):
    """FLUSHALL between the reads and the commit: documents without the others would be a lie."""
    model = store.model()
    await begin(model)
    await fold_next(model, history.events, size=size)
    checkpoint = (await model.survey()).checkpoint
    async with model.commit("g1", expected=checkpoint) as commit:
        batch = await prepared(commit, history)
        await store.empty()

        with pytest.raises(Superseded):
            await commit.apply(batch)

    assert await store.content() == {}
    assert await model.survey() == Survey()


async def test_a_unique_entry_of_another_document_is_not_removed(store, history):
    """Ada gives up a handle that leads to Bob by now, as it can be after a crash."""
    model = store.model()
    await begin(model)
    await fold_next(model, history.events, size=4)
    ada, _, bob, *_ = (each.aggregate_id for each in history.events)
    after = (await model.survey()).checkpoint

    async with model.commit("g1", expected=after) as commit:
        await commit.apply(Batch(removals=[(UniqueEntry("by-handle", "bob"), str(ada))], checkpoint=after))

    assert str(bob).encode() == (await store.content())["by-handle"]["bob"]


async def test_a_look_up_that_two_give_up_is_removed(store, history):
    """It leads to one of them only; whichever it is, it goes."""
    model = store.model()
    await begin(model)
    await fold_next(model, history.events, size=4)
    ada, _, bob, *_ = (each.aggregate_id for each in history.events)
    handle, after = UniqueEntry("by-handle", "bob"), (await model.survey()).checkpoint

    async with model.commit("g1", expected=after) as commit:
        await commit.apply(Batch(removals=[(handle, str(bob)), (handle, str(ada))], checkpoint=after))

    assert {"ada"} == set((await store.content())["by-handle"])


async def test_a_list_is_read_piece_by_piece(store):
    """In the order of bytes, behind the last entry seen, and never beyond the prefix."""
    model = store.model()
    await begin(model)
    entries = [b"ga\xff\xff\0one", b"ga\xff\xff\xff", b"ga\xff\xff2", b"gb", b"g", b"ga\xff"]
    placed = [(SortedEntry("some", each), "id") for each in entries]

    async with model.commit("g1", expected=Checkpoint()) as commit:
        await commit.apply(Batch(additions=placed, checkpoint=Checkpoint(revision=1)))

    async with model.commit("g1", expected=Checkpoint(revision=1)) as commit:
        first = await commit.entries("some", prefix=b"ga\xff\xff", after=None, limit=2)
        second = await commit.entries("some", prefix=b"ga\xff\xff", after=first[-1], limit=2)
        assert list(await commit.entries("none", prefix=b"g", after=None, limit=2)) == []
    assert list(first) == [b"ga\xff\xff\0one", b"ga\xff\xff2"]
    assert list(second) == [b"ga\xff\xff\xff"]


async def test_entries_that_are_given_up_leave_the_list(store):
    model = store.model()
    await begin(model)
    one, other = (SortedEntry("some", b"one"), "id"), (SortedEntry("some", b"other"), "id")
    async with model.commit("g1", expected=Checkpoint()) as commit:
        await commit.apply(Batch(additions=[one, other], checkpoint=Checkpoint(revision=1)))

    async with model.commit("g1", expected=Checkpoint(revision=1)) as commit:
        await commit.apply(Batch(removals=[one], checkpoint=Checkpoint(revision=2)))

    assert {b"other"} == (await store.content())["list:some"]


async def test_what_was_read_can_be_confirmed_until_another_writes(store, history):
    """Reads of a commit may straddle another's; before anything is concluded from them they are confirmed."""
    await begin(store.model())
    async with store.model().commit("g1", expected=Checkpoint()) as commit:
        await commit.confirm()
        await fold_next(store.model(), history.events, size=1)

        with pytest.raises(Superseded):
            await commit.confirm()


async def test_a_commit_that_was_applied_in_part_marks_the_generation(store, history):
    """A command failed inside the transaction, and the rest was applied: the next writer hears of it."""
    model = store.model()
    await begin(model)
    await store.plant(f"{PREFIX}by-email", b"not a hash")

    with pytest.raises(GenerationDamaged, match=r"profiles.*g1.*muster rebuild profiles"):
        await fold_all(model, history.events)

    assert "applied in part" in (await store.model().survey()).at(POINTER).damaged
    with pytest.raises(GenerationDamaged):
        async with store.model().commit("g1", expected=(await model.survey()).checkpoint):
            pytest.fail("the commit began")


@pytest.mark.parametrize("key", ["live", "roster", "g1:checkpoint"])
async def test_what_cannot_be_read_is_damaged(store, key):
    await begin(store.model())
    await store.plant(f"muster:{{0}}:profiles:{key}", b"\xff{")

    with pytest.raises(GenerationDamaged, match="profiles"):
        await store.model().survey()


async def test_a_store_that_may_evict_is_refused(store, request):
    """It would keep the checkpoint and throw documents away."""
    if "fakeredis" in request.node.name:
        pytest.skip("fakeredis knows no INFO")
    model = store.model()
    await model.attest()
    await store.let_evict()

    with pytest.raises(EvictionPossible, match="profiles"):
        await model.attest()


async def rebuilt(model, history, *, generation="g2", version=profiles.version):
    """A live generation, and another that is being built from the same events; nobody fed it yet."""
    await begin(model)
    await fold_all(model, history.events)
    await go_live(model)
    return await model.transition(begun(Pointer(generation, version), ORDER, target=5))


async def test_a_rebuild_begins_with_an_empty_generation(store, history):
    """Beside the live one, which stays as it is."""
    model = store.model()

    survey = await rebuilt(model, history)

    building = survey.roster.building
    assert (survey.live, building.pointer.generation, building.replaces) == (POINTER, "g2", POINTER)
    assert survey.at(building.pointer).checkpoint == Checkpoint()
    assert survey.checkpoint.count == 5


async def test_both_generations_can_be_fed(store, history):
    """Each from its own checkpoint; one that is neither live, built nor kept cannot."""
    model = store.model()
    survey = await rebuilt(model, history)

    for generation, checkpoint in (("g1", survey.checkpoint), ("g2", Checkpoint())):
        async with model.commit(generation, expected=checkpoint) as commit:
            await commit.apply(Batch(checkpoint=msgspec.structs.replace(checkpoint, revision=checkpoint.revision + 1)))

    with pytest.raises(Superseded):
        async with model.commit("g3", expected=Checkpoint()):
            pytest.fail("the commit began")


async def test_of_many_who_begin_a_rebuild_one_does(store, history):
    model = store.model()
    await begin(model)
    await go_live(model)

    async def attempt(number):
        try:
            await store.model().transition(begun(Pointer(f"g{number}", profiles.version), ORDER, target=0))
        except (RebuildUnderWay, Superseded):
            return False
        return True

    begun_by = await asyncio.gather(*map(attempt, range(2, 8)))

    assert sum(begun_by) == 1


async def test_a_switch_is_announced_with_the_position_of_the_new_generation(store, history):
    model = store.model()
    survey = await rebuilt(model, history)
    forced = msgspec.structs.replace(survey.roster.building, order=Order(by="me", at=ORDER.at, force=True))
    await store.plant("muster:{0}:profiles:roster", msgspec.json.encode(Roster(building=forced)))
    await store.announced()

    after = await model.transition(switched(forced.pointer, at=ORDER.at))

    assert (after.live, after.roster.kept.pointer) == (forced.pointer, POINTER)
    assert (await store.announced())[-1] == Announcement("g2", 0)


async def test_a_switch_that_was_torn_is_completed_by_the_next_reader(store, history):
    """The pointer was written, and the roster not: nothing else tells of the generation that was live."""
    model = store.model()
    survey = await rebuilt(model, history)
    new = survey.roster.building.pointer
    await store.plant("muster:{0}:profiles:live", msgspec.json.encode(new))

    torn = await model.survey()

    assert (torn.live, torn.roster.building, torn.roster.kept.pointer) == (new, None, POINTER)
    async with model.commit("g1", expected=torn.at(POINTER).checkpoint) as commit:
        await commit.confirm()


async def test_what_is_ready_waits_and_goes_where_the_other_parts_go(store, history):
    """Another process finds it so, also after a step that is written again as it is."""
    newer = profiles.version + 1
    await rebuilt(store.model(), history, version=newer)
    await fold_all_of(store.model(), history, "g2")
    await store.model().transition(readied(Pointer("g2", newer)))
    waiting = await store.model().survey()
    assert (waiting.live, waiting.has_ready(newer)) == (POINTER, True)

    for version, live in ((newer, "g2"), (newer, "g2"), (profiles.version, "g1")):
        there = await store.model().transition(at_version(version, force=True, at=ORDER.at))
        assert there.live == Pointer(live, version)

    assert (await store.announced())[-2:] == [Announcement("g2", 5), Announcement("g1", 5)]
    assert (await store.model().survey()).roster.kept.forced


async def test_no_transition_is_made_while_a_checkpoint_moves(server, history):
    """A processor commits between the look at the checkpoints and the switch: readers might be taken back."""
    async with on_a_server(server) as store:
        model = store.model()
        survey = await rebuilt(model, history)
        building = survey.roster.building
        key = "muster:{0}:profiles:g1:checkpoint"

        def change(survey):
            with BlockingRedis.from_url(server.url) as another:
                another.set(key, msgspec.json.encode(msgspec.structs.replace(survey.checkpoint, position=6)))
            return survey._replace(live=building.pointer, roster=Roster())

        with pytest.raises(Superseded):
            await model.transition(change)

        assert (await model.survey()).live == POINTER


async def test_all_that_is_kept_of_a_generation_goes_with_it(store, history):
    """And nothing else, also not what begins in the same way."""
    model = store.model()
    await rebuilt(model, history, generation="g11")
    left = await store.keys() - keys_of("g11", await store.keys())
    await fold_all_of(model, history, "g11")

    await model.unlink(Pointer("g11", profiles.version))

    assert await store.keys() == left
    assert (await model.survey()).generations["g11"] == LOST


async def test_a_generation_of_other_code_goes_whole(store, history):
    """What it may have was written down when it was begun: nothing is searched for, and nothing stays behind."""
    model, keys = store.model(), HOME.projection("profiles").generation("g2")
    await rebuilt(model, history)
    shoes = keys.sorted_entries("shoe_size")
    await store.plant(keys.contents, msgspec.json.encode([shoes.removeprefix(keys.prefix)]))
    await store.plant(shoes, b"42")

    await model.unlink(Pointer("g2", profiles.version + 1))

    assert keys_of("g2", await store.keys()) == set()


async def test_a_generation_of_the_first_release_goes_whole(store, history):
    """It says nothing of itself, and has what no other has any more."""
    model, keys = store.model(), HOME.projection("profiles").generation("g2")
    await rebuilt(model, history)
    await store.forget(keys.contents)
    await store.plant(keys.documents("profile", "public"), b"42")

    await model.unlink(Pointer("g2", profiles.version))

    assert keys_of("g2", await store.keys()) == set()


async def test_a_generation_says_what_it_may_have(store, history):
    """From its first moment, so that it can be dropped by whatever code is there then."""
    model, keys = store.model(), HOME.projection("profiles").generation("g2")

    await rebuilt(model, history)

    written = msgspec.json.decode(await store.string(keys.contents), type=list[str])
    assert {keys.prefix + name for name in written} == {key_of(each, keys) for each in collections_of(PROFILES)}


def keys_of(generation, keys):
    return {key for key in keys if key.startswith(HOME.projection("profiles").generation(generation).prefix)}


async def fold_all_of(model, history, generation):
    async with model.commit(generation, expected=Checkpoint()) as commit:
        await commit.apply(await prepared(commit, history))


async def test_a_connection_that_is_lost_before_the_commit_writes_nothing(server, history):
    """The watch is gone with the connection, so the transaction is not sent again on another."""
    async with on_a_server(server) as store:
        model = store.model()
        await begin(model)
        async with model.commit("g1", expected=Checkpoint()) as commit:
            batch = await prepared(commit, history)
            with BlockingRedis.from_url(server.url) as executioner:
                executioner.client_kill_filter(_type="normal", skipme=True)

            with pytest.raises((Superseded, Unavailable)):
                await commit.apply(batch)

        assert await store.content() == {}
        assert Checkpoint() == (await model.survey()).checkpoint
        await fold_all(model, history.events)
        assert await cleanly_folded(history.events) == await store.content()


async def test_a_commit_whose_answer_is_lost_is_there_as_a_whole(server, history):
    """With the checkpoint that says so, which no reader and no other writer may find missing."""
    proxy = Proxy(server.url)
    async with on_a_server(server) as store, proxy.running(), connect(proxy.url) as client:
        await begin(store.model())
        async with store_in_redis(client, PROFILES).model.commit("g1", expected=Checkpoint()) as commit:
            batch = await prepared(commit, history)
            proxy.loses = lambda said: b"QUEUED" in said and proxy.cut() > 0

            with pytest.raises((Superseded, Unavailable)):
                await commit.apply(batch)

        assert proxy.lost
        assert (await store.model().survey()).checkpoint == batch.checkpoint
        assert await cleanly_folded(history.events) == await store.content()


async def test_a_server_that_is_away_is_unavailable():
    async with connect(f"redis://127.0.0.1:{free_port()}") as client:
        store = StoreInRedis(client, spy=client)

        for attempt in (store.model().survey(), store.model().attest()):
            with pytest.raises(Unavailable, match="Redis"):
                await attempt


async def test_the_append_only_file_is_rewritten_once_after_each_start(server):
    """The head of a transaction that a crash left in it is washed away, by the first of many that see it."""
    async with on_a_server(server) as store:
        await store.model().attest()
        await store.model().attest()

        with BlockingRedis.from_url(server.url) as spy:
            first = rewrites_of(spy)
    server.stop()
    async with connect(server.start().url) as client:
        with capture_logs() as logged, BlockingRedis.from_url(server.url) as spy:
            await asyncio.gather(*(ServerCheck(client).eviction_policy() for _ in range(5)))
            await until_here(lambda: not spy.info("persistence")["aof_rewrite_in_progress"])
            again = rewrites_of(spy)
            await ServerCheck(client).eviction_policy()

            assert rewrites_of(spy) == again
    assert 0 not in {first, again}
    assert logged == []


def rewrites_of(spy):
    """How many were begun since the server has started."""
    return spy.info("persistence")["aof_rewrites"]


async def test_projections_that_ask_at_the_same_time_ask_the_server_once(server):
    """As those of a projector at rest do, all of which began together."""
    async with connect(server.start().url) as client:
        check = ServerCheck(client, valid=60.0)
        asked = (await client.info("commandstats"))["cmdstat_info"]["calls"]

        policies = await asyncio.gather(*(check.eviction_policy() for _ in range(5)))

        assert policies == ["noeviction"] * 5
        assert (await client.info("commandstats"))["cmdstat_info"]["calls"] == asked + 2  # with ours


async def test_a_check_that_fails_when_nobody_waits_for_it_any_more_is_no_defect():
    """A projector that stops while the server ends is not to report an error that nobody took."""
    unseen, asked, lost = [], asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context["message"]))

    class Lost:
        connection_pool = SimpleNamespace(connection_kwargs={})

        async def info(self, *_):
            asked.set()
            await lost.wait()
            raise ConnectionLost("planted")

    asking = asyncio.create_task(ServerCheck(Lost()).eviction_policy())
    await asked.wait()
    asking.cancel()
    await asyncio.wait([asking])
    lost.set()
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()

    assert unseen == []


async def test_the_client_sends_nothing_twice(server):
    """A transaction whose answer was lost is not sent again, as redis-py does by default: it may have been applied."""
    proxy = Proxy(server.url)
    proxy.breaks = lambda said: b"EXEC\r\n" in said
    async with proxy.running(), connect(proxy.url) as client:
        pipeline = client.pipeline()
        pipeline.set("a", "b")
        with pytest.raises(ConnectionLost):
            await pipeline.execute()

    assert proxy.broken == 1

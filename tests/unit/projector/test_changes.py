"""What the change feed keeps of each event, and for how long."""

import io
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from projector.audit.verify.verification import Verification
from projector.declaring.errors import EventNotFoldable
from projector.declaring.retention import RetentionPolicy
from projector.processing.progress import ProjectionState
from projector.projections.changes import CHANGES, changes, changes_keeping
from projector.store.generations import Comparison
from shared.errors import Unavailable
from shared.event_log import UnknownEvent
from shared.read_model.changes import BLOCK, ChangeBlock, ChangeItem
from shared.read_model.envelope import unseal
from shared.read_model.positions import Checkpoint, Pointer
from shared.runtime.progress import Progress
from tests.support.bugs import poisoned
from tests.support.clock import SettableClock
from tests.support.folding import ORDER, Generation, folded
from tests.support.given import Given
from tests.support.histories import DAWN, History, nth_id
from tests.support.patience import until_here
from tests.support.projectors import HASTE, Surroundings, projector_on, running, store_in_memory

FOREVER = timedelta(days=10_000)


def items_of(blocks) -> list[ChangeItem]:
    return sorted((item for block in blocks for item in block.unpacked()), key=lambda item: item.position)


def feed_of(history: History) -> list[ChangeItem]:
    return items_of(Given(changes, history.events).all(CHANGES).values())


def told(item: ChangeItem):
    return item.type, item.account, item.group, tuple(item.changed)


def test_an_item_names_what_was_changed_and_no_value():
    history = History()
    ada = history.register("ada", external_id="A1", title="Analyst")
    board = history.create_group("board")
    history.add_member(board, ada, role="chair")
    history.change_role(board, ada, "member")
    history.change_handle(ada, "countess")
    history.update(ada, title=None, bio="x")
    history.suspend(ada)
    history.rename_group(board, "Board")
    history.remove_member(board, ada)
    history.delete_group(board)

    assert [told(each) for each in feed_of(history)] == [
        ("account-registered", ada.bytes, None, ("email", "handle", "external_id")),
        ("profile-created", ada.bytes, None, ("display_name", "title")),
        ("group-created", None, board.bytes, ("slug", "name")),
        ("member-added", ada.bytes, board.bytes, ("role",)),
        ("member-role-changed", ada.bytes, board.bytes, ("role",)),
        ("handle-changed", ada.bytes, None, ("handle",)),
        ("profile-updated", ada.bytes, None, ("title", "bio")),
        ("account-suspended", ada.bytes, None, ("status",)),
        ("group-updated", None, board.bytes, ("name",)),
        ("member-removed", ada.bytes, board.bytes, ()),
        ("group-deleted", None, board.bytes, ()),
    ]
    held = b"".join(each.items for each in Given(changes, history.events).all(CHANGES).values())
    assert not [value for value in (b"A1", b"Analyst", b"countess", b"chair", b"Board") if value in held]


def test_an_item_says_when_and_where_it_happened():
    history = History()
    history.skip(40)
    history.register("ada")

    [item, _] = feed_of(history)

    recorded = history.events[0]
    assert (item.position, item.id, item.version) == (41, recorded.event_id.bytes, 1)
    assert item.time == recorded.occurred_at


def test_of_the_erased_only_the_erasure_is_left():
    """The items of others stay where they were, in the same blocks and in others."""
    history = History()
    ada, bob = history.register("ada"), history.register("bob")
    for number in range(BLOCK):
        history.change_handle(ada if number % 2 else bob, f"handle-{number}")
    before = [each for each in feed_of(history) if each.account == bob.bytes]

    history.erase(ada)

    after = items_of(Given(changes, history.originals).all(CHANGES).values())
    assert [each for each in after if each.account == bob.bytes] == before
    assert [told(each) for each in after if each.account == ada.bytes] == [("account-erased", ada.bytes, None, ())]


@pytest.mark.parametrize("is_unknown", [True, False])
def test_an_event_that_cannot_be_folded_stops_the_feed(is_unknown):
    """An item that came late would lie behind its readers: nothing is parked, and what was before it is kept."""
    history = History()
    history.register("ada")
    last = history.record("account", nth_id(1), UnknownEvent("enchanted", 1, "new") if is_unknown else _suspended())
    release = poisoned(changes, lambda each: each.position == last.position)

    batch = folded(history.events, projection=release)

    assert batch.checkpoint.position == last.position - 1
    assert batch.parked == {}
    with pytest.raises(EventNotFoldable):
        folded(history.events[-1:], projection=release)


def _suspended():
    history = History()
    history.suspend(nth_id(1))
    return history.events[0].event


@pytest.mark.parametrize(
    ("position", "trimmed"), [(1, 0), (BLOCK, 0), (100 + BLOCK - 2, 0), (100 + BLOCK - 1, BLOCK - 1), (196, 95)]
)
def test_whole_blocks_are_trimmed_that_lie_further_back_than_is_kept(position, trimmed):
    retention = changes_keeping(RetentionPolicy(FOREVER, 100)).retention

    assert retention.by_count(position) == trimmed


def test_a_block_is_trimmed_once_its_last_item_is_too_old():
    """And those before it: a hole in the log keeps nothing."""
    retention = changes_keeping(RetentionPolicy(timedelta(hours=1), 10**6)).retention
    keys = retention.next_of(0, until=10 * BLOCK, limit=5)
    old, young = (ChangeBlock.of([_item(at)]) for at in (DAWN, DAWN + timedelta(hours=2)))
    records = {keys[0]: old, keys[2]: old, keys[3]: young}
    now = DAWN + timedelta(hours=2)

    assert retention.trimmed(keys, records, position=10 * BLOCK, now=now) == 3 * BLOCK - 1
    assert retention.trimmed(keys, {keys[0]: young}, position=10 * BLOCK, now=now) == 0
    assert retention.next_of(3 * BLOCK - 1, until=4 * BLOCK - 2, limit=5) == []


def _item(at):
    history = History()
    history.register("ada")
    recorded = msgspec.structs.replace(history.events[0], occurred_at=at)
    [block] = Given(changes, [recorded]).all(CHANGES).values()
    return block.unpacked()[0]


class Feed:
    """A log of so many renamings, and a projector of its feed that keeps little."""

    def __init__(self, kept: RetentionPolicy, *, renamed: int = 5 * BLOCK) -> None:
        self.projection = changes_keeping(kept)
        self.around = Surroundings(clock=SettableClock(DAWN))
        self.ada = self.around.history.register("ada")
        self.rename(renamed)
        limits = replace(HASTE, batch=50, trim=0.0)
        self.projector = projector_on(self.around, projection=self.projection, limits=limits)

    def rename(self, times: int) -> None:
        for number in range(times):
            self.around.history.change_handle(self.ada, f"handle-{number}")
        self.around.tell()

    @property
    def last(self) -> int:
        return self.around.history.events[-1].position

    def checkpoint(self, generation: str) -> Checkpoint:
        value = self.around.store.string(f"muster:{{0}}:changes:{generation}:checkpoint")
        return msgspec.json.decode(value, type=Checkpoint) if value else Checkpoint()

    def blocks(self, generation: str) -> dict[int, ChangeBlock]:
        fields = self.around.store.fields(f"muster:{{0}}:changes:{generation}:changes:full")
        return {int(name): msgspec.json.decode(unseal(each).body, type=ChangeBlock) for name, each in fields.items()}

    async def trimmed(self, until_position: int, generation: str = "g1") -> None:
        await until_here(lambda: self.checkpoint(generation).emptied == until_position)

    @property
    def live(self) -> str | None:
        value = self.around.store.string("muster:{0}:changes:live")
        return msgspec.json.decode(value, type=Pointer).generation if value else None

    async def differences(self) -> int:
        verification = Verification(log=self.around.log, directory=None, progress=Progress(io.StringIO()))
        return (await verification.verify(store_in_memory(self.around.store, self.projection))).differences


async def test_what_is_more_than_is_kept_goes_while_more_comes():
    """From a first fill on: what is not kept is not even folded."""
    feed = Feed(RetentionPolicy(FOREVER, 2 * BLOCK))
    async with running(feed.projector, until=ProjectionState.RUNNING):
        assert min(feed.blocks("g1")) == 3
        feed.rename(2 * BLOCK)
        await feed.trimmed(5 * BLOCK - 1)

    assert sorted(feed.blocks("g1")) == [5, 6, 7]
    assert [each.position for each in items_of(feed.blocks("g1").values())] == list(range(5 * BLOCK, feed.last + 1))


async def test_what_is_too_old_goes():
    feed = Feed(RetentionPolicy(timedelta(hours=1), 10**6))
    async with running(feed.projector, until=ProjectionState.RUNNING):
        assert min(feed.blocks("g1")) == 0
        feed.around.clock.advance(timedelta(hours=1, seconds=2 * BLOCK + 1))
        await feed.trimmed(2 * BLOCK - 1)

    assert min(feed.blocks("g1")) == 2


async def test_readers_learn_what_is_trimmed_before_it_is_gone():
    """Whatever a crash leaves of a commit that drops, nothing behind the position in the checkpoint is missing."""
    feed = Feed(RetentionPolicy(FOREVER, 2 * BLOCK))
    writes = feed.around.store.apply
    seen = []

    def watched(transaction):
        failures = writes(transaction)
        checkpoint, blocks = feed.checkpoint("g1"), feed.blocks("g1")
        seen.append((checkpoint.trimmed, min(blocks, default=10**6) * BLOCK))
        return failures

    async with running(feed.projector, until=ProjectionState.RUNNING):
        feed.around.store.apply = watched
        feed.rename(3 * BLOCK)
        await feed.trimmed(6 * BLOCK - 1)

    assert len({trimmed for trimmed, _ in seen}) > 1
    assert all(first <= trimmed + 1 for trimmed, first in seen)


async def test_a_verification_finds_nothing_in_what_is_trimmed():
    """Nor while documents are announced to go and are still there; what is damaged behind them is found."""
    feed = Feed(RetentionPolicy(FOREVER, 2 * BLOCK))
    async with running(feed.projector, until=ProjectionState.RUNNING):
        feed.rename(BLOCK)
        await feed.trimmed(4 * BLOCK - 1)
    documents = feed.around.store.content["muster:{0}:changes:g1:changes:full"]

    assert await feed.differences() == 0
    documents["1"] = documents["5"]
    assert await feed.differences() == 0
    del documents["5"]
    assert await feed.differences() == 1


async def test_a_rebuild_does_not_bring_back_what_is_trimmed():
    """Nor does the comparison miss it, though the new generation may be trimmed further than the live one."""
    feed = Feed(RetentionPolicy(timedelta(hours=1), 10**6))
    async with running(feed.projector, until=ProjectionState.RUNNING) as projector:
        feed.around.clock.advance(timedelta(hours=1, seconds=2 * BLOCK + 1))
        await feed.trimmed(2 * BLOCK - 1)
        await projector.reconciler.begin(ORDER)
        await until_here(lambda: feed.live == "g2")
        comparison = (await projector.reconciler.store.model.survey()).roster.kept.comparison
        await projector.reconciler.roll_back(force=False)

    assert comparison == Comparison(records=len(feed.blocks("g2")))
    assert feed.blocks("g1") == feed.blocks("g2")
    assert feed.checkpoint("g2").trimmed == 2 * BLOCK - 1


async def test_a_longer_retention_does_not_bring_back_what_is_trimmed():
    """Readers before it are still told that they have missed something."""
    feed = Feed(RetentionPolicy(FOREVER, 2 * BLOCK))
    async with running(feed.projector, until=ProjectionState.RUNNING):
        pass
    trimmed = feed.checkpoint("g1").trimmed
    limits = replace(HASTE, batch=50, trim=0.0)
    longer = projector_on(feed.around, projection=changes_keeping(RetentionPolicy()), limits=limits)
    async with running(longer) as projector:
        await until_here(lambda: projector.progress.state is ProjectionState.RUNNING)
        await projector.reconciler.begin(ORDER)
        await until_here(lambda: feed.live == "g2")

    assert feed.checkpoint("g2").trimmed == trimmed > 0
    assert min(feed.blocks("g2")) * BLOCK == trimmed + 1


def test_a_feed_that_was_torn_while_it_was_trimmed_goes_on():
    """The documents that a broken commit has dropped are dropped again."""
    history = History()
    ada = history.register("ada")
    for number in range(3 * BLOCK):
        history.change_handle(ada, f"handle-{number}")
    generation = Generation(history.events, changes_keeping(RetentionPolicy(FOREVER, BLOCK)))
    generation.fold()
    for _ in range(2):
        generation.store.torn_after = 3
        with pytest.raises(Unavailable):
            generation.trim()
        kept = sorted(map(int, generation.held["changes:full"]))
        assert kept[0] * BLOCK <= generation.checkpoint.trimmed + 1
    generation.trim()

    assert sorted(generation.held["changes:full"]) == ["2", "3"]
    assert generation.checkpoint.trimmed == generation.checkpoint.emptied == 2 * BLOCK - 1

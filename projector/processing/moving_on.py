"""Move the checkpoints of partitions that new events do not concern: all of a process together, every so often."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from projector.processing.commit_order import CommitOrder
from projector.store.ports import Checkpoints, Move
from shared.event_log.tap import EventTap, Route, TopicFollower
from shared.read_model.positions import Checkpoint
from shared.runtime.cancellation import to_the_end
from shared.runtime.retry import repeat
from shared.runtime.tasks import Tasks

EVERY = 0.02
"""Seconds from one move to the next."""


class Routed(NamedTuple):
    """
    How events reach the partitions of projections.

    :param route: the labels of those that an event concerns.
    :param checkpoints: of all others.
    """

    route: Route
    checkpoints: Checkpoints


@dataclass(eq=False, slots=True, kw_only=True)
class Resting:
    """
    A generation whose processor has committed all that concerns it, and waits.

    :ivar may_go_on: whether it may be written to.
    :ivar moved: called with each new checkpoint.
    :ivar is_superseded: that the checkpoint was another one when it was to be moved.
    """

    label: str
    generation: str
    reader: TopicFollower
    checkpoint: Checkpoint
    may_go_on: Callable[[], bool]
    moved: Callable[[Checkpoint], None]
    is_superseded: bool = False
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while no move is under way."""

    @property
    def is_due(self) -> bool:
        """Whether the reader has passed anything, and no move is under way that goes past it."""
        return self.reader.passed > 0 and not self.is_superseded and self.settled.is_set()

    def begin(self) -> Move | None:
        """Return the move that is due, which is under way from now on."""
        last, passed = self.reader.last, self.reader.passed
        if last is None or not self.is_due or not self.may_go_on():
            return None
        if self.reader.given != self.checkpoint.position:  # it looked elsewhere, and passed what lies there
            return None
        self.settled.clear()
        count = self.checkpoint.count + passed
        after = self.checkpoint.revised(position=last.position, event_id=last.event_id, count=count)
        return Move(self.label, self.generation, self.checkpoint, after)

    def end(self, move: Move, *, is_moved: bool) -> None:
        """Take note of what came of a move."""
        if is_moved:
            self.reader.pass_on(position=move.after.position, events=move.after.count - move.before.count)
            self.checkpoint = move.after
            self.moved(move.after)
        else:
            self.is_superseded = True
            self.reader.news.set()
        self.settled.set()


class CheckpointMover:
    """Moves checkpoints by compare-and-set; where another one stands, the processor looks what has happened."""

    def __init__(self, checkpoints: Checkpoints, *, tap: EventTap, order: CommitOrder) -> None:
        self._checkpoints = checkpoints
        self._tap = tap
        self._order = order
        self._resting: set[Resting] = set()

    @asynccontextmanager
    async def moving(self, resting: Resting) -> AsyncIterator[None]:
        """Move the checkpoint of a generation meanwhile, as far as nothing concerns it."""
        resting.settled.set()
        self._resting.add(resting)
        if resting.reader.passed:
            self._tap.passed_over.set()
        try:
            yield
        finally:
            self._resting.discard(resting)
            await resting.settled.wait()

    async def run(self) -> None:
        """
        Move what is due, until cancelled; commits that readers wait for go first.

        No round waits for the one before: a server that does not answer holds up only what it has.
        """
        async with Tasks() as rounds:
            await repeat(partial(self._turn, rounds), every=EVERY)

    async def _turn(self, rounds: Tasks) -> None:
        await self._tap.passed_over.wait()
        self._tap.passed_over.clear()
        await self._order.let_others_go_first(within=EVERY)
        rounds.start(self._round(), name="move of checkpoints")

    async def _round(self) -> None:
        await to_the_end(self._move_all())

    async def _move_all(self) -> None:
        """Move what is due; of what nothing is said, the next round finds out what has become."""
        due = {move: each for each in self._resting if (move := each.begin())}
        try:
            async for move, is_moved in self._checkpoints.move(list(due)):
                due.pop(move).end(move, is_moved=is_moved)
        finally:
            for each in due.values():
                each.settled.set()
        if any(each.is_due for each in self._resting):
            self._tap.passed_over.set()

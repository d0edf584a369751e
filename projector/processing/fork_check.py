"""Check that the events behind a checkpoint are those of the log."""

from projector.store.hints import forced_rebuild
from shared.errors import Unsound
from shared.event_log import EventFollower, LogIdentity
from shared.read_model.positions import Checkpoint
from shared.wording import counted

RECENT = 10_000
"""Events that are counted at most when a checkpoint is checked once more."""


class LogForked(Unsound):
    """The events behind the checkpoint are not those of the log."""


class ForkCheck:
    """
    Compare the event at a checkpoint and the number of events up to it with the log.

    After an asynchronous failover or a restore the log can hold the same last event and lack one before it. The first
    check counts everything; later ones count from an anchor at least `recent` events back that was known to be right.
    """

    def __init__(self, *, projection: str, recent: int = RECENT) -> None:
        self._recent = recent
        self._projection = projection
        self._anchor = self._next_anchor = Checkpoint()

    async def require(self, reader: EventFollower, checkpoint: Checkpoint) -> None:
        """
        Return if the checkpoint lies on the log.

        :raises LogForked: it does not.
        """
        anchor = self._anchor if self._anchor.position <= checkpoint.position else Checkpoint()
        if await _differs(reader, checkpoint, since=anchor):
            await self._require_by_counting_all(reader, checkpoint)
        self.passed(checkpoint)

    def passed(self, checkpoint: Checkpoint) -> None:
        """Take note of a checkpoint that is known to lie on the log."""
        if checkpoint.count - self._next_anchor.count >= self._recent:
            self._anchor, self._next_anchor = self._next_anchor, checkpoint

    async def _require_by_counting_all(self, reader: EventFollower, checkpoint: Checkpoint) -> None:
        """What is remembered may be of a log that was replaced together with the checkpoint."""
        self._anchor = self._next_anchor = Checkpoint()
        if actual := await _differs(reader, checkpoint, since=Checkpoint()):
            raise LogForked(
                f"projection {self._projection}: the log is not the one that was projected."
                f" The checkpoint says {counted(checkpoint.count, 'event')} up to position {checkpoint.position}, the"
                f" last of them {checkpoint.event_id}; the log has {actual.count}, with {actual.event_id} there."
                f" Was it restored, or did it fail over? If the log is right, {forced_rebuild(self._projection)}"
            )


async def _differs(reader: EventFollower, checkpoint: Checkpoint, *, since: Checkpoint) -> LogIdentity | None:
    actual = await reader.identity(position=checkpoint.position, since=since.position)
    expected = LogIdentity(checkpoint.event_id, checkpoint.count - since.count)
    return None if actual == expected else actual

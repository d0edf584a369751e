"""Whatever part of a commit comes back from a crash, folding on from the checkpoint ends right."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from projector.adapters.memory import MemoryReadModel, MemoryStore, head
from projector.ports import ReadModelUnavailable
from projector.writes import Write
from shared.event_log import RecordedEvent
from tests.unit.projector.histories import History
from tests.unit.projector.stores import as_read, at_once, begin, cleanly_folded, fold_all, fold_next, hashes

HANDLES = ["ada", "bob", "cyd", "dan", "eve"]
SETTLED = 6
"""Events that are folded before the first crash: three registrations."""
EMAILS = ["a@x.org", "b@x.org", "c@x.org", "d@x.org"]


@dataclass
class TornFile(MemoryStore):
    """
    A store with an append-only file as Redis 7.0 and 8.2 have it.

    A crash leaves the head of a transaction in the file. The first restart drops it; what is written next goes behind
    it, and the second restart executes both as one.
    """

    file: list[list[Write]] = field(default_factory=list)
    dangling: list[Write] = field(default_factory=list)

    def apply(self, transaction: Iterable[Write]) -> list[str]:
        written = list(transaction)
        if self._torn_after is not None:
            self.dangling += head(written, self._torn_after)
            self._torn_after = None
            self.restart()
            raise ReadModelUnavailable("crashed")
        self.file.append([*self.dangling, *written])
        self.dangling = []
        return super().apply(written)

    def restart(self) -> None:
        strings = {key: value for key, value in self.content.items() if key.endswith((":filling", ":live"))}
        self.content = strings | self._origin()
        for transaction in self.file:
            super().apply(transaction)

    def _origin(self):
        return {
            key: b'{"position":0,"event_id":null,"count":0,"revision":0}'
            for key in self.content
            if key.endswith(":checkpoint")
        }


@dataclass(frozen=True)
class Step:
    """Fold `size` events; crash after so many writes, or not at all."""

    size: int
    crash_after: int | None


steps = st.lists(st.builds(Step, size=st.integers(1, 9), crash_after=st.none() | st.integers(0, 24)), max_size=8)


@st.composite
def histories(draw) -> Sequence[RecordedEvent]:
    history = History()
    for handle, email in zip(HANDLES[:3], EMAILS, strict=False):
        history.register(handle, email=email, external_id=handle)
    for _ in range(draw(st.integers(1, 12))):
        draw(st.sampled_from(DEEDS))(history, draw)
    return history.events


def register(history: History, draw) -> None:
    free = [handle for handle in HANDLES if handle not in history.handles.values()]
    mail = [email for email in EMAILS if email not in history.emails.values()]
    if free and mail:
        history.register(
            draw(st.sampled_from(free)), email=draw(st.sampled_from(mail)), external_id=str(len(history.handles))
        )


def change_handle(history: History, draw) -> None:
    free = [handle for handle in HANDLES if handle not in history.handles.values()]
    if history.handles and free:
        history.change_handle(draw(st.sampled_from(sorted(history.handles))), draw(st.sampled_from(free)))


def change_email(history: History, draw) -> None:
    free = [email for email in EMAILS if email not in history.emails.values()]
    if history.handles and free:
        history.change_email(draw(st.sampled_from(sorted(history.handles))), draw(st.sampled_from(free)))


def swap(history: History, draw) -> None:
    free = [handle for handle in HANDLES if handle not in history.handles.values()]
    if len(history.handles) > 1 and free:
        one, other, *_ = draw(st.permutations(sorted(history.handles)))
        history.swap_handles(one, other, by_way_of=free[0])


def suspend(history: History, draw) -> None:
    if history.handles:
        history.suspend(draw(st.sampled_from(sorted(history.handles))))


def update(history: History, draw) -> None:
    if history.handles:
        history.update(
            draw(st.sampled_from(sorted(history.handles))), title=draw(st.sampled_from(["Dr", "Prof", None]))
        )


DEEDS: Sequence[Callable] = [change_handle, change_handle, swap, suspend, update, change_email, register]


async def fold_with_crashes(
    store: MemoryStore, log: Sequence[RecordedEvent], crashes: Sequence[Step], rest: int
) -> None:
    model = MemoryReadModel(store, projection="profiles")
    await begin(model)
    await fold_next(model, log, size=SETTLED)
    for step in crashes:
        if step.crash_after is not None:
            store.tear_next(after=step.crash_after)
        try:
            await fold_next(model, log, size=step.size)
        except ReadModelUnavailable:
            continue
    store._torn_after = None
    if isinstance(store, TornFile):
        store.restart()
    await fold_all(model, log, size=rest)


@given(log=histories(), crashes=steps, rest=st.integers(1, 20))
@settings(max_examples=300, deadline=None)
def test_any_prefix_of_a_commit_is_harmless(log, crashes, rest):
    """A store that kept only the heads of some commits ends as one that took the whole log at once."""
    store = MemoryStore()

    at_once(fold_with_crashes(store, log, crashes, rest))

    assert at_once(cleanly_folded(log)) == hashes(store.content)


@given(log=histories(), crashes=steps, rest=st.integers(1, 20))
@settings(max_examples=300, deadline=None)
def test_a_head_that_comes_back_at_the_second_restart_is_harmless(log, crashes, rest):
    """The same where the heads turn up later, in front of commits that were made without knowing of them."""
    store = TornFile()

    at_once(fold_with_crashes(store, log, crashes, rest))

    assert at_once(cleanly_folded(log)) == as_read(store.content)

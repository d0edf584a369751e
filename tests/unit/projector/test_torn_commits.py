"""Whatever part of a commit comes back from a crash, folding on from the checkpoint ends right."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projector.adapters.memory import MemoryReadModel, MemoryStore, head
from projector.ports import ReadModelUnavailable
from projector.writes import Write
from shared.event_log import RecordedEvent
from shared.records import Checkpoint
from tests.support.folding import as_read, at_once, begin, cleanly_folded, fold_all, fold_next, held
from tests.support.histories import History
from tests.support.random_histories import SETTLED, Step, histories, steps


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
        if self.torn_after is not None:
            self.dangling += head(written, self.torn_after)
            self.torn_after = None
            self.restart()
            raise ReadModelUnavailable("crashed")
        self.file.append([*self.dangling, *written])
        self.dangling = []
        return super().apply(written)

    def restart(self) -> None:
        """Execute the file from its beginning, a first fill that has just begun."""
        begun = {key: value for key, value in self.content.items() if key.endswith((":filling", ":live"))}
        self.content = begun | {"muster:{0}:profiles:g1:checkpoint": msgspec.json.encode(Checkpoint())}
        for transaction in self.file:
            super().apply(transaction)


async def fold_with_crashes(
    store: MemoryStore,
    log: Sequence[RecordedEvent],
    crashes: Iterable[Step],
    *,
    settled: int = SETTLED,
    rest: int = 1,
) -> None:
    """Fold the settled events, then step by step through the crashes, then what is left in batches of `rest`."""
    model = MemoryReadModel(store, projection="profiles")
    await begin(model)
    for step in (Step(settled), *crashes):
        store.torn_after = step.crash_after
        try:
            await fold_next(model, log, size=step.size)
        except ReadModelUnavailable:
            continue
    store.torn_after = None
    if isinstance(store, TornFile):
        store.restart()
    await fold_all(model, log, size=rest)


@given(log=histories(), crashes=steps, rest=st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_any_prefix_of_a_commit_is_harmless(log, crashes, rest):
    """A store that kept only the heads of some commits ends as one that took the whole log at once."""
    store = MemoryStore()

    at_once(fold_with_crashes(store, log, crashes, rest=rest))

    assert at_once(cleanly_folded(log)) == held(store.content)


@given(log=histories(), crashes=steps, rest=st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_a_head_that_comes_back_at_the_second_restart_is_harmless(log, crashes, rest):
    """The same where the heads turn up later, in front of commits that were made without knowing of them."""
    store = TornFile()

    at_once(fold_with_crashes(store, log, crashes, rest=rest))

    assert at_once(cleanly_folded(log)) == as_read(store.content)


@pytest.mark.soak
@given(log=histories(), crashes=steps, rest=st.integers(1, 20), file=st.booleans())
@settings(max_examples=50_000, deadline=None)
def test_very_many_crashes_are_harmless(log, crashes, rest, file):
    """Both of the above, for long."""
    store = TornFile() if file else MemoryStore()

    at_once(fold_with_crashes(store, log, crashes, rest=rest))

    assert at_once(cleanly_folded(log)) == as_read(store.content)


def test_a_document_that_is_ahead_gets_its_look_ups_back():
    """C's document survived with handle y; A, folded again from further back, takes y and gives it up once more."""
    history = History()
    a, c = history.register("x"), history.register("q")
    history.suspend(c)
    history.change_handle(a, "y")
    history.change_handle(a, "w")
    history.change_handle(c, "y")
    # Three look-ups removed and two put, two public documents, and of the full ones the first, which is C's.
    torn = Step(4, crash_after=8)
    store = MemoryStore()

    at_once(fold_with_crashes(store, history.events, [torn], settled=4))

    assert at_once(cleanly_folded(history.events)) == held(store.content)
    assert str(c).encode() == held(store.content)["by-handle"]["y"]


@pytest.mark.parametrize("writes", range(6))
def test_no_document_is_ahead_of_its_look_ups(writes):
    """Wherever the commit tears: a handle that was given up does not stay because the document knows it no more."""
    history = History()
    history.change_handle(history.register("x"), "y")
    store = MemoryStore()

    at_once(fold_with_crashes(store, history.events, [Step(1, crash_after=writes)], settled=2))

    assert {"y"} == set(held(store.content)["by-handle"])


def test_a_registration_that_was_forgotten_before_the_crash_is_not_missed():
    """All of the commit survived but its checkpoint: the profile is there, what it was made from is not."""
    history = History()
    history.register("ada")
    store = MemoryStore()

    at_once(fold_with_crashes(store, history.events, [Step(1, crash_after=6)], settled=1))

    assert at_once(cleanly_folded(history.events)) == held(store.content)


def test_a_registration_that_comes_back_is_forgotten():
    """The commit that forgets it found none; it stood in the head of an older one."""
    history = History()
    history.register("ada")
    store = TornFile()

    at_once(fold_with_crashes(store, history.events, [Step(1, crash_after=1), Step(2)], settled=0))

    assert at_once(cleanly_folded(history.events)) == held(store.content)


def test_a_look_up_that_comes_back_is_removed():
    """The commit that passes over handle y found it nowhere; it stood in the head of an older one."""
    history = History()
    ada = history.register("x")
    history.change_handle(ada, "y")
    history.change_handle(ada, "w")
    store = TornFile()

    at_once(fold_with_crashes(store, history.events, [Step(1, crash_after=2), Step(2)], settled=2))

    assert {"w"} == set(held(store.content)["by-handle"])


def test_an_older_state_that_comes_back_is_overwritten():
    """Three crashes: the document was ahead already when the head of a commit of its older state turned up."""
    history = History()
    history.suspend(history.register("ada", external_id="A1"))
    crashes = [Step(3, crash_after=5), Step(1), Step(1, crash_after=5), Step(2)]
    store = TornFile()

    at_once(fold_with_crashes(store, history.events, crashes, settled=0))

    assert at_once(cleanly_folded(history.events)) == held(store.content)

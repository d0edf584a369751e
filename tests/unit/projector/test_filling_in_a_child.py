"""A projector has a process of its own fill ranges, which it rests, hears to the end, and outlives."""

import asyncio
import os
from contextlib import asynccontextmanager

import msgspec
import pytest

from projector.adapters.processes.filler import ReadingInChild
from projector.adapters.processes.protocol import failed
from projector.processing.circuit_breaker import TooManyParked
from projector.processing.filling import Piece, RangeOrder, RangeOutcome
from projector.rebuilding.filling.shared_reading import LoneReading, ReadingShare, SharesHere
from projector.store.errors import GenerationDamaged, Superseded
from shared.errors import Unavailable, Unsound
from shared.read_model.positions import Checkpoint

ORDER = RangeOrder(generation="g1", until=12, nth=1, of=2, weight=100)
WORKS = """
import sys
for events in (7, 5):
    print('{"type": "Worked", "pieces": {"a": [%d, 0.5, 9]}}' % events, flush=True)
    assert sys.stdin.readline() == '["a"]\\n'
"""
WRITES = """
import sys
print('{"type": "Waiting", "label": "a"}', flush=True)
assert sys.stdin.readline() == '{"revision":4}\\n'
print('{"type": "Wrote"}', flush=True)
"""
ENDS = """
print('{"type": "Ended", "label": "a", "outcome": {"stopped": 8}}', flush=True)
print('{"type": "Done"}', flush=True)
"""
ENDED = RangeOutcome(stopped=8)


class Turns:
    """Gives turns, and knows whose it is."""

    def __init__(self):
        self.checkpoint = Checkpoint(revision=4)

    @asynccontextmanager
    async def take(self):
        yield self.checkpoint
        self.checkpoint = self.checkpoint.revised()


def reading(script):
    return ReadingInChild(("-I", "-S", "-c", script), niceness=3)


def filler(script):
    return LoneReading("a", reading(script))


async def filled(script, turns=None):
    """The outcome, and what was reported until then."""
    pieces = []

    async def report(piece):
        pieces.append(piece)

    return await filler(script).fill(ORDER, turn=(turns or Turns()).take, report=report), pieces


async def test_it_goes_on_when_it_was_heard():
    assert await filled(WORKS + ENDS) == (ENDED, [Piece(7, 0.5, 9), Piece(5, 0.5, 9)])


async def test_it_is_told_what_to_fill():
    orders = msgspec.json.encode({"a": ORDER}).decode()

    assert await filled(f"import sys; assert sys.argv[1:] == [{orders!r}]" + ENDS) == (ENDED, [])


async def test_others_go_before_it():
    """Those of other sessions, too, where the kernel shares processors out among sessions first."""
    nice = f"import os, pathlib; group = pathlib.Path('/proc/self/autogroup'); assert os.nice(0) == {os.nice(0) + 3};"

    nicer = "assert not group.exists() or group.read_text().rstrip().endswith(' nice 3');"

    assert await filled(nice + nicer + ENDS) == (ENDED, [])


async def test_it_writes_when_it_may():
    """Behind the checkpoint that it is given; what it leaves is the next revision."""
    turns = Turns()

    assert await filled(WRITES + ENDS, turns) == (ENDED, [])

    assert turns.checkpoint == Checkpoint(revision=5)


async def test_a_turn_in_which_it_is_killed_is_not_counted():
    turns = Turns()

    with pytest.raises(Unavailable, match="ended with 3"):
        await filled("""print('{"type": "Waiting", "label": "a"}', flush=True); raise SystemExit(3)""", turns)

    assert turns.checkpoint == Checkpoint(revision=4)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (Superseded("why"), Superseded),
        (TooManyParked("why"), TooManyParked),
        (Unavailable("why"), Unavailable),
        (GenerationDamaged("why"), Unsound),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
async def test_why_it_cannot_go_on_is_raised_here(error, raised):
    said = failed(error)

    with pytest.raises(raised, match=r"^why$") as found:
        await filled(f"""print('{{"type": "Failed", "kind": "{said.kind}", "message": "{said.message}"}}')""")

    assert found.type is raised


async def test_a_defect_is_one_here_and_quotes_nobody():
    said = failed(KeyError("ada@example.org"))

    with pytest.raises(RuntimeError, match=r"^KeyError$"):
        raise said.error()


async def test_one_that_is_killed_is_begun_anew_soon():
    with pytest.raises(Unavailable, match="ended with -9"):
        await filled("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")


async def test_one_that_is_wanted_no_more_is_killed():
    """And waited for: no process is left behind."""
    reported = asyncio.Queue()
    script = """
import os, sys
print('{"type": "Worked", "pieces": {"a": [%d, 0, 1]}}' % os.getpid(), flush=True)
sys.stdin.readline(); sys.stdin.readline()
"""
    filling = asyncio.create_task(filler(script).fill(ORDER, turn=Turns().take, report=reported.put))
    pid = (await reported.get()).events

    filling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await filling

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def shares(*labels):
    """Ranges of several projections, in turns and with reports that are all the same."""

    async def report(_):
        pass

    return {label: ReadingShare(label, ORDER, Turns().take, report) for label in labels}


async def test_one_that_cannot_go_on_with_a_range_goes_on_with_the_others():
    script = """print('{"type": "Failed", "kind": "Superseded", "message": "why", "label": "b"}', flush=True)"""

    await SharesHere((each := shares("a", "b")).values()).read_by(reading(script + ENDS))

    assert each["a"].outcome.result() == ENDED
    assert isinstance(each["b"].outcome.exception(), Superseded)


async def test_a_range_that_cannot_be_written_is_not_counted_as_written():
    turns = Turns()
    (each := shares("a"))["a"].turn = turns.take
    script = """
print('{"type": "Waiting", "label": "a"}', flush=True)
print('{"type": "Failed", "kind": "Unavailable", "message": "why", "label": "a"}', flush=True)
print('{"type": "Done"}', flush=True)
"""

    await SharesHere(each.values()).read_by(reading(script))

    assert isinstance(each["a"].outcome.exception(), Unavailable)
    assert turns.checkpoint == Checkpoint(revision=4)


async def test_it_is_told_which_ranges_are_wanted_no_more():
    each = shares("a", "b")
    script = """
import sys
print('{"type": "Worked", "pieces": {"a": [7, 0.5, 9]}}', flush=True)
assert sys.stdin.readline() == '["a"]\\n'
"""
    each["b"].outcome.cancel()

    await SharesHere(each.values()).read_by(reading(script + ENDS))

    assert each["a"].outcome.result() == ENDED

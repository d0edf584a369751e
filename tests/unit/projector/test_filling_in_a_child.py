"""A projector has a process of its own fill a generation, which it rests, hears to the end, and outlives."""

import asyncio
import os

import pytest

from projector.adapters.processes.filler import FillerInChild
from projector.adapters.processes.protocol import failed
from projector.processing.circuit_breaker import TooManyParked
from projector.processing.filling import Piece
from projector.store.errors import GenerationDamaged, Superseded
from shared.errors import Unavailable, Unsound
from shared.event_log import MemoryEventLog
from shared.read_model.positions import Pointer
from tests.support.histories import History

POINTER = Pointer("g1", 3)
WORKS = """
import sys
for events in (7, 5):
    print('{"type": "Worked", "events": %d, "seconds": 0.5}' % events, flush=True)
    assert sys.stdin.readline() == "\\n"
"""
ENDS = """print('{"type": "Ended", "is_filled": true}', flush=True)"""


class Here:
    """Fills nothing in this process, and notes that it was asked."""

    def __init__(self):
        self.asked = []

    async def fill(self, pointer, *, report):
        self.asked.append(pointer)
        return True


def filler(script, *, most_here=1, here=None):
    history, log = History(), MemoryEventLog()
    history.register("ada")
    log.append(history.events)
    return FillerInChild(here or Here(), log, ("-I", "-S", "-c", script), most_here=most_here)


async def filled(script):
    """Whether it is filled in the end, and what was reported until then."""
    pieces = []

    async def report(piece):
        pieces.append(piece)

    return await filler(script).fill(POINTER, report=report), pieces


async def test_it_goes_on_when_it_was_heard():
    assert await filled(WORKS + ENDS) == (True, [Piece(7, 0.5), Piece(5, 0.5)])


async def test_it_is_told_what_to_fill():
    script = "import sys; assert sys.argv[1:] == ['g1', '3'];" + ENDS

    assert await filled(script) == (True, [])


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
print('{"type": "Worked", "events": %d, "seconds": 0}' % os.getpid(), flush=True)
sys.stdin.readline(); sys.stdin.readline()
"""
    filling = asyncio.create_task(filler(script).fill(POINTER, report=reported.put))
    pid = (await reported.get()).events

    filling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await filling

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_short_log_is_read_here():
    here = Here()

    assert await filler("raise SystemExit", most_here=2, here=here).fill(POINTER, report=None)

    assert here.asked == [POINTER]

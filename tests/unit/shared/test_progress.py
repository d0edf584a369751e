"""What somebody is told who waits for something long."""

import io

import pytest

from shared.runtime.progress import SECONDS_BETWEEN_LINES, Pace, progress_on
from tests.support.clock import Time


@pytest.fixture
def clock():
    return Time()


def test_a_log_gets_a_line_now_and_then(clock):
    said = io.StringIO()
    progress = progress_on(said, total=1_000, clock=clock)

    for done in range(1, 101):
        clock.sleep(SECONDS_BETWEEN_LINES / 50)
        progress.show(done=done, reached=done)

    assert said.getvalue() == "50 lines, 5 a second, 0:03:10 left\n100 lines, 5 a second, 0:03:00 left\n"


def test_waiting_is_said_once(clock):
    said = io.StringIO()
    progress = progress_on(said, total=None, clock=clock)

    for _ in range(3):
        progress.wait("503 away")

    assert said.getvalue() == "waiting: 503 away\n"


def test_a_terminal_gets_a_bar(clock):
    """With lines, rate and time left, up to the last line, and failures above it that cannot steer the terminal."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    with progress_on(terminal := Terminal(), total=100, clock=clock) as progress:
        clock.sleep(2)
        progress.say("line 1: [bold] \x1b[2J")
        progress.show(done=10, reached=25)
        progress.show(done=11, reached=50)

    assert "line 1: [bold] \\u001b[2J" in terminal.getvalue()
    assert "11 lines, 6 a second, 0:00:02 left" in terminal.getvalue()


def test_nobody_knows_how_long_a_pipe_is(clock):
    pace = Pace(total=None, unit="lines", clock=clock)
    clock.sleep(10)

    assert pace.describe(done=12_000, reached=1) == "12,000 lines, 1,200 a second"

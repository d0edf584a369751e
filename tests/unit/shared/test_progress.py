"""What a person sees who waits for something long."""

import io

import pytest

from shared.runtime.progress import SECONDS_BETWEEN_LINES, Progress
from tests.support.clock import Time


@pytest.fixture
def clock():
    return Time()


def test_a_log_gets_a_line_now_and_then(clock):
    said = io.StringIO()
    progress = Progress(said, clock=clock).begin("line", total=1_000)

    for done in range(1, 101):
        clock.sleep(SECONDS_BETWEEN_LINES / 50)
        progress.show(done)

    assert said.getvalue() == "50 lines, 5 a second, 0:03:10 left\n100 lines, 5 a second, 0:03:00 left\n"


def test_waiting_is_said_once(clock):
    said = io.StringIO()
    progress = Progress(said, clock=clock)

    for _ in range(3):
        progress.wait("503 away")

    assert said.getvalue() == "waiting: 503 away\n"


def test_a_terminal_gets_a_bar(clock):
    """With lines, rate and time left, up to the last line, and failures above it that cannot steer the terminal."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    with Progress(terminal := Terminal(), clock=clock).begin("line", total=100) as progress:
        clock.sleep(2)
        progress.say("line 1: [bold] \x1b[2J")
        progress.show(10, reached=25)
        progress.show(11, reached=50)

    assert "line 1: [bold] \\u001b[2J" in terminal.getvalue()
    assert "11 lines, 6 a second, 0:00:02 left" in terminal.getvalue()


def test_without_a_total_there_is_no_time_left(clock):
    """As of a pipe, which does not say how long it is."""
    said = io.StringIO()
    progress = Progress(said, clock=clock).begin("line", total=None)
    clock.sleep(10)

    progress.show(12_000, reached=1)

    assert said.getvalue() == "12,000 lines, 1,200 a second\n"


def test_each_stage_has_a_name_and_a_rate_of_its_own(clock):
    """Records are compared at another rate than events are folded."""
    said = io.StringIO()
    progress = Progress(said, clock=clock).begin("event", total=10, stage="folding")
    clock.sleep(10)
    progress.show(10)
    progress.begin("record", total=400, stage="comparing")
    clock.sleep(10)

    progress.show(100)

    assert said.getvalue().splitlines() == [
        "folding: 10 events, 1 a second, 0:00:00 left",
        "comparing: 100 records, 10 a second, 0:00:30 left",
    ]

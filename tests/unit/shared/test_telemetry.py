"""A line of the log is one event, whatever its values are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.texts import TEXTS

PROGRAM = """
import json, logging, sys, structlog
from shared.observability.logging import configure
configure(sys.argv[1])
log, foreign = structlog.get_logger(), logging.getLogger("foreign")
for text in json.load(sys.stdin):
    log.warning(text, error=text, many=[text], raw=text.encode(), by={text: text})
    foreign.warning("said: %s", text)
    try:
        raise RuntimeError(text)
    except RuntimeError as error:
        log.error("failed", exc_info=error)
        foreign.exception(text)
"""
LINES_A_TEXT = 4
MESSAGES = list(TEXTS.values())


def logged(log_format):
    """What a process writes that tells of all texts, in each way in which there is something to tell."""
    program = [sys.executable, "-c", PROGRAM, log_format]
    ran = subprocess.run(
        program, input=json.dumps(MESSAGES).encode(), capture_output=True, check=True, cwd=Path(__file__).parents[3]
    )
    return ran.stderr.decode()


@pytest.fixture(scope="module")
def console():
    return logged("console")


def test_no_text_begins_a_line_of_its_own(console):
    """What an error says and the way to it stand below its event, further to the right."""
    events = [line for line in console.split("\n")[:-1] if line and not line.startswith("    ")]

    assert len(events) == LINES_A_TEXT * len(MESSAGES)
    assert all(line.startswith("20") for line in events)


def test_no_text_steers_the_terminal(console):
    assert [line for line in console.split("\n") if not line.isprintable()] == []


def test_every_line_is_json_and_tells_the_text_as_it_is():
    """In characters that nobody takes for anything else."""
    lines = logged("json").split("\n")[:-1]

    events = [json.loads(line) for line in lines]

    assert len(events) == LINES_A_TEXT * len(MESSAGES)
    assert [each["error"] for each in events[::LINES_A_TEXT]] == MESSAGES
    assert all(line.isascii() and line.isprintable() for line in lines)

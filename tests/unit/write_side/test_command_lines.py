"""The lines of a stream, and what begins ahead of those that are answered."""

from uuid import UUID

import msgspec
import pytest

from shared.auth.principal import Principal
from shared.server.shutdown import StopSignal
from write_side.execution.in_order import MOST_AT_ONCE
from write_side.http.duplex import NoRoom
from write_side.http.stream import ANSWERS_UNREAD, BYTES_AT_ONCE, STOPPING, CommandLines
from write_side.ports import Answer, Outcome

LINE = b'{"command": "close-account", "account": "@a", "reason": "%s"}' % (b"x" * 1_000)
COUNT = 4 * BYTES_AT_ONCE // len(LINE)


class Executor:
    """Has carried out a command as soon as it begins; others get ready behind it."""

    begun = 0

    async def execute(self, invocation, _):
        self.begun += 1
        invocation.place.window.on_its_way()
        return Answer(Outcome(UUID(int=1), 1, 1), replayed=False)


class Answers:
    """Takes answers; `refuse` is called behind the first."""

    def __init__(self, refuse=lambda: None):
        self.lines = []
        self._refuse = refuse

    async def put(self, line):
        self.put_last(line)
        if len(self.lines) == 1:
            self._refuse()

    def put_last(self, line):
        self.lines.append(msgspec.json.decode(line))


@pytest.fixture
def executor():
    return Executor()


async def answered(executor, answers, stopping):
    async def source():
        for _ in range(COUNT):
            yield LINE

    scope = {"headers": [], "muster_caller": Principal("tester", frozenset())}
    lines = CommandLines(executor=executor, scope=scope, may_go_on=lambda: True, stopping=stopping)
    await lines.carry_out(source(), answers)
    return answers.lines


async def test_a_stream_may_be_longer_than_what_is_held_at_once(executor):
    lines = await answered(executor, Answers(), StopSignal())

    assert [line["line"] for line in lines] == list(range(1, COUNT + 1))


def no_room():
    raise NoRoom


@pytest.mark.parametrize("problem", [STOPPING, ANSWERS_UNREAD], ids=lambda each: each.name)
async def test_no_line_begins_once_the_stream_has_to_end(executor, problem):
    """What has begun is answered, since it has taken effect."""
    stopping = StopSignal()
    refuse = stopping.request if problem is STOPPING else no_room

    *lines, last = await answered(executor, Answers(refuse), stopping)

    assert last["type"] == problem.type
    assert len(lines) == executor.begun < 3 * MOST_AT_ONCE < COUNT

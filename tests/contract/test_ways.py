"""The ways that `docs/index.md` describes are those that commands and events take."""

import re
import sys
from contextlib import contextmanager

import pytest

from shared.auth.setup import admit_everyone
from shared.ids import TimeOrderedIds
from tests.support.http import client_of
from tests.support.pages import ROOT
from tests.support.write_side import ANDRE, postgres_write_side
from write_side.http.app import write_api
from write_side.services import register_executor

pytestmark = pytest.mark.anyio


def described(heading):
    """The modules that a section numbers, in their order."""
    section = (ROOT / "docs/index.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. `([^`]+)`", section, re.MULTILINE)


@contextmanager
def visits(modules):
    """Which of the modules are called, in the order in which each is called first."""
    found = {}

    def note(frame, event, _):
        if event == "call":
            name = frame.f_code.co_filename.removeprefix(f"{ROOT}/")
            if name in modules:
                found.setdefault(name)

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)


async def test_a_command_takes_the_way_of_a_command(database_url):
    """All but the socket, which the test has none of."""
    serving, *expected = described("The way of a command")

    async with postgres_write_side(database_url) as side:

        def register(registry):
            register_executor(registry, units=side.units, clock=side.clock, ids=TimeOrderedIds())

        async with client_of(write_api(admit_everyone, register)) as client:
            with visits(expected) as found:
                answer = await client.post("/commands/register-account", json=ANDRE)

    assert answer.status_code == 200
    assert list(found) == expected
    assert (ROOT / serving).exists()

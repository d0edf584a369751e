"""The ways that `docs/index.md` describes are those that commands and events take."""

import re
import sys
from contextlib import contextmanager
from dataclasses import replace

from projector.adapters.redis.store import store_in_redis
from projector.projections.profiles import profiles
from shared.auth.setup import admit_everyone
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.redis.client import connect
from tests.support.apps import app_client
from tests.support.pages import ROOT
from tests.support.patience import SECONDS, until_here
from tests.support.projectors import HASTE, projector_with, running
from tests.support.write_side import ANDRE, postgres_write_side
from write_side.http.app import write_api

BOB = {"email": "bob@example.org", "handle": "bob", "display_name": "Bob"}


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

    async with (
        postgres_write_side(database_url, grouped=True) as side,
        app_client(write_api, admit_everyone, side.register_on) as client,
    ):
        with visits(expected) as found:
            answer = await client.post("/commands/register-account", json=ANDRE)

    assert answer.status_code == 200
    assert list(found) == expected
    assert (ROOT / serving).exists()


PROCESSING = {"shared/event_log/tap.py", "projector/processing/processor.py", "projector/processing/commit.py"}


LIMITS = replace(HASTE, attest=SECONDS, poll=SECONDS)
"""Settings of the store are not looked at on the way, nor the log but for what is notified."""

ASIDE = {"__init__", "wait", "wake"}
"""Neither an object that is made is entered yet, nor one at which the next event is waited for."""


class Way:
    """
    The modules that calls of a processor, or of the tap it reads by, enter in order.

    A module that calls others has not been left, nor is one entered anew that is called twice in a row.
    """

    def __init__(self, modules):
        self.entered = []
        self._modules = modules
        self._frames = set()

    def note(self, frame, event, _):
        name = module_of(frame)
        if event != "call" or name not in self._modules or frame.f_code.co_name in ASIDE:
            return
        callers = {module_of(each) for each in callers_of(frame)}
        if frame in self._frames or PROCESSING.isdisjoint({name, *callers}):
            return
        self._frames.add(frame)  # a coroutine that goes on is no other call
        if name not in callers and self.entered[-1:] != [name]:
            self.entered.append(name)


def module_of(frame):
    return frame.f_code.co_filename.removeprefix(f"{ROOT}/")


def callers_of(frame):
    while frame := frame.f_back:
        yield frame


async def test_an_event_takes_the_way_of_an_event(database_url, redis_server):
    """By a projector that waits at the head of the log: no module is returned to."""
    expected = described("The way of an event")
    log = PostgresEventLog(database_url, allow_unsafe=True)

    async with postgres_write_side(database_url, grouped=True) as side, connect(redis_server.url) as client:
        projector = projector_with(profiles, store=store_in_redis(client, profiles), log=log, limits=LIMITS)
        async with running(projector):
            await side.run("register-account", **BOB)
            await until_here(lambda: projector.progress.reached == 2)
            way = Way(expected)
            sys.setprofile(way.note)
            try:
                await side.run("change-handle", account="@bob", handle="robert")
                await until_here(lambda: projector.progress.reached == 3)
            finally:
                sys.setprofile(None)

    start = way.entered.index(expected[1]) - 1
    taken, then = way.entered[start:][: len(expected)], way.entered[start:][len(expected) :]
    assert taken == expected
    assert set(then).isdisjoint(expected[5:])  # the loop looks for the next event, and folds nothing again

"""Real receivers: one that is well, and others that are slow, fail, redirect, are gone or are where nothing may go."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from shared.dev_stack.embedded.server import free_port
from shared.runtime.exit_with_parent import ending_with_parent
from tests.faults.webhook_receivers import RealReceivers, in_order, real_receivers
from tests.support.commands import muster
from tests.support.pages import ROOT
from tests.support.patience import until
from tests.support.people import registration
from tests.support.stack import WEBHOOKS_AHEAD, Child, Stack, environment

KILLS = 2
WITHIN = 300.0
OTHERS = {
    "slow": "no answer within 2 s",
    "failing": "it answers 500",
    "redirecting": "it answers 307: redirects are not followed",
    "gone": "it answers 410: it is gone",
    "private": "127.0.0.2 is no public address: MUSTER_WEBHOOKS_ALLOW can allow it",
}


@pytest.fixture(scope="module")
def stack(mortal_stack):
    return mortal_stack


@pytest.fixture
def begun(stack) -> int:
    """The position at which what a test does begins."""
    with stack.database() as database:
        [[begins]] = database.execute("select coalesce(max(position), 0) + 1 from event_log").fetchall()
    return begins


@pytest.fixture(autouse=True)
def leaves_no_webhook(stack):
    yield
    with stack.database() as database:
        database.execute("delete from webhooks")


@pytest.fixture
async def receivers():
    async with real_receivers() as running:
        yield running


async def ordered(stack: Stack, *arguments: str) -> dict:
    """What a command answers."""
    done = await asyncio.to_thread(muster, stack.home, "webhooks", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    answered: dict = json.loads(done.stdout)
    return answered


async def added(stack: Stack, receivers: RealReceivers, name: str, *more: str) -> str:
    """The secret of a new webhook to the path of its name."""
    host = "127.2" if name == "private" else "127.0.0.1"  # which the system takes for 127.0.0.2
    return (await ordered(stack, "add", name, receivers.url(f"/{name}", host=host), *more))["secret"]


async def happen(stack: Stack, people: range) -> list[str]:
    """Register people, change what they are called, and return their ids."""
    ids = []
    async with stack.client(stack.addresses.write) as client:
        for number in people:
            handle = f"hook{number}"
            person = (await client.post("/commands/register-account", json=registration(handle))).raise_for_status()
            ids.append(person.json()["id"])
            for name, more in (("change-handle", {"handle": f"{handle}.x"}), ("update-profile", {"title": "Senator"})):
                command = {"account": ids[-1], **more}
                (await client.post(f"/commands/{name}", json=command)).raise_for_status()
    return ids


async def feed_of(stack: Stack, begun: int) -> dict[str, int]:
    """The positions of all changes from one on, by their ids."""
    found, after = {}, begun - 1
    async with stack.client(stack.addresses.read) as client:
        while True:
            page = (await client.get("/changes", params={"after": after, "limit": 200})).raise_for_status().json()
            found |= {each["id"]: each["sequence"] for each in page["items"]}
            if page["next_after"] == after:
                return found
            after = page["next_after"]


async def has_all(receivers: RealReceivers, path: str, expected: int) -> None:
    await until(lambda: len(receivers.taken(path)) >= expected, seconds=WITHIN)


def paused(stack: Stack) -> int:
    with stack.database() as database:
        [[count]] = database.execute("select count(paused_at) from webhooks").fetchall()
    return count


async def reasons(stack: Stack) -> dict[str, str]:
    listed = (await ordered(stack, "list"))["webhooks"]
    return {each["name"]: each["reason"] for each in listed if each["state"] == "paused"}


async def test_receivers_that_fail_hold_up_no_other_whatever_is_killed(stack, receivers, begun, capsys):
    """The good one has every change once, by its id, and in order; the others say what they lack."""
    secret = await added(stack, receivers, "well", "--from", str(begun))
    for name in OTHERS:
        await added(stack, receivers, name, "--from", str(begun))

    for kill in range(KILLS):
        happening = asyncio.create_task(happen(stack, range(kill * 8, kill * 8 + 8)))
        before = len(receivers.taken("/well"))
        await has_all(receivers, "/well", before + 10)
        killed = stack.kill(Child.REACT)
        await happening
        await stack.replaced(Child.REACT, instead_of=killed)
    expected = await feed_of(stack, begun)
    await has_all(receivers, "/well", len(expected))

    taken = receivers.taken("/well")
    assert {str(id_): each["sequence"] for id_, each in taken.items()} == expected
    assert in_order(list(taken.values()))
    receivers.verify("/well", secret)
    duplicates = len(receivers.came["/well"]) - len(expected)
    with capsys.disabled():
        print(f"\n{len(expected)} changes, {KILLS} kills: {duplicates} came twice")  # noqa: T201 - it is a figure
    assert duplicates <= KILLS * WEBHOOKS_AHEAD
    assert not receivers.came["/private"] + receivers.came["/elsewhere"]

    await until(lambda: paused(stack) == len(OTHERS), seconds=WITHIN)
    told = await reasons(stack)
    assert told.keys() == OTHERS.keys()
    for name, reason in told.items():
        assert reason.startswith(OTHERS[name])

    receivers.slow_may_answer.set()
    receivers.came["/slow"].clear()
    receivers.bodies["/slow"].clear()
    await ordered(stack, "resume", "slow")
    await has_all(receivers, "/slow", len(expected))
    assert {str(each) for each in receivers.taken("/slow")} == set(expected)
    assert in_order(list(receivers.taken("/slow").values()))


async def test_nothing_of_erased_people_is_sent_again(stack, receivers, begun):
    erased, other = await happen(stack, range(100, 102))
    async with stack.client(stack.addresses.write) as client:
        (await client.post("/commands/erase-account", json={"account": erased})).raise_for_status()

    types = ("--type", "account-erased", "--type", "account-registered")
    await added(stack, receivers, "replayed", *types, "--from", str(begun))

    def about(account: str) -> list[str]:
        return [each["type"] for each in receivers.taken("/replayed").values() if each["data"]["account_id"] == account]

    # Each account has its order, and none is kept between two.
    await until(lambda: about(erased) and about(other), seconds=WITHIN)
    assert about(erased) == ["account-erased"]
    assert about(other) == ["account-registered"]


async def test_a_rotated_secret_signs_beside_the_former(stack, receivers):
    """As soon as the process that sends has heard of it; the former signs all the time."""
    former = await added(stack, receivers, "rotated")
    secret = (await ordered(stack, "rotate", "rotated"))["secret"]

    for count, number in enumerate(range(110, 160), start=1):
        await happen(stack, range(number, number + 1))
        await has_all(receivers, "/rotated", 3 * count)
        if receivers.last_is_signed("/rotated", secret):
            break

    assert receivers.last_is_signed("/rotated", secret)
    receivers.verify("/rotated", former)
    shown = await asyncio.to_thread(muster, stack.home, "webhooks", "show", "rotated")
    assert "whsec_" not in shown.stdout
    assert re.search(r"^former secret until +\d", shown.stdout, re.MULTILINE)


@contextmanager
def receiver_of_the_page(directory: Path, secret: str, port: int) -> Iterator[IO[str]]:
    """The program that `docs/webhooks.md` shows, as it prints what it is sent."""
    [program] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/webhooks.md").read_text(), re.DOTALL)
    (directory / "receiver.py").write_text(program)
    process = subprocess.Popen(
        ending_with_parent([sys.executable, str(directory / "receiver.py")]),
        env=environment(SECRET=secret, PORT=str(port)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as printed:
        try:
            yield printed
        finally:
            process.kill()
            process.wait()


async def test_the_receiver_of_the_page_verifies_what_it_is_sent(stack, tmp_path):
    port = free_port()
    secret = (await ordered(stack, "add", "of-the-page", f"http://127.0.0.1:{port}/"))["secret"]

    with receiver_of_the_page(tmp_path, secret, port) as printed:
        [account] = await happen(stack, range(120, 121))
        lines = [await asyncio.to_thread(printed.readline) for _ in range(4)]

    kinds = ["account-registered", "profile-created", "handle-changed", "profile-updated"]
    assert [line.split()[1] for line in lines] == kinds
    assert all(account in line for line in lines)
    assert "example.org" not in "".join(lines)


async def test_commands_say_what_is_wrong(stack):
    def status(*arguments: str) -> int:
        return muster(stack.home, "webhooks", *arguments).returncode

    unknown = muster(stack.home, "webhooks", "show", "none")
    misspelt = muster(stack.home, "webhooks", "add", "a", "https://a.example", "--type", "handle-change")

    groups = [status("add", "a", "https://a.example", "--group", each) for each in ("no-such-group", "No Slug")]

    assert groups == [1, 2]
    assert (unknown.returncode, "`muster webhooks list`" in unknown.stderr) == (1, True)
    assert (misspelt.returncode, "handle-changed" in misspelt.stderr) == (2, True)
    for name, url in (("A Name", "https://a.example"), ("a", "ftp://a.example"), ("a", "https://me:mine@a.example")):
        assert status("add", name, url) == 2
    assert [status("add", "a", url) for url in ("https://a.example", "https://b.example")] == [0, 1]
    assert [status("pause", "a"), status("remove", "a"), status("remove", "a")] == [0, 0, 1]

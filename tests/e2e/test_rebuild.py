"""`muster rebuild` as its user runs it: through the projector, and without one."""

import json

import httpx
import pytest

from tests.support.commands import muster
from tests.support.people import registration
from tests.support.stack import Child, Stack


@pytest.fixture
def directory(mortal_stack: Stack) -> Stack:
    """Three people in the directory."""
    for name in ("ada", "bob", "cyd"):
        register(mortal_stack, name)
    return mortal_stack


def test_a_rebuild_from_order_to_switch_and_back(directory: Stack) -> None:
    """Results go to stdout, what happens to stderr; what is asked twice is told once more."""
    first = muster(directory.home, "rebuild", "profiles", "--json")
    outcome = json.loads(first.stdout)
    back = muster(directory.home, "rebuild", "--rollback", "profiles")
    status = json.loads(muster(directory.home, "status", "--json").stdout)["projections"][0]

    assert (first.returncode, back.returncode) == (0, 0)
    assert f"generation {outcome['to']} is live" in first.stderr
    assert outcome["records"] == {"new": 0, "gone": 0, "changed": 0}
    assert f"generation {outcome['from']} is live again" in back.stderr
    assert status["generation"] == outcome["from"]
    assert muster(directory.home, "rebuild", "--abort").returncode == 1
    assert muster(directory.home, "rebuild", "people").returncode == 2


async def test_without_a_projector_the_command_projects_itself(directory: Stack) -> None:
    """
    Under the same lease, in processes of their own, range by range, until it is done.

    The next projector finds what it left.
    """
    with directory.supervisor_asleep():
        killed = directory.kill(Child.PROJECT)
        position = register(directory, "dan").headers["Muster-Position"]
        limits = f"filling.here=0,filling.events={max(1, int(position) // 2)}"
        done = muster(directory.home, "rebuild", "profiles", "--json", MUSTER_LIMITS=limits)
        answer = read(directory, "dan", position)
    await directory.back(Child.PROJECT, instead_of=killed)
    outcome = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert "no projector answers" in done.stderr
    assert outcome["switched"]
    assert answer.status_code == 200


def register(stack: Stack, name: str) -> httpx.Response:
    url = f"{stack.addresses.write}/commands/register-account"
    return httpx.post(url, json=registration(name), headers=stack.headers, timeout=60)


def read(stack: Stack, name: str, position: str) -> httpx.Response:
    url = f"{stack.addresses.read}/profiles/by-handle/{name}"
    return httpx.get(url, headers={"Muster-Min-Position": position, **stack.headers}, timeout=60)

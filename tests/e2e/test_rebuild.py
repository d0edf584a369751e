"""`muster rebuild` as its user runs it: through the projector, and without one."""

import json
import os
import subprocess
from collections.abc import Callable

import httpx
import pytest

from tests.support.load import registration
from tests.support.stack import MUSTER, Child, Stack

Muster = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def directory(mortal_stack: Stack) -> Stack:
    """Three people in the directory."""
    for name in ("ada", "bob", "cyd"):
        register(mortal_stack, name)
    return mortal_stack


@pytest.fixture
def muster(mortal_stack: Stack) -> Muster:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "MUSTER_HOME": str(mortal_stack.home)}
        return subprocess.run(
            [*MUSTER, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    return run


def test_a_rebuild_from_order_to_switch_and_back(directory: Stack, muster: Muster) -> None:
    """Results go to stdout, what happens to stderr; what is asked twice is told once more."""
    first = muster("rebuild", "profiles", "--json")
    outcome = json.loads(first.stdout)
    back = muster("rebuild", "--rollback", "profiles")
    status = json.loads(muster("status", "--json").stdout)["projections"][0]

    assert (first.returncode, back.returncode) == (0, 0)
    assert f"generation {outcome['to']} is live" in first.stderr
    assert outcome["records"] == {"new": 0, "gone": 0, "changed": 0}
    assert f"generation {outcome['from']} is live again" in back.stderr
    assert status["generation"] == outcome["from"]
    assert muster("rebuild", "--abort").returncode == 1
    assert muster("rebuild", "people").returncode == 2


async def test_without_a_projector_the_command_projects_itself(directory: Stack, muster: Muster) -> None:
    """Under the same lease, until it is done; the next projector finds what it left."""
    with directory.supervisor_asleep():
        killed = directory.kill(Child.PROJECT)
        position = register(directory, "dan").headers["Muster-Position"]
        done = muster("rebuild", "profiles", "--json")
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

"""Whatever other programs have put into the environment, and wherever the state directory stands, Muster works."""

import json
import re
import shutil
import tempfile
from pathlib import Path

import httpx
import pytest

from shared.auth.bearer import TOKEN
from tests.hostile.variables import ANY_PATH, HOSTILE
from tests.support.commands import muster, muster_program
from tests.support.patience import SECONDS, wait_until
from tests.support.stack import Stack


@pytest.fixture(scope="module")
def stack():
    """A stack in such an environment, at a path of all that a path can hold."""
    top = Path(tempfile.mkdtemp(prefix="muster-stack-"))
    (top / ANY_PATH).mkdir(parents=True)
    stack = Stack(top / ANY_PATH, **HOSTILE)
    try:
        yield stack
    finally:
        stack.end()
        shutil.rmtree(top)


def call(stack, *arguments, run=muster, **variables):
    """The answer of a command in the same environment, which is never a traceback."""
    ran = run(stack.home, *arguments, **{**HOSTILE, **variables})
    assert "Traceback" not in ran.stderr
    assert stack.headers["Authorization"].split()[1] not in ran.stdout + ran.stderr
    return ran


def test_commands_are_posted_and_seen(stack, tmp_path):
    commands = [
        {"command": "register-account", "email": f"{nth}@example.org", "handle": f"h{nth}", "display_name": "김철수"}
        for nth in range(3)
    ]
    (tmp_path / "commands").write_text("\n".join(map(json.dumps, commands)))

    imported = call(stack, "import", str(tmp_path / "commands"), "--json", run=muster_program)

    assert (imported.returncode, json.loads(imported.stdout)["applied"]) == (0, 3), imported.stderr
    position = json.loads(imported.stdout)["position"]
    url = f"{stack.addresses.read}/profiles/by-handle/h2?min_position={position}"
    shown = wait_until(lambda: _found(url, stack.headers))
    assert shown["display_name"] == "김철수"


def _found(url, headers):
    answer = httpx.get(url, headers=headers, trust_env=False, timeout=SECONDS)
    return answer.json() if answer.is_success else None


@pytest.mark.parametrize("command", [("status",), ("migrate",), ("verify", "stats")])
def test_commands_answer(stack, command):
    """From their start on: libraries read variables when they are loaded."""
    ran = call(stack, *command, run=muster_program)

    assert ran.returncode == 0, ran.stderr


def test_the_doctor_finds_nothing(stack):
    ran = call(stack, "doctor", run=muster_program)

    assert (ran.returncode, "✗" in ran.stdout) == (0, False), ran.stdout


def test_a_token_with_white_space_around_is_good(stack):
    assert call(stack, "status", MUSTER_TOKEN=(stack.home / TOKEN).read_text() + "\r\n").returncode == 0


def test_a_token_with_white_space_inside_is_refused_in_one_line(stack):
    ran = call(stack, "import", "/dev/null", MUSTER_TOKEN=2 * (stack.home / TOKEN).read_text())

    assert ran.returncode == 2
    assert re.fullmatch(r"MUSTER_TOKEN is not usable: .*\n", ran.stderr)


@pytest.mark.parametrize("command", [("status",), ("project",)])
def test_elsewhere_the_environment_is_refused_in_one_line(stack, command):
    """Also where a process would ask an API there."""
    urls = dict.fromkeys(("MUSTER_WRITE_URL", "MUSTER_READ_URL", "MUSTER_OPS_URL"), "https://people.example")

    ran = call(stack, *command, **urls, MUSTER_AUTH="off")

    assert ran.returncode == 2
    assert re.fullmatch(r"the environment does not lead to https://people.example \(.*NO_PROXY.*\n", ran.stderr)


def test_an_issuer_that_cannot_be_asked_is_refused_in_one_line(stack):
    ran = call(stack, "read", MUSTER_ISSUER="https://issuer.example")

    assert ran.returncode == 2
    assert re.fullmatch(r"the environment does not lead to https://issuer.example \(.*\n", ran.stderr)


def test_a_url_that_cannot_be_read_is_refused_by_processes_and_doctor_in_one_line(stack):
    for command in ("read", "doctor"):
        ran = call(stack, command, MUSTER_REDIS_URL="redis://127.0.0.1:1/1?tls=true")

        assert (ran.returncode, ran.stderr) == (2, "MUSTER_REDIS_URL is not usable: it takes no 'tls' behind `?`\n")

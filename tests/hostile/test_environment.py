"""Whatever other programs have put into the environment, and wherever the state directory stands, Muster works."""

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from shared.auth.bearer import TOKEN
from tests.hostile.variables import ANY_PATH, HOSTILE
from tests.support.commands import muster, muster_program
from tests.support.patience import SECONDS, wait_until
from tests.support.stack import Stack, environment


@pytest.fixture(scope="module")
def stack():
    """A stack in such an environment, at a path of all that a path can hold."""
    with TemporaryDirectory(prefix="muster-stack-") as top:
        home = Path(top, ANY_PATH)
        home.mkdir(parents=True)
        stack = Stack(home, **HOSTILE)
        try:
            yield stack
        finally:
            stack.end()


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


IN_TURN = """
import os, sys
given = dict(os.environ)
from shared.cli.main import main
statuses, kept = [], []
for command in sys.argv[1:]:
    os.environ.update(given)  # of which the one before may have forgotten some
    sys.argv = ["muster", *command.split()]
    try:
        statuses.append(main() or 0)
    except SystemExit as end:
        statuses.append(end.code)
    kept += sys.stdout, sys.stderr  # or what they write to would be closed along with them
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
print(statuses)
"""


def test_commands_answer(stack):
    """From the start of their libraries on, which read variables when they are loaded; here in one process."""
    program = [sys.executable, "-c", IN_TURN, "status", "migrate", "verify stats", "doctor"]

    def run(home, *_, **variables):
        environ = environment(MUSTER_HOME=str(home), PYTHONPATH=":".join(sys.path), **variables)
        return subprocess.run(
            program, env=environ, cwd="/", capture_output=True, text=True, check=False, timeout=SECONDS
        )

    ran = call(stack, run=run)

    assert ran.stdout.splitlines()[-1] == "[0, 0, 0, 0]", ran.stdout + ran.stderr


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

"""The command line as shells and programs meet it: streams that take nothing, interruptions, completion, its cost."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from shared.cli.commands import COMMANDS, COMMANDS_OF_A_CLONE
from tests.support.commands import muster, muster_program
from tests.support.patience import SECONDS
from tests.support.stack import MUSTER, environment

RESULTS = [("--help",), ("config", "--json")]
"""What writes by rich, and what writes by itself."""
DRIVERS = {"psycopg", "redis", "sqlalchemy", "alembic", "litestar", "granian", "cryptography", "structlog"}
"""Packages that take longer to import than a command that needs none of them takes for all else."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a key, whose name no ASCII terminal can show."""
    home = tmp_path_factory.mktemp("homes") / "hömë"
    assert muster(home, "keys", "new").returncode == 0
    return home


@pytest.mark.parametrize("arguments", RESULTS, ids=" ".join)
def test_results_that_nobody_takes_are_a_failure_in_one_line(home, arguments):
    """A full disk, and a stdout that the caller has closed."""
    command = " ".join([*MUSTER, *arguments])

    full, closed = (
        subprocess.run(
            ["sh", "-c", f"{command} {redirection}"],
            env=environment(MUSTER_HOME=str(home)),
            capture_output=True,
            text=True,
            check=False,
        )
        for redirection in (">/dev/full", ">&-")
    )

    assert (full.returncode, full.stderr) == (1, "the output cannot be written: No space left on device\n")
    assert (closed.returncode, closed.stderr) == (1, "the output cannot be written: it is closed\n")


def test_a_reader_that_goes_away_is_no_event(home):
    """As `muster … | head` does; neither is a stderr that is closed."""
    for arguments in (("config",), ("fly",)):
        with subprocess.Popen(
            ["sh", "-c", f"{' '.join([*MUSTER, *arguments])} 2>&-"], stdout=subprocess.PIPE, env=environment()
        ) as process:
            process.stdout.close()

        assert process.returncode in {0, 1, 2}  # what is short may have been written before


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_gets_what_it_can_show(home, encoding):
    """Plain characters instead of others; JSON stays JSON."""
    said = muster_program(home, "doctor", PYTHONIOENCODING=encoding, encoding=encoding)
    told = muster_program(home, "doctor", "--json", PYTHONIOENCODING=encoding, encoding="utf-8")

    assert (said.returncode, said.stderr, told.stderr) == (0, "", "")
    assert said.stdout.startswith("+ Python")
    assert ("home" if encoding == "ascii" else "hömë") in said.stdout
    assert json.loads(told.stdout)["home"] == str(home)


def test_an_interrupted_command_ends_without_a_word(tmp_path):
    """While it waits for an answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [*MUSTER, "status"],
            env=environment(MUSTER_HOME=str(tmp_path), MUSTER_OPS_URL=url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        connection, _ = silent.accept()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
        connection.close()

    assert (process.returncode, out, err) == (130, b"", b"")


INTERRUPTED_IMPORT = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "cyclopts":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from shared.cli.main import main
main()
"""


def test_a_command_that_is_interrupted_while_it_is_imported_ends_alike():
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT],
        env=environment(PYTHONPATH=":".join(sys.path)),
        capture_output=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (130, b"", b"")


COMPLETE = """
. "$HOME/.local/share/bash-completion/completions/muster"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _muster; echo "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        (("par",), {"parked"}),
        (("run", "chan"), {"change-email", "change-handle", "change-member-role"}),
        (("search", "people", "--status", "s"), {"suspended"}),
        (("ch",), {"check"}),
        (("parked", "r"), {"retry"}),
        (("status", "--js"), {"--json"}),
        (("keys", "list", "--ho"), {"--home"}),
    ],
)
def test_bash_completes_the_commands(bash_home, words, completions):
    ran = subprocess.run(
        ["bash", "-c", COMPLETE, "bash", "muster", *words],
        env={**os.environ, "HOME": str(bash_home)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert set(ran.stdout.split()) == completions


@pytest.fixture(scope="module")
def bash_home(tmp_path_factory):
    """The home directory of an account that had bash learn the commands."""
    home = tmp_path_factory.mktemp("account")
    for shell in ("zsh", "fish", "bash"):
        ran = muster(home, "--install-completion", "--shell", shell, HOME=str(home))
        assert ran.returncode == 0, ran.stderr
    return home


def test_help_lists_every_command_of_a_clone():
    """`./muster test` and `./muster check` among them."""
    listed = {line.split()[1] for line in muster("/nowhere", "--help").stdout.splitlines() if line.startswith("│ ")}

    assert {*COMMANDS, *COMMANDS_OF_A_CLONE, "--install-completion"} <= listed


IMPORTS = f"""
import sys
from shared.cli.main import main
kept = []
for command in sys.argv[1:]:
    sys.argv = ["muster", *command.split()]
    try:
        main()
    except SystemExit:
        kept += sys.stdout, sys.stderr  # or what they write to would be closed along with them
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    loaded = {{name.partition(".")[0] for name in sys.modules}}
    print("after", command, *loaded & {DRIVERS!r})
"""
COMMANDS_WITHOUT_DRIVERS = (
    "status",
    "parked list",
    "import /dev/null",
    "erase 01a22846-1825-7634-9a98-e38d020f9ed1 --yes",
    "run close-account account=@ann",
    "get @ann",
    "search people ann",
    "config",
    "--help",
)


def test_commands_import_no_driver_that_they_do_not_need(tmp_path):
    """So that a call costs little before it does its work; here one after the other, in one process."""
    nobody = "http://127.0.0.1:1"
    apis = {f"MUSTER_{api}_URL": nobody for api in ("WRITE", "READ", "OPS")}

    ran = subprocess.run(
        [sys.executable, "-c", IMPORTS, *COMMANDS_WITHOUT_DRIVERS],
        env=environment(MUSTER_HOME=str(tmp_path), PYTHONPATH=":".join(sys.path), **apis),
        capture_output=True,
        text=True,
        check=False,
    )

    said = [line for line in ran.stdout.splitlines() if line.startswith("after ")]
    assert said == [f"after {command}" for command in COMMANDS_WITHOUT_DRIVERS], ran.stderr

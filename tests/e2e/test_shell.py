"""Commands and queries from the shell, on a running stack."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import muster
from tests.support.forks import NOTHING, Fork, call_muster
from tests.support.patience import until, wait_until
from tests.support.stack import environment

EVA = {"email": "eva.shell@example.org", "handle": "eva.shell", "display_name": "Eva Shell"}
FIELDS = [f"{name}={value}" for name, value in EVA.items()]


@pytest.fixture(scope="module")
def eva(stack):
    """A person who was registered by the shell; what it answered."""
    ran = muster(stack.home, "run", "register-account", *FIELDS, "tags=shell,test", "--key", "eva-1", "--json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


async def shown(stack, *arguments):
    """What a query prints once the read model is level with it."""

    def printed():
        ran = muster(stack.home, *arguments)
        assert "Traceback" not in ran.stderr, ran.stderr
        return ran if ran.returncode == 0 and "eva.shell" in ran.stdout else None

    return (await until(printed)).stdout


def test_a_command_answers_in_a_line_or_in_json(stack, eva):
    """Under its key it is carried out once; by stdin, too."""
    again = muster(stack.home, "run", "register-account", *FIELDS, "tags=shell", "tags=test", "--key", "eva-1")
    body = json.dumps({**EVA, "tags": ["shell", "test"]}).encode()
    read = muster(stack.home, "run", "register-account", "-", "--key", "eva-1", "--json", stdin=body)

    assert again.stdout == f"{eva['id']}, version 1, position {eva['position']}\n"
    assert json.loads(read.stdout) == eva


@pytest.mark.parametrize("direct", [(), ("--direct",)], ids=["http", "direct"])
def test_a_refusal_says_its_sentence_and_its_problem(stack, eva, direct):
    """Whichever way the command went."""
    taken = muster(stack.home, "run", "register-account", *FIELDS, *direct)
    unknown = muster(stack.home, "run", "close-account", "account=@nobody.here", *direct)
    wrong = muster(stack.home, "run", "register-account", *FIELDS[1:], "email=x", *direct)
    stale = muster(stack.home, "run", "suspend-account", "account=@eva.shell", "--if-match", "7", *direct)

    assert [ran.returncode for ran in (taken, unknown, wrong, stale)] == [1, 1, 1, 1]
    assert "(email-taken)" in taken.stderr or "(handle-taken)" in taken.stderr
    assert "(account-not-found)" in unknown.stderr
    assert wrong.stderr == "Not valid: /email (invalid)\n    /email must be 3 to 254 characters long, not 1\n"
    assert "(version-mismatch)" in stale.stderr


async def test_a_person_is_shown_by_each_of_their_names(stack, eva):
    """In a table for people, in JSON as the read API has it for programs."""
    for name in ("@eva.shell", eva["id"], EVA["email"]):
        assert "Eva Shell" in await shown(stack, "get", name)
    record = json.loads(await shown(stack, "get", "@EVA.SHELL", "--json"))

    assert (record["account_id"], record["tags"]) == (eva["id"], ["shell", "test"])


async def test_people_groups_and_members_are_found(stack, eva):
    """What is carried out with the database is seen as well."""
    made = muster(stack.home, "run", "create-group", "slug=shells", "name=Shells of eva.shell", "--direct")
    added = muster(
        stack.home, "run", "add-group-member", "group=shells", "account=@eva.shell", "role=chair", "--direct"
    )
    assert (made.returncode, added.returncode) == (0, 0), made.stderr + added.stderr

    assert "chair" in await shown(stack, "members", "shells")
    assert "shells" in await shown(stack, "search", "groups", "eva")
    assert "Eva Shell" in await shown(stack, "search", "people", "eva", "shell", "--tag", "test", "--group", "shells")
    page = json.loads(await shown(stack, "search", "people", "eva.shell", "--json"))
    assert [each["handle"] for each in page["items"]] == ["eva.shell"]


def test_what_is_not_there_is_said_with_what_to_do(stack):
    missing = muster(stack.home, "get", "@nobody.here")
    group = muster(stack.home, "members", "nothing")
    nothing = muster(stack.home, "get", "nobody")
    empty = muster(stack.home, "search", "people", "nobodyhere")

    assert (missing.returncode, group.returncode, nothing.returncode, empty.returncode) == (1, 1, 2, 0)
    assert "(profile-not-found): look for them with `muster search people`" in missing.stderr
    assert "(group-not-found): list groups with `muster search groups`" in group.stderr


COMPLETE = """
. "$HOME/.local/share/bash-completion/completions/muster"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _muster; echo "${COMPREPLY[@]}"
"""


async def test_a_shell_completes_people_and_groups(stack, eva, tmp_path):
    """By the program on PATH; where bash takes `account=@e` apart, the value alone."""
    await shown(stack, "get", "@eva.shell")
    learned = muster(tmp_path, "--install-completion", "--shell", "bash", HOME=str(tmp_path))
    assert learned.returncode == 0, learned.stderr

    def completed(*words):
        ran = subprocess.run(
            ["bash", "-c", COMPLETE, "bash", "muster", *words],
            env=environment(
                MUSTER_HOME=str(stack.home),
                HOME=str(tmp_path),
                PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            ),
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.split()

    assert completed("run", "close-account", "account=@eva.s") == ["account=@eva.shell"]
    assert completed("run", "close-account", "account", "=", "@eva.s") == ["@eva.shell"]
    assert completed("get", "@eva.s") == ["@eva.shell"]


@pytest.fixture
def watch(stack, eva, tmp_path):
    """Have changes of a person printed, each time by another process; each is ended as from the keyboard."""
    started = []

    def start(*options):
        out = tmp_path / f"watched-{len(started)}"
        environ, arguments = environment(MUSTER_HOME=str(stack.home)), ("watch", "--account", eva["id"], *options)
        started.append(Fork(call_muster, *arguments, streams=(NOTHING, out, NOTHING), **environ))
        return out

    yield start
    for each in started:
        each.send_signal(signal.SIGINT)
    assert {each.wait() for each in started} == {130}


def first_line(out):
    return out.exists() and "\n" in (text := out.read_text()) and text.splitlines()[0]


def test_changes_are_printed_as_they_come(watch):
    """From a position on, or from now; a line for people, a CloudEvent for programs."""
    watched = [watch("--after", "0"), watch("--after", "0", "--json")]
    lines = [wait_until(lambda each=each: first_line(each)) for each in watched]

    assert " account-registered profiles/" in lines[0]
    assert json.loads(lines[1])["type"] == "account-registered"


async def test_what_was_changed_before_is_not_watched(stack, eva, watch):
    """Without a position it begins now."""
    titles, out = iter(range(1, 1_000)), watch()

    def printed():
        muster(stack.home, "run", "update-profile", f"account={eva['id']}", f"title={next(titles)}")
        return first_line(out)

    assert " profile-updated " in await until(printed)

"""`muster import` and `muster seed` as their user runs them, against the write API on a real PostgreSQL."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from shared.event_log.adapters.postgres import CHANNEL
from tests.support import commands
from tests.support.databases import with_data
from tests.support.patience import SECONDS
from tests.support.served import WRITE, served
from tests.support.stack import environment
from write_side.adapters.postgres.migrate import migrate

ROOT = Path(__file__).parents[2]
CONGRESS = ROOT.parent / "shared" / "data" / "congress.jsonl"
SAMPLE = ROOT / "docs" / "sample.jsonl"
MEMBERS = 537
COMMITTEES = frozenset({"ssaf", "ssju"})


@pytest.fixture(scope="module")
def database_url(databases):
    with databases.lent() as url:
        yield url


@pytest.fixture(scope="module")
def write_api(database_url):
    with served(WRITE, MUSTER_DATABASE_URL=database_url) as process:
        yield process


class Muster:
    """The command line, in processes of its own."""

    def __init__(self, write_url):
        self._write_url = write_url

    def run(self, *arguments, said=b""):
        """Run it to its end; returns the exit status, the JSON on stdout, and stderr."""
        ran = commands.muster("/nowhere", *map(str, arguments), "--json", stdin=said, MUSTER_WRITE_URL=self._write_url)
        return ran.returncode, json.loads(ran.stdout), ran.stderr

    def start(self, *arguments):
        return subprocess.Popen(
            [sys.executable, "-c", "from shared.cli.main import main; main()", *map(str, arguments)],
            env=environment(PYTHONPATH=str(ROOT), MUSTER_WRITE_URL=self._write_url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture(scope="module")
def muster(write_api):
    return Muster(write_api.url)


@pytest.fixture(scope="module")
def congress():
    """All people and groups of the real file, and who belongs to two of them; all of it is in `test_whole_congress`."""
    if not CONGRESS.exists():
        pytest.skip(f"{CONGRESS.name} is not beside the repository")
    with CONGRESS.open() as lines:
        return [line for line in lines if json.loads(line).get("group", "ssaf") in COMMITTEES]


def counts(summary):
    return {name: summary[name] for name in ("lines", "applied", "replayed", "failed")}


def registrations(url, where):
    """How many people were registered, and where the log ends."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "select count(*) filter (where type = 'account-registered' and data ->> 'email' like %s), max(position)"
            "  from event_log",
            [where],
        ).fetchone()


def test_congress_is_imported_once_however_often(muster, congress, database_url, tmp_path):
    """The second run changes nothing and answers the same position."""
    (file := tmp_path / "congress.jsonl").write_text("".join(congress))
    lines = len(congress)

    first_status, first, first_said = muster.run("import", file)
    second_status, second, _ = muster.run("import", file)

    assert (first_status, second_status) == (0, 0), first_said
    assert counts(first) == {"lines": lines, "applied": lines, "replayed": 0, "failed": 0}
    assert counts(second) == {"lines": lines, "applied": 0, "replayed": lines, "failed": 0}
    assert first["position"] == second["position"]
    assert registrations(database_url, "%@congress.example") == (MEMBERS, first["position"])


def test_the_sample_is_imported_whole(muster):
    """From stdin; it is what README tells people to try."""
    status, summary, said = muster.run("import", "-", said=SAMPLE.read_bytes())

    assert (status, said) == (0, "")
    assert counts(summary) == {"lines": 29, "applied": 29, "replayed": 0, "failed": 0}


def test_a_failed_line_is_named_and_the_rest_goes_on(muster):
    """With what the write API says: broken JSON, bytes that are no text, fields that are wrong, a handle taken."""
    lines = [
        b"",
        b'{"command": "register-account", "email": "one@x.org", "handle": "one", "display_name": "One"}',
        b"{",
        b'{"command": "register-account", "email": "two@x.org", "handle": "two", "display_name": "\xff"}',
        b'{"command": "register-account", "email": "@", "handle": "two", "display_name": ""}',
        b'{"command": "register-account", "email": "two@x.org", "handle": "ONE", "display_name": "Two"}',
        b"x" * 70_000,
        b'{"command": "suspend-account", "account": "@one"}',
    ]

    status, summary, said = muster.run("import", "-", said=b"\n".join(lines))

    assert status == 1
    assert counts(summary) == {"lines": 7, "applied": 2, "replayed": 0, "failed": 5}
    reported = [line for line in said.splitlines() if line.startswith("line ")]
    assert [line.split(" ")[1:3] for line in reported] == [
        ["3:", "400"],
        ["4:", "400"],
        ["5:", "422"],
        ["6:", "409"],
        ["7:", "413"],
    ]
    assert "    /email " in said
    assert "    /display_name " in said


def test_seeding_again_changes_nothing_and_more_people_go_on(muster, database_url):
    first_status, first, _ = muster.run("seed", "--people", 300)
    second_status, second, _ = muster.run("seed", "--people", 310)

    assert (first_status, second_status) == (0, 0)
    assert counts(first) == {"lines": 300, "applied": 300, "replayed": 0, "failed": 0}
    assert counts(second) == {"lines": 310, "applied": 10, "replayed": 300, "failed": 0}
    assert registrations(database_url, "%@people.example") == (310, second["position"])


def memberships(url, groups):
    """How many there are in groups with such a slug."""
    with psycopg.connect(url) as connection:
        [(count,)] = connection.execute(
            "select count(*) from memberships join groups on groups.id = group_id where slug like %s", [groups]
        ).fetchall()
        return count


def test_seeding_groups_again_changes_nothing_and_more_of_them_go_on(muster, database_url):
    """More groups of the same people, who then belong to those too."""
    first_status, first, _ = muster.run("seed", "--people", 60, "--groups", 5, "--seed", 2)
    few = memberships(database_url, "%.2-%")
    second_status, second, _ = muster.run("seed", "--people", 60, "--groups", 40, "--seed", 2)
    many = memberships(database_url, "%.2-%")

    assert (first_status, second_status) == (0, 0)
    assert counts(first) == {"lines": 65 + few, "applied": 65 + few, "replayed": 0, "failed": 0}
    assert counts(second) == {
        "lines": 100 + many,
        "applied": 35 + many - few,
        "replayed": first["lines"],
        "failed": 0,
    }
    assert 0 < few < many


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("import", "no-such-file"), "no-such-file"),
        (("import", "-", "--write-url", "nowhere"), "nowhere"),
    ],
)
def test_wrong_usage_is_one_clear_line(arguments, named):
    """And nothing is sent: nobody listens there, so that it would be waited for."""
    out, err = (process := Muster("http://127.0.0.1:9").start(*arguments)).communicate(b"", timeout=SECONDS)

    assert (process.returncode, out, err.count(b"\n")) == (2, b"", 1)
    assert named in err.decode()


class Feed:
    """
    An import that runs, of commands that only make sense one after the other: one account's ever new handles.

    The second half has to wait for `go_on`: there is something left to be done, however fast the first one was.
    """

    def __init__(self, muster, name):
        self.handles = [f"{name}-{number}" for number in range(300)]
        self._name = name
        self._process = muster.start("import", "-", "--json")
        person = {"email": f"{name}@feed.example", "handle": name, "display_name": name, "external_id": name}
        self._write({"command": "register-account", **person})
        self._change(self.handles[:150])

    def go_on(self):
        self._change(self.handles[150:])

    def await_word(self, word):
        while word not in (line := self._process.stderr.readline().decode()):
            assert line, f"the import ended without saying {word!r}"

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def end(self):
        """No more commands: returns the exit status and the summary."""
        out, _ = self._process.communicate(timeout=SECONDS)
        return self._process.returncode, json.loads(out)

    def _change(self, handles):
        for handle in handles:
            self._write({"command": "change-handle", "account": f"ext:{self._name}", "handle": handle})
        self._process.stdin.flush()

    def _write(self, command):
        self._process.stdin.write(json.dumps(command).encode() + b"\n")


_CHANGED = "select data ->> 'new' from event_log where type = 'handle-changed' and data ->> 'new' = any(%s)"


def taken(url, handles):
    """Those of these handles that the account was given, in the order of the log."""
    with psycopg.connect(url) as connection:
        return [handle for (handle,) in connection.execute(f"{_CHANGED} order by position", [handles])]


def await_taken(url, handles):
    """Return when some are taken, woken by the write side's notifier."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"listen {CHANNEL}")
        while len(connection.execute(_CHANGED, [handles]).fetchall()) < 20:
            assert list(connection.notifies(timeout=SECONDS, stop_after=1)), "nothing is stored any more"


def test_a_writer_that_is_killed_meanwhile_costs_nothing(muster, write_api, database_url):
    """The import says that it waits, and goes on by itself: every line took effect, once, in its order."""
    feed = Feed(muster, "writer-killed")
    await_taken(database_url, feed.handles)

    write_api.kill()
    feed.go_on()
    feed.await_word("waiting: ")
    write_api.start()
    status, summary = feed.end()

    assert (status, summary["lines"], summary["failed"]) == (0, 301, 0)
    assert taken(database_url, feed.handles) == feed.handles


@pytest.fixture
def mortal_postgres(server_home):
    """A server of the test's own, because it dies, with nothing in it that another was told."""
    with EmbeddedPostgres(with_data(server_home / "mortal"), durable=False) as server:
        migrate(server.url)
        yield server


def test_a_database_that_is_killed_meanwhile_costs_nothing(mortal_postgres):
    """Likewise."""
    url = mortal_postgres.url
    with served(WRITE, MUSTER_DATABASE_URL=url) as write_api:
        feed = Feed(Muster(write_api.url), "database-away")
        await_taken(url, feed.handles)

        mortal_postgres.kill()
        feed.go_on()
        feed.await_word("waiting: 503 The database is away")
        mortal_postgres.start()
        status, summary = feed.end()

    assert (status, summary["lines"], summary["failed"]) == (0, 301, 0)
    assert taken(url, feed.handles) == feed.handles


def test_an_interrupted_import_is_run_again_to_do_the_rest(muster, database_url):
    feed = Feed(muster, "interrupted")
    await_taken(database_url, feed.handles)

    feed.interrupt()
    interrupted, before = feed.end()
    (again := Feed(muster, "interrupted")).go_on()
    finished, after = again.end()

    assert (interrupted, finished) == (130, 0)
    assert before["applied"] <= after["replayed"]  # answers may have been on their way
    assert 20 <= after["replayed"] < 301
    assert (after["lines"], after["failed"]) == (301, 0)
    assert taken(database_url, feed.handles) == feed.handles

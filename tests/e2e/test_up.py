"""`muster up` as a person uses it: one command, real servers, real processes, and what happens when they are killed."""

import os
import socket
import subprocess
import time
from contextlib import suppress

import httpx
import pytest
import redis

from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.dev_stack.embedded.server import free_port
from tests.support.access import headers_for
from tests.support.commands import muster
from tests.support.modes import open_to_others
from tests.support.patience import SECONDS, wait_until
from tests.support.processes import family, require_gone
from tests.support.stack import ANY_PORTS, MUSTER, Child, Stack, environment

PROCESSES = (Child.WRITE, Child.READ, Child.PROJECT)
SERVERS = (Child.REDIS, Child.POSTGRES)
OF_TESTS = {"up.log", "up.out"}
"""Files in a home that it does not write itself."""


@pytest.fixture
def up(tmp_path):
    """Start `muster up`, which may have a umask; whatever still runs at the end is killed."""
    (home := tmp_path / "home").mkdir()
    started = []

    def start(*arguments, umask=0o022, **options):
        before = os.umask(umask)
        try:
            started.append(Stack(home, *arguments, **options))
        finally:
            os.umask(before)
        return started[-1]

    yield start
    for each in started:
        each.crash()


def register(addresses, handle):
    """Register a person; return the position."""
    answer = eventually(
        lambda: httpx.post(
            f"{addresses.write}/commands/register-account",
            json={"email": f"{handle}@example.org", "handle": handle, "display_name": handle.title()},
            headers={"Idempotency-Key": handle, **headers_for(addresses.write)},
        )
    )
    return answer.json()["position"]


def read(addresses, handle, *, position=0):
    return answered(addresses, f"/profiles/by-handle/{handle}", position=position)


def asked(addresses, path, *, position):
    return answered(addresses, path, position=position).json()


def answered(addresses, path, *, position):
    headers = {"Muster-Min-Position": str(position), **headers_for(addresses.read)}
    return eventually(lambda: httpx.get(f"{addresses.read}{path}", headers=headers))


def eventually(ask):
    """Ask until there is an answer other than "not now"."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            answer = ask()
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code < 500:
            return answer
        assert time.monotonic() < deadline, answer and answer.text
        time.sleep(0.05)


def kill_until_replaced(stack, children):
    killed = {child: stack.kill(child) for child in children}
    wait_until(lambda: all(stack.pid(child) not in {None, pid} for child, pid in killed.items()))


def rewritten_log(addresses):
    """Have Valkey write its append-only file anew, and wait for it."""
    with redis.Redis.from_url(addresses.redis_url) as client:
        for _ in range(2):  # the projector may have ordered one, which began before what is to be gone was gone
            wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
            with suppress(redis.ResponseError):
                client.bgrewriteaof()
        wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])


def test_a_demo_fills_a_new_home_and_whatever_is_killed_comes_back(up):
    """
    All processes at once, and both servers, on the same ports and with what they knew; and nobody outlives a killed
    supervisor.

    A home that has people is left as it is by the demo. No other account can read what they write, whatever the umask,
    nor what an older version left open. The token of the killed one is good no more.
    """
    stack = up("--demo", umask=0)
    addresses = stack.addresses
    position = register(addresses, "ada")
    stats = asked(addresses, "/stats", position=position)
    [zoe, *_] = asked(addresses, "/profiles?q=zoe+lindqvist", position=position)["items"]
    assert sum(stats["accounts"].values()) > 60
    assert stats["groups"] >= 8
    assert {each["role"] for each in zoe["groups"]} == {"head", "member"}

    for victims, name in ((PROCESSES, "grace"), (SERVERS, "joan")):
        kill_until_replaced(stack, victims)
        position = register(addresses, name)
        assert read(addresses, "ada", position=position).json()["display_name"] == "Ada"

    rewritten_log(addresses)
    assert open_to_others(stack.home) <= OF_TESTS
    token = headers_for(addresses.read)
    stack.crash()

    subprocess.run(["chmod", "-R", "go+rX", stack.home], check=True)
    again = up("--demo", is_forked=True)
    unchanged = "demo: there are people already, so nothing was changed; --home DIR names a new home\n"
    wait_until(lambda: unchanged in again.log.read_text())
    assert open_to_others(stack.home) <= OF_TESTS
    assert read(again.addresses, "joan", position=position).status_code == 200
    now = asked(again.addresses, "/stats", position=position)
    assert now["groups"] == stats["groups"]
    assert sum(now["accounts"].values()) == sum(stats["accounts"].values()) + len(("grace", "joan"))
    assert httpx.get(f"{again.addresses.read}/stats", headers=token, timeout=SECONDS).status_code == 401


def test_a_taken_port_is_one_clear_line(tmp_path):
    """Before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = muster(tmp_path, "up", "--home", str(tmp_path / "home"), "--read-port", str(port))

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"port {port} on 127.0.0.1 is taken: ")
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "home" / "data").exists()


def test_a_home_that_cannot_be_written_is_one_clear_line(tmp_path):
    """With the way out."""
    (tmp_path / "file").touch()

    ran = muster(tmp_path, "up", "--home", str(tmp_path / "file" / "home"))

    assert (ran.returncode, ran.stdout) == (1, "")
    assert "choose another with --home" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_directory_that_all_share_is_no_home(tmp_path):
    """As /tmp is one: it could not be closed to the others."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)

    ran = muster(tmp_path, "up", "--home", str(tmp_path / "shared"))

    assert (ran.returncode, ran.stdout) == (1, "")
    assert (
        ran.stderr == f"{tmp_path / 'shared'} is shared by all accounts: name a directory of Muster's own with --home\n"
    )
    assert not list((tmp_path / "shared").iterdir())


def test_a_fresh_start_keeps_no_data_and_an_end_in_its_middle_no_process(tmp_path):
    """However far it has come."""
    data = tmp_path / "home" / "data"
    for server in ("postgres", "redis"):
        (data / server / "of-before").mkdir(parents=True)
    program = [*MUSTER, "up", "--fresh", "--home", str(tmp_path / "home"), *ANY_PORTS]
    with subprocess.Popen(program, env=environment(), stderr=subprocess.PIPE, text=True) as up:
        next(line for line in up.stderr if "PostgreSQL: starting" in line)
        running = family(up.pid)
        up.terminate()
        up.communicate()

    assert up.returncode == 0
    require_gone(running)
    assert list(data.glob("*/of-before")) == []


def test_doctor_names_what_fails_and_its_hint(tmp_path):
    """Each failure with what to do; the status tells that there is one."""
    with EmbeddedRedis(tmp_path / "redis", appendonly=False, options={"maxmemory-policy": "allkeys-lru"}) as valkey:
        ran = muster(
            tmp_path / "home",
            "doctor",
            MUSTER_REDIS_URL=valkey.url,
            MUSTER_DATABASE_URL=f"postgresql://muster@127.0.0.1:{free_port()}/muster",
            MUSTER_WORKERS="1000",
        )

    assert ran.returncode == 1
    assert "! 1,000 workers for each API on " in ran.stdout
    assert "✗ maxmemory-policy is allkeys-lru: " in ran.stdout
    assert "! appendonly is no: " in ran.stdout
    assert "✗ PostgreSQL at postgresql://muster@127.0.0.1:" in ran.stdout
    assert "config set maxmemory-policy noeviction" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["fly"], {}, "muster knows no command 'fly'"),
        (["config", "--no-such-flag"], {}, "--no-such-flag"),
        (["up", "--write-port", "70000"], {}, "write-port"),
        (["write", "--workers", "0"], {}, "workers"),
        (["config"], {"MUSTER_REDIS_URI": "x"}, "did you mean MUSTER_REDIS_URL?"),
        (["up"], {"MUSTER_PARTITIONS": "2"}, "choose 1, 3, 12"),
    ],
)
def test_wrong_usage_is_status_2(arguments, variables, said, tmp_path):
    """With a word about what is wrong, on stderr."""
    ran = muster(tmp_path, *arguments, **variables)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr


def test_a_command_that_finds_nothing_to_talk_to_fails(tmp_path):
    """It was used rightly, so the status is 1; the line says what to set or start."""
    ran = muster(tmp_path, "status")

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("MUSTER_OPS_URL is not set and no `muster up` runs")
    assert ran.stderr.count("\n") == 1

"""How a process serves HTTP and how it ends, with real processes and an application of ten lines."""

import contextlib
import gc
import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import httpx
import pytest

from shared.dev_stack.embedded.server import free_port
from shared.server.limits import ServerLimits
from shared.server.ports import require_free
from tests.support.examples import examples

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 2
SECONDS = 60
"""Whatever takes longer has failed."""

APPLICATION = """
import asyncio, gc, os

gone = []

def create():
    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        if scope["path"] == "/slow":
            await asyncio.sleep(60)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/long":
            for chunk in (b"first", bytes(50_000_000)):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.append(scope["client"])
        told = {"/gone": len(gone), "/garbage": gc.get_threshold()[0]}
        answer = told.get(scope["path"], os.getpid())
        await send({"type": "http.response.body", "body": str(answer).encode()})
    return application

def refusing():
    # The status in the path, before anything is read.
    from shared.http.middleware.framing import MessageFraming
    served, ENDS = create(), [(b"connection", b"close")]

    async def refuse(scope, receive, send):
        await send({"type": "http.response.start", "status": int(scope["path"][1:]), "headers": ENDS})
        await send({"type": "http.response.body", "body": b"refused"})

    framed = MessageFraming(refuse)

    async def application(scope, receive, send):
        refused = scope["type"] == "http" and scope["path"] != "/"
        await (framed if refused else served)(scope, receive, send)
    return application

def late():
    # It is made at once the first time alone.
    import pathlib, time
    made = pathlib.Path(__file__).with_name("made")
    if made.exists():
        time.sleep(60)
    made.touch()
    return create()

def counting():
    from prometheus_client import Counter, Gauge
    from shared.observability.metrics import exposition
    served, asked, busy = create(), Counter("asked", "All."), Gauge("busy", "Now.", multiprocess_mode="livesum")

    async def application(scope, receive, send):
        if scope["type"] != "http":
            await served(scope, receive, send)
        elif scope["path"] == "/metrics":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": exposition()})
        else:
            asked.inc()
            with busy.track_inprogress():
                await served(scope, receive, send)
    return application

def duplex():
    from write_side.http.duplex import DiskRoom, duplex
    from write_side.http.limits import StreamedAnswerLimits
    served, limits = create(), StreamedAnswerLimits(patience=0.2)

    async def application(scope, receive, send):
        async def make(answers):
            while (await receive())["more_body"]:
                await answers.put(bytes(500_000))

        streams = scope["type"] == "http" and scope["path"] == "/stream"
        answer = duplex(make, media_type="x/y", room=DiskRoom(limits.disk), limits=limits) if streams else served
        await answer(scope, receive, send)
    return application

def broken():
    raise RuntimeError("nothing to serve")
"""


def program_serving(target, *, port, workers=1):
    """The command line of a process that serves `module:factory`, with settings from its environment."""
    begin = "import os; from shared.server.serving import serve; from shared.settings import Settings"
    arguments = {"host": "127.0.0.1", "port": port, "workers": workers, "service": "test"}
    return [sys.executable, "-c", f"{begin}; serve({target!r}, Settings.load(os.environ), **{arguments})"]


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def serve(tmp_path, port):
    """Start serving in a process of its own; every process still running at the end is killed."""
    (tmp_path / "application.py").write_text(APPLICATION)
    started = []

    def start(target="application:create", *, workers=1, log_format="console", **seconds):
        limits = ",".join(f"server.{name}={number}" for name, number in {"stop": STOP_SECONDS, **seconds}.items())
        process = subprocess.Popen(
            program_serving(target, port=port, workers=workers),
            env={
                **os.environ,
                "PYTHONPATH": f"{tmp_path}:{ROOT}",
                "TMPDIR": str(tmp_path),
                "MUSTER_LIMITS": limits,
                "MUSTER_LOG_FORMAT": log_format,
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def worker_pid(port):
    """The process that answers; the application says in which it runs."""
    return int(_asked(port, "/"))


def _asked(port, path):
    """The answer, on a connection of its own, as soon as there is one."""

    def found():
        with (
            contextlib.suppress(OSError, HTTPException),
            contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection,
        ):
            connection.request("GET", path)
            return connection.getresponse().read().decode()

    return _until(found)


def worker_pids(port, *, other_than=frozenset()):
    """Wait until two workers answer, and none of those any more."""

    def found():
        answered = {worker_pid(port) for _ in range(20)}  # connections are spread at random
        return answered if len(answered) == 2 and not answered & set(other_than) else None

    return _until(found)


def asked_while_busy(port, busy):
    """The requests that were counted in all, once so many are under way."""

    def found():
        shown = _asked(port, "/metrics")
        return f"busy {busy}.0" in shown and float(re.search(r"^asked_total (\S+)", shown, re.MULTILINE)[1])

    return _until(found)


def _until(ask):
    """What is asked for, once it is there."""
    deadline = time.monotonic() + SECONDS
    while not (found := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_a_second_server_on_the_port_is_refused_in_one_line(serve, port):
    """Granian alone would share the port, and the two would take turns."""
    serve()
    assert gc.get_threshold()[0] < int(_asked(port, "/garbage")) < 100_000, "it is searched for as while loading"

    _, said = (second := serve()).communicate(timeout=SECONDS)

    assert second.returncode == 1
    assert said.startswith(f"port {port} on 127.0.0.1 is taken: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_when_asked(serve, port, asked, tmp_path):
    """Status 0, within seconds, with nothing left on the port or the disk, although a client keeps its connection."""
    process = serve(workers=2)
    worker_pid(port)
    with httpx.Client(timeout=SECONDS) as client:
        client.get(f"http://127.0.0.1:{port}/")
        process.send_signal(asked)
        process.communicate(timeout=ServerLimits().headers - 5)  # then the client would be hung up on anyway

    assert process.returncode == 0
    require_free("127.0.0.1", port)
    assert not list(tmp_path.glob("muster-metrics-*"))


def test_what_a_killed_process_counted_in_is_removed_by_the_next(serve, port, tmp_path):
    """And nothing that a process counts in which runs."""
    killed = serve(workers=2)
    worker_pid(port)
    [left] = tmp_path.glob("muster-metrics-*")
    killed.kill()
    killed.communicate(timeout=SECONDS)
    assert left.exists()

    serve(workers=2)
    worker_pid(port)

    [used] = tmp_path.glob("muster-metrics-*")
    assert used != left


def test_a_request_that_never_ends_does_not_hold_up_the_stop(serve, port):
    """The worker is killed after its time."""
    process = serve()
    worker_pid(port)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        worker_pid(port)  # answered, so the request before it has arrived
        process.terminate()
        process.communicate(timeout=SECONDS / 2)  # half of what the request takes

    assert process.returncode == 0


def test_a_client_that_sends_no_headers_in_time_is_disconnected(serve, port):
    """From the beginning, in the middle, byte after byte, and where the connection was kept open."""
    serve(headers=1)
    worker_pid(port)
    request = b"GET /pid HTTP/1.1\r\nHost: muster\r\n\r\n"
    with contextlib.ExitStack() as connections:
        kept, silent, halfway, dripping = [
            connections.enter_context(_connected(port, sent)) for sent in (request, b"", request[:10], b"")
        ]
        rest = itertools.chain(request[:-2], itertools.repeat(ord("x")))
        with contextlib.suppress(ConnectionError):
            while not select.select([dripping], [], [], 0.1)[0]:
                dripping.send(bytes([next(rest)]))

        assert [_told(each) for each in (silent, halfway, dripping)] == [b""] * 3
        assert _told(kept).startswith(b"HTTP/1.1 200")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they wait for as long as any")
def test_connections_without_a_request_keep_no_client_out(serve, port):
    """As many as there may be, silent, halfway through or dripping; one that has sent a request is kept."""
    serve(connections=100, request=1, look=0.1)
    worker_pid(port)
    request = b"GET /pid HTTP/1.1\r\nHost: muster\r\n\r\n"
    with contextlib.ExitStack() as connections:
        kept = connections.enter_context(_connected(port, request))
        assert kept.recv(1_000).startswith(b"HTTP/1.1 200")
        silent = [connections.enter_context(_connected(port, request[: each % 30])) for each in range(99)]

        assert worker_pid(port)
        dripping = silent[-1]
        with contextlib.suppress(ConnectionError):
            while not select.select([dripping], [], [], 0.1)[0]:
                dripping.send(b"x")

        assert {_told(each) for each in silent} == {b""}
        kept.sendall(request)
        assert kept.recv(1_000).startswith(b"HTTP/1.1 200")


def test_a_process_that_may_open_too_few_files_says_so(port):
    """Connections would leave none to read keys with."""
    limited = ["bash", "-c", 'ulimit -n 100; exec "$@"', "bash", *program_serving("x:y", port=port)]

    few = subprocess.run(limited, capture_output=True, text=True, cwd=ROOT, check=False, timeout=SECONDS)

    assert few.returncode == 1
    assert (
        few.stderr == "a process may have too few files open here: allow 192 at least, by `ulimit -n` or LimitNOFILE\n"
    )


def _connected(port, sent=b""):
    """A connection on which so much was sent at once: it has a second only."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
    connection.sendall(sent)
    return connection


def _told(connection):
    """All that comes until the server hangs up, in whichever way."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(1_000):
            received += more
    return received


def test_headers_are_kept_in_bounds(serve, port):
    """A client that sends them without end is refused: thousands of connections must not fill the memory."""
    serve()
    worker_pid(port)
    with _connected(port) as client:
        with contextlib.suppress(ConnectionError):  # it may hang up before it has read all
            client.sendall(b"GET / HTTP/1.1\r\nHost: muster\r\nX: " + b"x" * 70_000)

        assert client.recv(1_000).startswith(b"HTTP/1.1 431 ")


STATUSES = (400, 401, 403, 404, 405, 413, 415, 422, 429, 503)
BODIES = (
    (b"Content-Length: 300000", bytes(10_000)),
    (b"Transfer-Encoding: chunked", b"2710\r\n" + bytes(10_000) + b"\r\n"),
)


def test_an_early_answer_reaches_a_client_that_still_sends(serve, port):
    """Closed with anything unread, the connection would be reset, and the answer lost with it now and then."""
    serve("application:refusing")
    worker_pid(port)

    for status, (about, chunk) in itertools.product(STATUSES * examples(10), BODIES):
        with _connected(port, b"POST /%d HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % (status, about)) as client:
            client.sendall(chunk)
            select.select([client], [], [], SECONDS)  # it is answered
            for _ in range(20):
                client.sendall(chunk)

            assert client.recv(1_000).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="elsewhere it waits")
def test_a_client_that_does_not_read_is_disconnected(serve, port):
    """Its answer, which never ends, would keep a connection from others."""
    serve(unread=1)
    worker_pid(port)
    deadline = time.monotonic() + SECONDS
    with ExitStack() as clients:
        while _asked(port, "/gone") == "0":
            assert time.monotonic() < deadline
            clients.enter_context(_unreading(port))  # the first may have come before the kernel was configured
            time.sleep(0.3)


def _unreading(port):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET /long HTTP/1.1\r\nHost: muster\r\n\r\n")
    return client


def test_a_client_may_leave_answers_unread_as_long_as_it_sends(serve, port):
    """Most libraries read nothing before they have sent all."""
    serve("application:duplex", unread=1)
    worker_pid(port)
    about = b"POST /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with _connected(port, about) as client:
        for _ in range(15):
            client.sendall(b"1\r\nx\r\n")
            time.sleep(0.1)
        client.sendall(b"0\r\n\r\n")

        answer = b"".join(iter(lambda: client.recv(1_000_000), b""))

    assert answer.endswith(b"0\r\n\r\n")
    assert len(answer) > 15 * 500_000


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the worker notices within half a second")
def test_a_killed_parent_takes_its_worker_along(serve, port):
    """Otherwise the worker would go on answering on the port, and no successor could take it."""
    process = serve(workers=2)
    workers = worker_pids(port)

    process.kill()
    process.wait()

    require_free("127.0.0.1", port, patience=SECONDS)
    assert not any(map(_runs, workers))


def test_a_killed_worker_ends_the_parent_for_its_supervisor_to_see(serve, port):
    """The only one: a process without it would answer nothing."""
    process = serve()

    os.kill(worker_pid(port), signal.SIGKILL)
    process.communicate(timeout=SECONDS)

    assert process.returncode == 1
    require_free("127.0.0.1", port)


def test_workers_count_together(serve, port):
    """Whichever is asked, and though some are replaced or killed: what they were doing then is done by none."""
    process = serve("application:counting", workers=2, open=0.1)
    first = worker_pids(port)
    with ExitStack() as connections:
        for _ in range(10):
            connections.enter_context(_connected(port, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"))
        asked = asked_while_busy(port, 10)
        assert {asked_while_busy(port, 10) for _ in range(10)} == {asked}

        process.send_signal(signal.SIGHUP)
        killed, left = worker_pids(port, other_than=first)
        before = asked_while_busy(port, 0)
        connections.enter_context(_connected(port, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"))
        asked_while_busy(port, 1)
        os.kill(killed, signal.SIGKILL)
        assert left in worker_pids(port, other_than={killed})
        os.kill(left, signal.SIGKILL)

    assert asked_while_busy(port, 0) > before > asked
    assert process.poll() is None


def test_it_stops_when_asked_although_a_worker_does_not_start(serve, port):
    """The successor of one that serves."""
    process = serve("application:late")
    worker_pid(port)
    process.send_signal(signal.SIGHUP)
    while "HUP signal received" not in process.stderr.readline():
        pass
    assert "Spawning worker-1" in process.stderr.readline()

    process.terminate()
    process.communicate(timeout=SECONDS / 2)  # half of what it takes to start

    assert process.returncode == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_an_application_that_cannot_be_made_ends_the_process(serve, workers):
    """With its reason."""
    process = serve("application:broken", workers=workers)

    _, said = process.communicate(timeout=SECONDS)

    assert process.returncode == 1
    assert "nothing to serve" in said


def test_every_line_of_the_log_is_json_where_json_is_wanted(serve, port):
    """Granian's lines too."""
    process = serve(log_format="json")
    worker_pid(port)
    process.terminate()

    events = [json.loads(line) for line in process.communicate(timeout=SECONDS)[1].splitlines()]

    assert {"event", "level", "timestamp"} <= set.intersection(*(set(event) for event in events))
    assert any("Started worker-1" in event["event"] for event in events)


def test_a_traceback_tells_no_values():
    """They would be people's names and addresses."""
    program = textwrap.dedent("""
        import logging, sys
        from shared.observability.logging import configure
        def fail(email):
            raise RuntimeError("failed")
        for log_format in ("json", "console"):
            configure(log_format)
            try:
                fail("andre" + "@" + "example.org")
            except RuntimeError:
                logging.getLogger("test").exception("it failed")
    """)

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert len(re.findall("RuntimeError", ran.stderr)) >= 2
    assert "andre@example.org" not in ran.stderr
    assert ran.stdout == ""


def _runs(pid):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.01)
                continue
        return False
    return True

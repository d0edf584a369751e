"""How a process serves HTTP and how it ends, with real processes and an application of ten lines."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import httpx
import pytest

from shared.http.serving import require_free
from shared.stack.server import free_port

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 2

APPLICATION = """
import asyncio, os

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
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
    return application

def broken():
    raise RuntimeError("nothing to serve")
"""


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def serve(tmp_path, port):
    """Start serving in a process of its own; every process still running at the end is killed."""
    (tmp_path / "application.py").write_text(APPLICATION)
    started = []

    def start(target="application:create", *, workers=1, log_format="console"):
        patience = f"from shared.http import serving; serving.STOP_SECONDS = {STOP_SECONDS}"
        arguments = {"host": "127.0.0.1", "port": port, "workers": workers, "log_format": log_format}
        process = subprocess.Popen(
            [sys.executable, "-c", f"{patience}; serving.serve({target!r}, **{arguments!r})"],
            env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
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
    """Wait until somebody answers; the application says in which process it runs."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return int(httpx.get(f"http://127.0.0.1:{port}/").text)
        except httpx.TransportError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)


def test_a_second_server_on_the_port_is_refused_in_one_line(serve, port):
    """Granian alone would share the port, and the two would take turns."""
    serve()
    worker_pid(port)

    _, said = (second := serve()).communicate(timeout=20)

    assert second.returncode == 1
    assert said.startswith(f"port {port} on 127.0.0.1 is taken: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_when_asked(serve, port, asked):
    """Status 0, within seconds, with nobody left on the port, although a client keeps its connection open."""
    process = serve(workers=2)
    worker_pid(port)
    with httpx.Client() as client:
        client.get(f"http://127.0.0.1:{port}/")
        process.send_signal(asked)
        process.communicate(timeout=10)

    assert process.returncode == 0
    require_free("127.0.0.1", port)


def test_a_request_that_never_ends_does_not_hold_up_the_stop(serve, port):
    """The worker is killed after its time."""
    process = serve()
    worker_pid(port)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        worker_pid(port)  # answered, so the request before it has arrived
        process.terminate()
        process.communicate(timeout=15)

    assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the worker notices within half a second")
def test_a_killed_parent_takes_its_worker_along(serve, port):
    """Otherwise the worker would go on answering on the port, and no successor could take it."""
    process = serve()
    worker = worker_pid(port)

    process.kill()
    process.wait()

    require_free("127.0.0.1", port)
    assert not _runs(worker)


def test_a_killed_worker_ends_the_parent_for_its_supervisor_to_see(serve, port):
    """Half a process would be no better than none."""
    process = serve(workers=2)

    os.kill(worker_pid(port), signal.SIGKILL)
    process.communicate(timeout=15)

    assert process.returncode == 1
    require_free("127.0.0.1", port)


def test_an_application_that_cannot_be_made_ends_the_process(serve):
    """With its reason."""
    process = serve("application:broken")

    _, said = process.communicate(timeout=20)

    assert process.returncode == 1
    assert "nothing to serve" in said


def test_every_line_of_the_log_is_json_where_json_is_wanted(serve, port):
    """Granian's lines too."""
    process = serve(log_format="json")
    worker_pid(port)
    process.terminate()

    events = [json.loads(line) for line in process.communicate(timeout=10)[1].splitlines()]

    assert {"event", "level", "timestamp"} <= set.intersection(*(set(event) for event in events))
    assert any("Started worker-1" in event["event"] for event in events)


def test_a_traceback_tells_no_values():
    """They would be people's names and addresses."""
    program = textwrap.dedent("""
        import logging, sys
        from shared.telemetry import configure
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
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.01)
                continue
        return False
    return True

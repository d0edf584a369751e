"""The write API in a process of its own, served as in production, on any database."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import svcs
from litestar.types import ASGIApp

from shared.auth.setup import register_authentication
from shared.dev_stack.embedded_postgres import EmbeddedPostgres
from shared.dev_stack.embedded_server import free_port
from shared.settings import Settings
from tests.support.patience import SECONDS
from write_side.adapters.postgres.migrate import migrate
from write_side.http.app import write_api
from write_side.services import register_postgres

ROOT = Path(__file__).parents[2]


class WriteProcess:
    """May be killed and started again on the same port."""

    def __init__(self, database_url: str, **variables: str) -> None:
        """:param variables: its settings; it lets everybody in unless they say otherwise."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._variables = {"MUSTER_DATABASE_URL": database_url, "MUSTER_AUTH": "off", **variables}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it answers."""
        program = f"from shared.server.serving import serve; serve({_TARGET!r}, host='127.0.0.1', port={self.port})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self._variables},
        )
        self._await_answer(time.monotonic() + SECONDS)

    def kill(self) -> None:
        """End it as a crash would, and its worker with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _await_answer(self, deadline: float) -> None:
        while True:
            try:
                httpx.get(f"{self.url}/readyz", trust_env=False).raise_for_status()
            except (httpx.TransportError, httpx.HTTPStatusError):
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.02)  # nothing tells when a port begins to be listened on
            else:
                return


@contextmanager
def migrated_database(server: EmbeddedPostgres, name: str) -> Iterator[str]:
    """A database for all tests of a module; gives its URL."""
    url = f"{server.url.rpartition('/')[0]}/{name}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        migrate(url)
        yield url
        connection.execute(f"drop database {name} with (force)")


@contextmanager
def write_process(database_url: str, **variables: str) -> Iterator[WriteProcess]:
    process = WriteProcess(database_url, **variables)
    try:
        process.start()
        yield process
    finally:
        process.kill()


def create_app() -> ASGIApp:
    """The write API on a database that may do without `fsync`."""
    return write_api(_register)


def _register(registry: svcs.Registry) -> None:
    register_authentication(registry, Settings.load(os.environ))
    register_postgres(registry, url=os.environ["MUSTER_DATABASE_URL"], allow_unsafe=True)


_TARGET = f"{__name__}:create_app"

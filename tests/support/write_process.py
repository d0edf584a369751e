"""Processes of the write side, served as in production, on any database."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import svcs
from litestar.types import ASGIApp

from shared.auth.setup import register_authentication
from shared.dev_stack.embedded.server import free_port
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.settings import Settings
from tests.support.forks import NOTHING, Fork, serve_application
from tests.support.patience import wait_until
from write_side.http.app import write_api
from write_side.react import react_app, register_reactions
from write_side.services import register_postgres


class WriteProcess:
    """May be killed and started again on the same port."""

    def __init__(self, database_url: str, *, app: str = "create_app", **variables: str) -> None:
        """
        :param app: what it serves, by the name of a function here.
        :param variables: its settings; it lets everybody in unless they say otherwise.
        """
        self._target = f"{__name__}:{app}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._variables = {"MUSTER_DATABASE_URL": database_url, "MUSTER_AUTH": "off", **variables}
        self._process: Fork | None = None

    def start(self) -> None:
        """Return once it answers."""
        environ = {**os.environ, **self._variables}
        self._process = Fork(serve_application, self._target, self.port, streams=(NOTHING,), **environ)
        wait_until(lambda: is_ready(self.url))

    def kill(self) -> None:
        """End it as a crash would, and its worker with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def is_ready(url: str) -> bool:
    """Whether the process there says so; before its port is listened on, it says nothing."""
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz", trust_env=False).is_success
    return False


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


def create_react_app() -> ASGIApp:
    """Reactions on such a database."""
    return react_app(_register, _register_reactions)


def _register_reactions(registry: svcs.Registry) -> None:
    settings = Settings.load(os.environ)
    log = PostgresEventLog(settings.required("database_url"), allow_unsafe=True)
    register_reactions(registry, settings, log=log)

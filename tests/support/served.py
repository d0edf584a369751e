"""Applications in processes of their own, served as in production; those of the write side on any database."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from shared.dev_stack.embedded.server import free_port
from tests.support.forks import NOTHING, Fork, serve_application
from tests.support.patience import wait_until
from tests.support.stack import environment

WRITE, REACT, CONSUME = (f"tests.support.unsafe_apps:{name}" for name in ("write", "react", "consume"))


class ServedApp:
    """May be killed and started again on the same port."""

    def __init__(self, target: str, *, log: Path | None = None, answers_at: str = "/readyz", **variables: str) -> None:
        """
        :param target: what makes it, as `package.module:factory`.
        :param log: where what it writes goes; else where that of the tests goes.
        :param answers_at: the path at which it says that it is there.
        :param variables: its settings; it lets everybody in unless they say otherwise.
        """
        self._target = target
        self._streams = (NOTHING, log, log) if log else (NOTHING,)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._answers_at = f"{self.url}{answers_at}"
        self._environ = environment(**{"MUSTER_AUTH": "off", **variables})
        self._process: Fork | None = None

    def launch(self) -> None:
        self._process = Fork(serve_application, self._target, self.port, streams=self._streams, **self._environ)

    def start(self) -> None:
        """Return once it answers."""
        self.launch()
        wait_until(lambda: is_success(self._answers_at))

    def kill(self) -> None:
        """End it as a crash would, and its worker with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def is_success(url: str) -> bool:
    """Whether it is answered well; before its port is listened on, nothing is."""
    with suppress(httpx.TransportError):
        return httpx.get(url, trust_env=False).is_success
    return False


@contextmanager
def served(target: str, **options: Any) -> Iterator[ServedApp]:
    """Run an application; `options` are those of `ServedApp`."""
    app = ServedApp(target, **options)
    try:
        app.start()
        yield app
    finally:
        app.kill()

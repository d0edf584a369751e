"""`muster up` as tests run it: the real processes on free ports, in a home of their own, killed and looked after."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import httpx
import psycopg
import pytest
from redis import Redis

from shared.auth.bearer import TOKEN
from shared.dev_stack.embedded.server import free_port, last_words
from shared.dev_stack.supervisor import console_script
from shared.postgres.arguments import connect_arguments
from shared.redis.location import located
from shared.runtime.exit_with_parent import ending_with_parent
from shared.server.ports import require_free
from shared.settings import ADDRESSES, read_addresses
from shared.urls.servers import ClusterUrl, is_cluster_url
from tests.support.access import forget_home, headers_for, register_home
from tests.support.databases import with_data
from tests.support.forks import NOTHING, Fork, call_muster, call_up
from tests.support.patience import SECONDS, answers, until, wait_until
from tests.support.processes import command_line, family, frozen, parents, require_gone

MUSTER = [sys.executable, console_script()]
FORKING_UP = [sys.executable, "-P", "-m", "tests.support.forking_up"]
TOKENS_BEGIN = b"eyJ"
WEBHOOKS_AHEAD = 20
HASTY_WEBHOOKS = (
    f"webhook.ahead={WEBHOOKS_AHEAD},webhook.poll_seconds=0.2,webhook.answer_seconds=2,"
    "webhook.first_seconds=0.2,webhook.longest_seconds=0.5,webhook.attempts=6"
)
"""Limits by which receivers that fail are given up within seconds."""
ANY_PORTS = ("--write-port", "0", "--read-port", "0", "--ops-port", "0")

Process: TypeAlias = subprocess.Popen[bytes] | Fork


class Child(StrEnum):
    """What `muster up` runs, by what its command line says."""

    WRITE = "muster write"
    READ = "muster read"
    PROJECT = "muster project"
    REACT = "muster react"
    POSTGRES = "postgres -D"
    REDIS = "/redis/server.conf"


class Stack:
    """A running `muster up`; what dies in it comes back by itself. It never outlives the tests, even if killed."""

    def __init__(
        self, home: Path, *arguments: str, is_forked: bool = False, within: float = SECONDS, **variables: str
    ) -> None:
        """
        :param is_forked: whether its processes are none of programs, but forked from one that has their modules: from
            `muster up` itself where PYTHONPATH leads to other code than ours.
        :param within: seconds; a directory that is to be projected first may take longer.
        """
        self.home = home
        self.log = home / "up.log"
        self._given = variables.values()
        self._out, environ = home / "up.out", environment(**variables)
        self._out.unlink(missing_ok=True)
        command = ("--home", str(home), *ANY_PORTS, *arguments)
        if is_forked and "PYTHONPATH" not in variables:
            self._process: Process = Fork(call_up, *command, streams=(NOTHING, self._out, self.log), **environ)
        else:
            up = FORKING_UP if is_forked else [*MUSTER, "up"]
            self._process = _started([*up, *command], self._out, self.log, environ)
        wait_until(self._is_up, seconds=within)
        addresses = read_addresses(home)
        assert addresses is not None
        self.addresses = addresses
        if variables.get("MUSTER_AUTH") != "off":
            register_home(home, addresses)

    @property
    def announced(self) -> list[str]:
        """What `muster up` said once it was up: a line for each address, and how to get in."""
        return [line.strip() for line in self._out.read_text().splitlines()[1:]]

    @property
    def headers(self) -> dict[str, str]:
        """What lets a client in everywhere."""
        return headers_for(self.addresses.read)

    def client(self, url: str = "") -> httpx.AsyncClient:
        """One that is let in."""
        return httpx.AsyncClient(base_url=url, headers=self.headers, timeout=SECONDS, trust_env=False)

    def pid(self, child: Child) -> int | None:
        """The process that the supervisor itself started; None while there is none."""
        for pid, parent in parents().items():
            if parent == self._process.pid:
                called = command_line(pid)
                if child in called and "exit_with_parent.py" not in called:
                    return pid
        return None

    def kill(self, child: Child) -> int:
        """End a process as a crash would; returns the id it had."""
        pid = self.pid(child)
        assert pid is not None, f"{child} does not run"
        os.kill(pid, signal.SIGKILL)
        return pid

    def supervisor_asleep(self) -> AbstractContextManager[None]:
        """Nothing is started again meanwhile."""
        return frozen({self._process.pid})

    async def back(self, child: Child, *, instead_of: int) -> None:
        """Return once another process has taken the place of the one that was killed, and everything is ready."""
        await self.replaced(child, instead_of=instead_of)
        await self.ready()

    async def replaced(self, child: Child, *, instead_of: int) -> None:
        """Return once the supervisor has started another process in place of the one that was killed."""
        await until(lambda: self._has_replaced(child, instead_of))

    async def ready(self) -> None:
        """Return once every process says that it is ready."""
        async with httpx.AsyncClient(trust_env=False) as client:
            for url in (self.addresses.write, self.addresses.read, self.addresses.ops):
                await until(lambda url=url: answers(client, f"{url}/readyz"))

    async def status(self) -> dict[str, Any]:
        """What the ops API tells."""
        async with self.client() as client:
            told: dict[str, Any] = (await client.get(f"{self.addresses.ops}/status")).raise_for_status().json()
        return told

    def database(self, *, autocommit: bool = True) -> psycopg.Connection:
        return psycopg.connect(autocommit=autocommit, **connect_arguments(self.addresses.database_url))

    def redis(self) -> Redis:
        return Redis.from_url(located(self.addresses.redis_url))

    def end(self) -> None:
        """Stop it, and make sure that no process and no port is left."""
        forget_home(self.addresses)
        pids = family(self._process.pid)
        self._process.terminate()
        status = self._process.wait(SECONDS)
        assert status == 0, last_words(self.log)
        self._require_no_token_in_logs()
        require_gone(pids)
        for port in self._ports():
            require_free("127.0.0.1", port)
        assert not (self.home / ADDRESSES).exists()
        assert not (self.home / TOKEN).exists()
        assert not list((self.home / "keys").glob("up-*"))

    def crash(self) -> None:
        """End it as a crash would, and all that it has started."""
        pids = family(self._process.pid)
        self._process.kill()
        self._process.wait()
        require_gone(pids)

    def _require_no_token_in_logs(self) -> None:
        """Not one of ours, whatever was done to the stack: they all begin in the same way."""
        for log in (self.log, *(self.home / "logs").glob("*.log")):
            assert TOKENS_BEGIN not in log.read_bytes(), f"a token stands in {log}"

    def _has_replaced(self, child: Child, old: int) -> bool:
        return self.pid(child) not in {None, old}

    def _is_up(self) -> bool:
        assert self._process.poll() is None, last_words(self.log)
        return self._out.exists() and self._out.read_text().startswith("muster is up\n")

    def _ports(self) -> Iterator[int]:
        """Those it has taken; what it was given is not its own."""
        served = (self.addresses.write, self.addresses.read, self.addresses.ops)
        for url in (*served, self.addresses.database_url, self.addresses.redis_url):
            if url not in self._given:
                yield from ports_in(url)


def _started(program: Sequence[str], out: Path, log: Path, environ: Mapping[str, str]) -> Process:
    with out.open("ab") as stdout, log.open("ab") as stderr:
        return subprocess.Popen(ending_with_parent(program), env=environ, stdout=stdout, stderr=stderr)


def ports_in(url: str) -> Iterator[int]:
    if is_cluster_url(url):
        yield from (node.port for node in ClusterUrl.parse(url).nodes)
    elif (port := httpx.URL(url).port) is not None:
        yield port


@contextmanager
def running_stack(*arguments: str, is_forked: bool = False, **variables: str) -> Iterator[Stack]:
    """`muster up` in a temporary home; in the end nothing of it may be left."""
    with TemporaryDirectory(prefix="muster-stack-") as home:
        if "--fresh" not in arguments and "MUSTER_DATABASE_URL" not in variables:
            with_data(Path(home) / "data" / "postgres")
        stack = Stack(Path(home), *arguments, is_forked=is_forked, **variables)
        try:
            yield stack
        finally:
            stack.end()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """
    The stack for tests that do no harm and mind that others use it too.

    Each of its APIs has two workers, and what its projector rests for is no time to wait.
    """
    with running_stack(is_forked=True, MUSTER_WORKERS="2", MUSTER_LIMITS="drift_sampler.rest=10") as running:
        yield running


@pytest.fixture(scope="session")
def mortal_stack() -> Iterator[Stack]:
    """The stack in which things are killed, and webhooks go; a test that does so waits until all is well again."""
    with running_stack(is_forked=True, MUSTER_WEBHOOKS_ALLOW="127.0.0.1", MUSTER_LIMITS=HASTY_WEBHOOKS) as running:
        yield running


@asynccontextmanager
async def service(
    name: str,
    log: Path,
    *,
    program: Sequence[str] | None = None,
    call: Callable[..., None] = call_muster,
    within: float = SECONDS,
    **variables: str,
) -> AsyncIterator[tuple[str, int]]:
    """
    One of Muster's processes beside a stack; gives its URL and its process id.

    :param program: what to start, to be measured; else it is forked.
    :param call: what the fork carries out, of another release.
    :param within: seconds, to be ready.
    :param variables: its settings; it lets everybody in unless they say otherwise.
    """
    port = free_port()
    arguments, environ = (name, "--port", str(port)), environment(**{"MUSTER_AUTH": "off", **variables})
    if program:
        process = _started([*program, *arguments], log, log, environ)
    else:
        process = Fork(call, *arguments, streams=(NOTHING, log, log), **environ)
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            await until(lambda: answers(client, f"{url}/readyz"), seconds=within)
        yield url, process.pid
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, SECONDS)


def environment(**variables: str) -> dict[str, str]:
    """Our environment, with these settings of Muster and no others."""
    return {name: text for name, text in os.environ.items() if not name.startswith("MUSTER_")} | variables

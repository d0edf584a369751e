"""The servers that benchmarks run on: PostgreSQL and Valkey as `muster up` has them, Muster on them, and baselines."""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import httpx
import psycopg

from shared.dev_stack.embedded.launched_program import stop_process
from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.dev_stack.embedded.server import free_port, last_words
from shared.runtime.exit_with_parent import ending_with_parent
from shared.runtime.retry import poll
from tests.benchmarks.baselines_venv import BASELINES, python_of_baselines
from tests.benchmarks.generated_log import GeneratedLog, load
from tests.support.patience import answers, until
from tests.support.stack import MUSTER, Child, Stack, environment, service

LEVEL_SECONDS = 600.0
"""How long projections may take to have everything, if nothing else is said."""

measured = partial(service, program=MUSTER)
"""One of Muster's processes: a program, as a fork shares its memory with others."""


@dataclass(frozen=True)
class BenchServers:
    """A PostgreSQL and a Valkey, durable as in production, in a directory of their own."""

    home: Path
    postgres: EmbeddedPostgres
    valkey: EmbeddedRedis

    @property
    def settings(self) -> dict[str, str]:
        """By which Muster's processes find them."""
        return {"MUSTER_DATABASE_URL": self.postgres.url, "MUSTER_REDIS_URL": self.valkey.url}

    def empty_database(self, name: str) -> str:
        """Make a database of a baseline's own on the same server; return its address, as libpq reads it."""
        self.statement(f"drop database if exists {name} with (force)")
        self.statement(f"create database {name}")
        return urlsplit(self.postgres.url)._replace(path=f"/{name}").geturl()

    def load(self, generated: GeneratedLog) -> GeneratedLog:
        """Migrate, and bring a history into the empty database."""
        migrate(self.postgres.url)
        load(self.postgres.url, generated)
        return generated

    def statement(self, sql: str, *, url: str | None = None) -> list[tuple]:
        with psycopg.connect(url or self.postgres.url, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def running_servers() -> Iterator[BenchServers]:
    """Start both; nothing of them is left in the end."""
    with TemporaryDirectory(prefix="muster-bench-") as directory:
        home = Path(directory)
        with EmbeddedPostgres(home / "postgres") as postgres, EmbeddedRedis(home / "valkey") as valkey:
            yield BenchServers(home, postgres, valkey)


@dataclass(frozen=True)
class BenchedMuster:
    """`muster up` on such servers, with a directory in it: its addresses, and whose CPU is whose."""

    servers: BenchServers
    generated: GeneratedLog
    stack: Stack

    def pids(self, *names: str) -> Mapping[str, Sequence[int]]:
        """
        The processes of a part, by name: `write`, `read`, `projector`, `react`, `postgres`, `valkey`.

        A name in brackets is that of a part beside what is compared.
        """
        return {name: [self._pid(name.strip("()"))] for name in names}

    def _pid(self, name: str) -> int:
        match name:
            case "postgres":
                return self.servers.postgres.pid
            case "valkey":
                return self.servers.valkey.pid
        pid = self.stack.pid(
            {"write": Child.WRITE, "read": Child.READ, "projector": Child.PROJECT, "react": Child.REACT}[name]
        )
        assert pid is not None, f"{name} does not run"
        return pid

    async def is_level(self, *, within: float = LEVEL_SECONDS) -> None:
        """Return once every projection has all that the log holds, and is live."""
        async with asyncio.timeout(within):
            await poll(0.3).until(lambda level: level, self._level)

    async def _level(self) -> bool:
        status = await self.stack.status()
        return all(each["checkpoint"] == status["head"] and not each["rebuild"] for each in status["projections"])


@contextmanager
def running_muster(
    servers: BenchServers, generated: GeneratedLog, *, within: float = LEVEL_SECONDS
) -> Iterator[BenchedMuster]:
    """:param within: seconds, for the projections to have all of the directory."""
    home = servers.home / "up"
    home.mkdir()
    stack = Stack(home, within=within, **servers.settings)
    try:
        yield BenchedMuster(servers, generated, stack)
    finally:
        stack.end()
        shutil.rmtree(home)


def migrate(database_url: str) -> None:
    """Have `muster migrate` make the tables of a database."""
    subprocess.run(
        [*MUSTER, "migrate"], env=environment(MUSTER_DATABASE_URL=database_url), check=True, capture_output=True
    )


@asynccontextmanager
async def baseline_server(name: str, servers: BenchServers, database_url: str) -> AsyncIterator[tuple[str, int]]:
    """
    Serve a baseline over HTTP with uvicorn, one worker, uvloop and httptools; gives its address and process id.

    :param name: of its module; `app` in it is the application, and as a program it makes its tables.
    """
    variables = {"DATABASE_URL": database_url, "PATH": "/usr/bin:/bin"}
    python, port, log = python_of_baselines(), free_port(), servers.home / f"{name}.log"
    subprocess.run([python, BASELINES / f"{name}.py"], env=variables, check=True, timeout=120)
    command = [python, "-m", "uvicorn", f"{name}:app", "--app-dir", BASELINES, "--port", port, "--no-access-log"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            ending_with_parent([str(each) for each in (*command, "--loop", "uvloop", "--http", "httptools")]),
            env=variables,
            stdout=output,
            stderr=output,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(trust_env=False) as client:
            await until(lambda: _answers(client, process, f"{url}/livez", log), seconds=30)
        yield url, process.pid
    finally:
        stop_process(process, signal.SIGTERM)


async def _answers(client: httpx.AsyncClient, process: subprocess.Popen[bytes], url: str, log: Path) -> object:
    if process.poll() is not None:
        raise RuntimeError(f"a baseline has ended: {last_words(log)}")
    return await answers(client, url)

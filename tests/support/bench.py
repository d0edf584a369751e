"""The real stack with everything in reach that can break: servers, lines and processes, under load."""

import asyncio
import random
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Literal, get_args
from uuid import uuid4

import httpx
import psycopg
from redis import Redis

from shared.dev_stack.embedded.launched_program import LaunchedProgram
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.dev_stack.embedded.server import EmbeddedServer, free_port
from shared.dev_stack.supervisor import MusterProcess, Supervisor
from shared.settings import Addresses
from tests.support.access import headers_for
from tests.support.bus_transport import BusTransport
from tests.support.load import EVERYTHING, Load, client_at
from tests.support.mail_servers import Mailbox
from tests.support.people import Group, Person
from tests.support.proxy import Cut, CuttingProxy, Proxy
from tests.support.readers import Readers
from tests.support.stack import Stack, answers, environment, until
from tests.support.wall_clock import ClockedPostgres, ClockedRedis, WallClock, can_set_clocks
from tests.support.webhook_receivers import RealReceivers
from write_side.adapters.postgres.webhooks import PostgresWebhooks
from write_side.webhooks.administration import new_webhook

DISK_MEGABYTES = 512
CONSUMERS = 2
SHARDS = 4
LIMITS = (
    "reaction.first_seconds=0.2,reaction.longest_seconds=1,reaction.again_seconds=0.2,"
    "bus.longest_retry=0.5,bus.share_seconds=0.2,"
    "webhook.first_seconds=0.2,webhook.longest_seconds=1,webhook.poll_seconds=0.2,webhook.answer_seconds=2,"
    "webhook.attempts=10000"
)
"""What was broken is tried again soon, for tests to be short."""

RECEIVER = "/everything"
"""Where all changes go."""

Clocked = Literal["postgres", "redis", "processes"]
"""Whose clock it is: a server's, or that of our own processes together."""


class Bench:
    """
    The processes under `muster up` and two consumers of the bus, on servers that are ours; what dies comes back.

    A mail server takes mails, and a receiver of webhooks all changes.

    Each server stands behind a line that can be slow or cut; the judge comes to it directly. The bus has a Redis of its
    own: it holds what no log has yet.
    """

    def __init__(self, home: Path, *, seed: int, redis_program: Path | None = None) -> None:
        self.home = home
        (home / "up").mkdir()
        self.random = random.Random(seed)
        self.seed = seed
        self.clocks = _clocks(home / "clocks")
        self.postgres = ClockedPostgres(home / "postgres", options={"max_prepared_transactions": "5"})
        self.redis = ClockedRedis(home / "redis", binary=redis_program)
        self.postgres.clock, self.redis.clock = self._clock("postgres"), self._clock("redis")
        self.bus = EmbeddedRedis(home / "bus", fsync="no")
        self.mailbox = Mailbox()
        self.receivers = RealReceivers()
        self.consumers: list[MusterProcess] = []
        self.forgotten: list[Person] = []
        """Those of whom the database was made to forget something: mails and changes may have come because of it."""
        self._keepers: dict[LaunchedProgram, asyncio.Task[None]] = {}
        self._names = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._supervisor = Supervisor(say=lambda _: None)
        with self.postgres, self.redis, self.bus:
            self.database_line = CuttingProxy(self.postgres.url, cut=Cut.AFTER, share=0, seed=self.seed)
            self.redis_line = Proxy(self.redis.url)
            lines = self.database_line.running(), self.redis_line.running()
            async with (
                lines[0],
                lines[1],
                self._kept(),
                self._mailbox(),
                self._up(),
                self._consuming(),
                self._sending(),
            ):
                yield

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        """Commands and reads go on meanwhile; in the end each command has its outcome."""
        self.messages = BusTransport(self.bus.url, shards=SHARDS)
        self.load = Load(
            self.addresses.write,
            seed=self.seed,
            kinds=EVERYTHING,
            commands=1_000_000,
            patience=0.2,
            transports=(None, self.messages),
        )
        self.readers = Readers(self.addresses.read, seed=self.seed, load=self.load, fresh=0.5, may_be_silent=True)
        write, headers = self.addresses.write, headers_for(self.addresses.write)
        self._client = httpx.AsyncClient(base_url=write, headers=headers, timeout=30, trust_env=False)
        self._by_bus = client_at(write, self.messages)
        async with self._client, self.messages.running(), self._by_bus, self.readers.running(), self.load.running():
            await self.load.grown(by=20)
            yield

    @property
    def addresses(self) -> Addresses:
        return self.stack.addresses

    def client(self, base_url: str = "") -> httpx.AsyncClient:
        """One that is let in."""
        return httpx.AsyncClient(base_url=base_url, headers=self.stack.headers, timeout=10, trust_env=False)

    def database(self, *, autocommit: bool = True) -> psycopg.Connection:
        return psycopg.connect(self.postgres.url, autocommit=autocommit)

    def redis_client(self) -> Redis:
        return Redis.from_url(self.redis.url)

    async def registered(self) -> Person:
        """Register a person, however long it takes until that is possible again."""
        return await self.load.register(self._name(), self._client)

    async def group(self) -> Group:
        """Create a group to which nobody belongs."""
        return await self.load.create_group(self._name(), self._client)

    async def send(self, command: str, **body: str) -> int:
        """Send a command until its outcome is known; gives the status."""
        return await self.load.send(command, body, self._name(), self._client)

    def _name(self) -> str:
        """One that nobody has had, in the name space of the load."""
        self._names += 1
        return f"p{self.seed}.by-hand.{self._names}"

    async def suspend(self, person: Person) -> None:
        await self.load.suspend(person, self._client)

    async def last(self, seconds: float) -> None:
        """Let what is broken be so for a while."""
        await asyncio.sleep(seconds)

    async def recovered(self) -> None:
        """
        Return once a command is carried out, read with its position, and every process says that it is ready.

        By HTTP and by the bus, and once its mail and its change have come.
        """
        for person in (await self.registered(), await self.load.register(self._name(), self._by_bus)):
            url, minimum = f"{self.addresses.read}/profiles/{person.id}", {"Muster-Min-Position": str(person.position)}
            await until(lambda url=url, minimum=minimum: answers(self._client, url, **minimum))
            await until(lambda person=person: self._has_mail(person))
            await until(lambda person=person: self._has_change(person))
        await self.stack.ready()

    async def _has_mail(self, person: Person) -> bool:
        return any(person.account.email in mail.recipients for mail in self.mailbox.taken)

    async def _has_change(self, person: Person) -> bool:
        return any(person.id.encode() in body for body in self.receivers.bodies[RECEIVER])

    @asynccontextmanager
    async def unattended(self, server: EmbeddedServer) -> AsyncIterator[None]:
        """Nobody starts the server again meanwhile; in the end it runs."""
        keeper = self._keepers.pop(server)
        keeper.cancel()
        await asyncio.wait([keeper])
        try:
            yield
        finally:
            if not server.is_running:
                server.relaunch()
            await asyncio.to_thread(server.wait_until_ready)
            self._keep(server)

    def _clock(self, whose: Clocked) -> Mapping[str, str]:
        """What a process is started with whose clock can be set; nothing where this machine does not permit it."""
        return self.clocks[whose].environment if self.clocks else {}

    def _keep(self, program: LaunchedProgram) -> None:
        self._keepers[program] = asyncio.create_task(self._supervisor.keep(program))

    @asynccontextmanager
    async def _kept(self) -> AsyncIterator[None]:
        for server in (self.postgres, self.redis, self.bus):
            self._keep(server)
        try:
            yield
        finally:
            for keeper in self._keepers.values():
                keeper.cancel()
            await asyncio.wait(self._keepers.values())

    @asynccontextmanager
    async def _up(self) -> AsyncIterator[None]:
        """In a thread, since waiting for it must let the lines run."""
        mails = {
            "MUSTER_SMTP_URL": f"smtp://127.0.0.1:{self.mailbox.port}",
            "MUSTER_MAIL_FROM": "muster@example.org",
            "MUSTER_PUBLIC_URL": "https://muster.example",
            "MUSTER_WEBHOOKS_ALLOW": "127.0.0.1",
        }
        self.stack = await asyncio.to_thread(Stack, self.home / "up", **self._urls(), **mails)
        try:
            yield
        finally:
            await asyncio.to_thread(self.stack.end)

    @asynccontextmanager
    async def _consuming(self) -> AsyncIterator[None]:
        bus = {"MUSTER_BUS_URL": self.bus.url, "MUSTER_BUS_SHARDS": str(SHARDS), "MUSTER_AUTH": "off"}
        for nth in range(CONSUMERS):
            environ = environment(**self._urls(), **bus, MUSTER_CONSUME_PORT=str(free_port()))
            consumer = MusterProcess("consume", environ=environ, log=self.home / f"consume-{nth}.log")
            consumer.relaunch()
            self.consumers.append(consumer)
            self._keep(consumer)
        try:
            yield
        finally:
            for each in self.consumers:
                self._keepers.pop(each).cancel()
                await asyncio.to_thread(each.stop)

    @asynccontextmanager
    async def _mailbox(self) -> AsyncIterator[None]:
        await self.mailbox.come()
        try:
            yield
        finally:
            await self.mailbox.go()

    @asynccontextmanager
    async def _sending(self) -> AsyncIterator[None]:
        """All changes go to a receiver, from the first one on."""
        await self.receivers.come()
        url, now = self.receivers.url(RECEIVER), datetime.now(UTC)
        self.webhook = new_webhook("everything", url, id=uuid4(), at=now, position=0)
        async with PostgresWebhooks(self.postgres.url).connect() as session:
            await session.add(self.webhook)
        try:
            yield
        finally:
            self.receivers.slow_may_answer.set()
            await self.receivers.go()

    def _urls(self) -> Mapping[str, str]:
        """What all processes are started with."""
        urls = {"MUSTER_DATABASE_URL": self.database_line.url, "MUSTER_REDIS_URL": self.redis_line.url}
        return {**urls, "MUSTER_LIMITS": LIMITS, **self._clock("processes")}


@asynccontextmanager
async def running_bench(*, seed: int, redis_program: Path | None = None) -> AsyncIterator[Bench]:
    """A bench in a temporary home; nothing of it is left in the end."""
    with _temporary_home() as home, ExitStack() as disks:
        if can_mount():
            for name in ("postgres", "redis"):
                disks.enter_context(_small_disk(home / name))
        bench = Bench(home, seed=seed, redis_program=redis_program)
        async with bench.running():
            yield bench


def _clocks(directory: Path) -> Mapping[Clocked, WallClock]:
    """One for each whose clock can be set; none where this machine does not permit it."""
    if not can_set_clocks():
        return {}
    directory.mkdir()
    return {whose: WallClock(directory, whose) for whose in get_args(Clocked)}


@contextmanager
def _temporary_home() -> Iterator[Path]:
    """A directory that the account of an embedded server can enter."""
    home = Path(tempfile.mkdtemp(prefix="muster-bench-"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home)


@cache
def can_mount() -> bool:
    """Whether this machine lets us mount a file system, so that one can be filled without harm."""
    with _temporary_home() as home:
        try:
            with _small_disk(home / "tried"):
                return True
        except (subprocess.CalledProcessError, FileNotFoundError):
            return False


@contextmanager
def _small_disk(directory: Path) -> Iterator[None]:
    """A file system of its own, in memory."""
    directory.mkdir()
    options = ("-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "muster-bench")
    subprocess.run(["mount", *options, directory], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", directory], check=True)

"""The real stack with everything in reach that can break: servers, lines and processes, under load."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args
from uuid import uuid4

import psycopg
from redis import Redis

from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.dev_stack.embedded.server import EmbeddedServer, free_port
from shared.dev_stack.supervisor import MusterProcess
from tests.faults.bench.bus_transport import BusTransport
from tests.faults.bench.deliveries import mail_faults, webhook_faults
from tests.faults.bench.judging import all_is_sent, differences, events_of
from tests.faults.bench.stack_bench import StackBench
from tests.faults.bench.wall_clock import ClockedPostgres, ClockedRedis, WallClock, can_set_clocks
from tests.faults.webhook_receivers import RealReceivers
from tests.support.load import client_at
from tests.support.mail_servers import Mailbox
from tests.support.oracle import Verdict, assert_directory_is_what_the_log_tells
from tests.support.patience import until
from tests.support.people import Person
from tests.support.proxy import Cut, CuttingProxy, Proxy
from tests.support.stack import environment
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


class Bench(StackBench):
    """
    The processes under `muster up` and two consumers of the bus, on servers that are ours; what dies comes back.

    A mail server takes mails, and a receiver of webhooks all changes.

    Each server stands behind a line that can be slow or cut; the judge comes to it directly. The bus has a Redis of its
    own: it holds what no log has yet.
    """

    def __init__(self, home: Path, *, seed: int, redis_program: Path | None = None, of_programs: bool = True) -> None:
        """:param of_programs: whether the clock of our processes is to be set, which no fork of another obeys."""
        super().__init__(home, seed=seed)
        self._of_programs = of_programs
        self.clocks = _clocks(home / "clocks")
        self.postgres = ClockedPostgres(home / "postgres", options={"max_prepared_transactions": "5"})
        self.redis = ClockedRedis(home / "redis", binary=redis_program)
        self.postgres.clock, self.redis.clock = self._clock("postgres"), self._clock("redis")
        self.bus = EmbeddedRedis(home / "bus", fsync="no")
        self.mailbox = Mailbox()
        self.receivers = RealReceivers()
        self.forgotten: list[Person] = []
        """Those of whom the database was made to forget something: mails and changes may have come because of it."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with self.postgres, self.redis, self.bus:
            self.database_line = CuttingProxy(self.postgres.url, cut=Cut.AFTER, share=0, seed=self.seed)
            self.redis_line = Proxy(self.redis.url)
            lines = self.database_line.running(), self.redis_line.running()
            mailbox, kept = self._mailbox(), self.kept((self.postgres, self.redis, self.bus))
            async with lines[0], lines[1], kept, mailbox, self.up(**self._settings()):
                self.consumers = [self._consumer(nth) for nth in range(CONSUMERS)]
                async with self.beside(self.consumers), self._sending():
                    yield

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        """Likewise; half of the commands go by the bus."""
        self.messages = BusTransport(self.bus.url, shards=SHARDS)
        self._by_bus = client_at(self.addresses.write, self.messages)
        async with self.messages.running(), self._by_bus, super().under_load(self.messages):
            yield

    def database(self, *, autocommit: bool = True) -> psycopg.Connection:
        return psycopg.connect(self.postgres.url, autocommit=autocommit)

    def redis_client(self) -> Redis:
        return Redis.from_url(self.redis.url)

    async def recovered(self) -> None:
        """Likewise by HTTP and by the bus, once mails and changes of both have come; every process is ready."""
        for person in (await self.registered(), await self.load.register(self._name(), self._by_bus)):
            await self.read_of(person)
            await until(lambda person=person: self._has_mail(person))
            await until(lambda person=person: self._has_change(person))
        await self.stack.ready()

    async def judged(self) -> Verdict:
        """Likewise of the bus, of mails and changes, and of what lies in Redis."""
        verdict, events = await super().judged(), await events_of(self.postgres.url)
        await all_is_sent(self.postgres.url, head=events[-1].position)
        unanswered, answered_twice = await self.messages.faults()
        emails, ids = {each.account.email for each in self.forgotten}, {each.id for each in self.forgotten}
        mails = mail_faults(events, self.mailbox.taken, besides=emails)
        changes = webhook_faults(events, self.receivers.taken(RECEIVER), besides=ids)
        verdict.lost += [*unanswered, *mails.lost, *changes.lost]
        verdict.duplicated += [*answered_twice, *mails.strange, *changes.strange]
        verdict.false += self.receivers.not_signed(RECEIVER, self.webhook.secret)
        verdict.differences = await differences(self.postgres.url, self.redis.url)
        with self.database() as database, self.redis_client() as redis:
            assert_directory_is_what_the_log_tells(database, redis)
        return verdict

    def _has_mail(self, person: Person) -> bool:
        return any(person.account.email in mail.recipients for mail in self.mailbox.taken)

    def _has_change(self, person: Person) -> bool:
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
            self.keep(server)

    def _clock(self, whose: Clocked) -> Mapping[str, str]:
        """What a process is started with whose clock can be set; nothing where this machine does not permit it."""
        return self.clocks[whose].environment if self.clocks else {}

    def _consumer(self, nth: int) -> MusterProcess:
        bus = {"MUSTER_BUS_URL": self.bus.url, "MUSTER_BUS_SHARDS": str(SHARDS), "MUSTER_AUTH": "off"}
        environ = environment(**self._servers(), **bus, MUSTER_CONSUME_PORT=str(free_port()))
        return MusterProcess("consume", environ=environ, log=self.home / f"consume-{nth}.log")

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

    def _settings(self) -> Mapping[str, str]:
        """What `muster up` is started with."""
        mails = {
            "MUSTER_SMTP_URL": f"smtp://127.0.0.1:{self.mailbox.port}",
            "MUSTER_MAIL_FROM": "muster@example.org",
            "MUSTER_PUBLIC_URL": "https://muster.example",
            "MUSTER_WEBHOOKS_ALLOW": "127.0.0.1",
        }
        return {**self._servers(), **mails}

    def _servers(self) -> Mapping[str, str]:
        """What all processes are started with."""
        urls = {"MUSTER_DATABASE_URL": self.database_line.url, "MUSTER_REDIS_URL": self.redis_line.url}
        return {**urls, "MUSTER_LIMITS": LIMITS, **(self._clock("processes") if self._of_programs else {})}


@asynccontextmanager
async def running_bench(
    *, seed: int, redis_program: Path | None = None, of_programs: bool = True
) -> AsyncIterator[Bench]:
    """A bench in a temporary home; nothing of it is left in the end."""
    with _temporary_home() as home, ExitStack() as disks:
        if can_mount():
            for name in ("postgres", "redis"):
                disks.enter_context(_small_disk(home / name))
        bench = Bench(home, seed=seed, redis_program=redis_program, of_programs=of_programs)
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
    with TemporaryDirectory(prefix="muster-bench-") as home:
        Path(home).chmod(0o711)
        yield Path(home)


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

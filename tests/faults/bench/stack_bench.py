"""A stack with clients on it, of which anything may break: what the benches of one machine and of several share."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import psycopg

from shared.dev_stack.embedded.launched_program import LaunchedProgram
from shared.dev_stack.supervisor import MusterProcess, Supervisor
from shared.settings import Addresses
from tests.support.load import EVERYTHING, Load, client_at
from tests.support.oracle import Verdict, verdict_on
from tests.support.patience import answers, until
from tests.support.people import Group, Person
from tests.support.readers import Readers
from tests.support.stack import Stack

LISTS = ("/profiles?limit=1", "/groups?limit=1")


class StackBench:
    """The processes under `muster up`, and others beside them; what dies comes back."""

    stack: Stack
    load: Load
    readers: Readers
    are_divided = False
    """Whether the read models have several partitions."""

    def __init__(self, home: Path, *, seed: int) -> None:
        self.home = home
        (home / "up").mkdir()
        self.random = random.Random(seed)
        self.seed = seed
        self._supervisor = Supervisor(say=lambda _: None)
        self._keepers: dict[LaunchedProgram, asyncio.Task[None]] = {}
        self._names = 0

    @asynccontextmanager
    async def up(self, **settings: str) -> AsyncIterator[None]:
        """
        In a thread, since waiting for it must let the lines run.

        Its processes are forks unless something is to be loaded before them, which is done for programs alone.
        """
        is_forked = "LD_PRELOAD" not in settings
        self.stack = await asyncio.to_thread(Stack, self.home / "up", is_forked=is_forked, **settings)
        try:
            yield
        finally:
            await asyncio.to_thread(self.stack.end)

    @asynccontextmanager
    async def kept(self, programs: Sequence[LaunchedProgram]) -> AsyncIterator[None]:
        """Start these again whenever they end."""
        for each in programs:
            self.keep(each)
        try:
            yield
        finally:
            keepers = [self._keepers.pop(each) for each in programs]
            for keeper in keepers:
                keeper.cancel()
            await asyncio.wait(keepers)

    @asynccontextmanager
    async def beside(self, programs: Sequence[MusterProcess]) -> AsyncIterator[None]:
        """Run these, too."""
        async with AsyncExitStack() as ending:
            for each in programs:
                ending.push_async_callback(asyncio.to_thread, each.stop)
                each.relaunch()
            await ending.enter_async_context(self.kept(programs))
            yield

    def keep(self, program: LaunchedProgram) -> None:
        self._keepers[program] = asyncio.create_task(self._supervisor.keep(program))

    @asynccontextmanager
    async def under_load(self, *transports: httpx.AsyncBaseTransport) -> AsyncIterator[None]:
        """
        Commands and reads go on meanwhile; in the end each command has its outcome.

        :param transports: other ways that commands travel, beside the usual one.
        """
        self.load = Load(
            self.addresses.write,
            seed=self.seed,
            kinds=EVERYTHING,
            commands=1_000_000,
            patience=0.2,
            transports=(None, *transports),
        )
        self.readers = Readers(
            self.addresses.read,
            seed=self.seed,
            load=self.load,
            fresh=0.5,
            may_be_silent=True,
            are_divided=self.are_divided,
        )
        self._client = client_at(self.addresses.write)
        async with self._client, self.readers.running(), self.load.running():
            await self.load.grown(by=20)
            yield

    @property
    def addresses(self) -> Addresses:
        return self.stack.addresses

    def client(self, base_url: str = "") -> httpx.AsyncClient:
        """One that is let in."""
        return httpx.AsyncClient(base_url=base_url, headers=self.stack.headers, timeout=10, trust_env=False)

    def database(self, *, autocommit: bool = True) -> psycopg.Connection:
        return self.stack.database(autocommit=autocommit)

    async def registered(self) -> Person:
        """Register a person, however long it takes until that is possible again."""
        return await self.load.register(self._name(), self._client)

    async def group(self) -> Group:
        """Create a group to which nobody belongs."""
        return await self.load.create_group(self._name(), self._client)

    async def send(self, command: str, **body: str) -> int:
        """Send a command until its outcome is known; gives the status."""
        return await self.load.send(command, body, self._name(), self._client)

    async def suspend(self, person: Person) -> None:
        await self.load.suspend(person, self._client)

    async def last(self, seconds: float) -> None:
        """Let what is broken be so for a while."""
        await asyncio.sleep(seconds)

    async def recovered(self) -> None:
        """Return once a command is carried out, and read with its position."""
        await self.read_of(await self.registered())

    async def whole(self) -> None:
        """Return once everything is there again, so that the next fault strikes what is well."""
        await self.stack.ready()

    async def judged(self) -> Verdict:
        """What is to be said once the load has ended."""
        with self.database() as database:
            verdict = await verdict_on(self.load, read_url=self.addresses.read, database=database)
        verdict.stale = [*self.readers.taken_back, *self.readers.wrong()]
        return verdict

    async def read_of(self, person: Person) -> None:
        """Return once a person is read, and lists of which all partitions are part, with their position."""
        minimum = {"Muster-Min-Position": str(person.position)}
        for path in (f"/profiles/{person.id}", *LISTS):
            await until(lambda path=path: answers(self._client, f"{self.addresses.read}{path}", **minimum))

    def _name(self) -> str:
        """One that nobody has had, in the name space of the load."""
        self._names += 1
        return f"p{self.seed}.by-hand.{self._names}"

"""The services in this process: each application is made once, since that costs twenty times what starting it does."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from litestar.types import ASGIApp
from svcs import Registry

from shared.http.containers import Register
from shared.http.in_process import in_process

Make = Callable[[Register], ASGIApp]


class ReusedApp:
    """An application that stands on something else each time it is started."""

    def __init__(self, make: Make) -> None:
        self.registers: tuple[Register, ...] = ()
        self.app: Any = make(self._register)

    def _register(self, registry: Registry) -> None:
        for register in self.registers:
            register(registry)


_idle: defaultdict[Make, list[ReusedApp]] = defaultdict(list)


@asynccontextmanager
async def started(make: Make, *registers: Register) -> AsyncIterator[Any]:
    """A service that stands on what is registered, for its middleware or transport to be looked at."""
    reused = _idle[make].pop() if _idle[make] else ReusedApp(make)
    reused.registers = registers
    yield reused.app
    _idle[make].append(reused)  # not after an error, which may have left something behind


@asynccontextmanager
async def app_client(make: Make, *registers: Register) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that stands on what is registered, as long as it runs."""
    async with started(make, *registers) as app, in_process(app) as client:
        yield client

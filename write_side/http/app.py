"""The write API."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import svcs
from litestar import Litestar
from litestar.types import ASGIApp

from shared.auth.principal import COMMANDS
from shared.http.app import assemble
from shared.http.auth_middleware import Policy
from shared.http.containers import Register
from shared.server.shutdown import StopSignal, on_stop_signal
from write_side.execution import refusals
from write_side.http import stream
from write_side.http.commands import command_route
from write_side.http.documentation import document
from write_side.use_cases import USE_CASES


class Background(tuple[Callable[[], Coroutine[None, None, None]], ...]):
    """What runs beside the requests, for as long as the service lives."""

    __slots__ = ()


def write_api(*registers: Register) -> ASGIApp:
    """
    The write API on the adapters that `registers` name; what is registered last wins.

    Needs a `CommandExecutor`, a `Background` and an `Authentication`.
    """
    return assemble(
        handlers=[*map(command_route, USE_CASES), stream.stream_route],
        registers=registers,
        problems=(*refusals.PROBLEMS, *stream.PROBLEMS),
        document=document(),
        policy=Policy(COMMANDS),
        lifespan=[_background],
    )


@asynccontextmanager
async def _background(app: Litestar) -> AsyncIterator[None]:
    app.state.stopping = StopSignal()
    async with svcs.Container(app.state.registry) as container:
        tasks = [asyncio.create_task(run()) for run in container.get(Background)]
    try:
        with on_stop_signal(app.state.stopping.request):
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

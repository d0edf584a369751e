"""A request-scoped svcs container for Litestar: svcs itself ships no integration for it."""

import contextlib
from collections.abc import AsyncIterator, Callable

import svcs
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import SkipValidation

Services = NamedDependency[SkipValidation[svcs.Container]]
"""The type of a handler's parameter `services`. Without `SkipValidation` Litestar looks into the container's fields."""

Register = Callable[[svcs.Registry], None]
"""Fills a registry: the composition root of a service, or a test's override of it."""


def registry_lifespan(*registers: Register) -> Callable[[Litestar], contextlib.AbstractAsyncContextManager[None]]:
    """Keep one registry for the life of the app; the last registration wins, and everything is closed at the end."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with svcs.Registry() as registry:
            for register in registers:
                register(registry)
            app.state.registry = registry
            yield

    return lifespan


async def provide_services(state: State) -> AsyncIterator[svcs.Container]:
    """Yield a container for one request, which closes what the request opened."""
    async with svcs.Container(state.registry) as container:
        yield container

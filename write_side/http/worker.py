"""A process of the write side that serves nothing but its health."""

from litestar.types import ASGIApp

from shared.auth.principal import COMMANDS
from shared.auth.setup import admit_everyone
from shared.http.app import assemble
from shared.http.containers import Register
from shared.http.middleware.auth import Policy
from shared.http.openapi.document import openapi
from write_side.http.app import background


def worker(*registers: Register, title: str, description: str) -> ASGIApp:
    """The loops of a `Background`, which run for as long as their liveness, readiness and metrics are served."""
    return assemble(
        handlers=[],
        registers=(admit_everyone, *registers),
        problems=(),
        document=openapi(title=title, description=description, operations=[], scope=COMMANDS),
        policy=Policy(COMMANDS),
        lifespan=[background],
    )

"""The write API."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import svcs
from litestar import Litestar
from litestar.types import ASGIApp

from shared.auth.principal import COMMANDS
from shared.http.app import assemble, index_route
from shared.http.containers import Register
from shared.http.docs.routes import PAGES
from shared.http.middleware.auth import Policy
from shared.http.pages import csrf_check
from shared.http.pages.sign_in import OPEN_PATHS, SignIn
from shared.http.pages.sign_in_answers import SignInPage
from shared.runtime.tasks import Tasks
from shared.server.shutdown import StopSignal, on_stop_signal
from write_side.execution import refusals
from write_side.http import stream, verify_email
from write_side.http.commands import DirectCommands
from write_side.http.documentation import document
from write_side.http.duplex import DiskRoom
from write_side.http.limits import StreamedAnswerLimits
from write_side.use_cases import USE_CASES

READERS = SignIn(
    SignInPage("These pages are for developers of clients.", "muster token --link --scope commands", PAGES.stylesheet),
    cookie="muster_docs",
    has_page=lambda _: False,
)
"""How browsers come to the documentation; no command heeds their cookie."""


class Background(dict[str, Callable[[], Coroutine[None, None, None]]]):
    """The loops that run beside the requests for as long as the service lives, by their names."""


def write_api(*registers: Register) -> ASGIApp:
    """
    The write API on the adapters that `registers` name; what is registered last wins.

    Needs a `CommandExecutor` and an `Authentication`, and runs a `Background` if there is one.
    """
    commands = DirectCommands(USE_CASES)
    return assemble(
        handlers=[
            index_route(described := document()),
            stream.stream_route,
            *verify_email.HANDLERS,
            *READERS.handlers,
        ],
        registers=(_default_limits, *registers),
        problems=(*refusals.PROBLEMS, *stream.PROBLEMS, *csrf_check.PROBLEMS),
        document=described,
        policy=Policy(COMMANDS, open=OPEN_PATHS | {"/", verify_email.PATH}),
        readers=READERS.policy,
        lifespan=[commands.lifespan, background, _streams],
        inside=commands.around,
    )


def _default_limits(registry: svcs.Registry) -> None:
    registry.register_value(StreamedAnswerLimits, StreamedAnswerLimits())


@asynccontextmanager
async def background(app: Litestar) -> AsyncIterator[None]:
    """Run the loops of a `Background`, if there is one."""
    async with svcs.Container(app.state.registry) as container, Tasks() as tasks:
        loops = container.get(Background) if Background in app.state.registry else Background()
        for name, loop in loops.items():
            tasks.start(loop(), name=name)
        yield


@asynccontextmanager
async def _streams(app: Litestar) -> AsyncIterator[None]:
    app.state.stopping = StopSignal()
    limits = app.state.answer_limits = svcs.Container(app.state.registry).get(StreamedAnswerLimits)
    app.state.disk_room = DiskRoom(limits.disk)
    with on_stop_signal(app.state.stopping.request):
        yield

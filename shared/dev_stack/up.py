"""`muster up`: the servers, the migrations and all processes, as in production, under one supervisor."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import msgspec

from shared.auth.bearer import TOKEN
from shared.auth.local_access import LINK_TTL, TO_DOCS, TO_OPS_PAGE, TO_PEOPLE_PAGE, LocalAccess, local_access
from shared.auth.principal import PRIVATE
from shared.auth.setup import require_access
from shared.cli.exit_codes import CommandFailed
from shared.cli.output import print_line, say
from shared.dev_stack.demo import fill
from shared.dev_stack.embedded.launched_program import LaunchedProgram
from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from shared.dev_stack.embedded.programs import postgres_binaries, valkey_binary
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.dev_stack.embedded.server import EmbeddedServer, free_port, last_words
from shared.dev_stack.home import locked
from shared.dev_stack.home_servers import PRIMARIES, Nodes, empty_redis_at, postgres_of, redis_at
from shared.dev_stack.supervisor import MusterProcess, Supervisor
from shared.http_clients import http_client
from shared.private_files import UMASK, close_to_others, write_private
from shared.runtime.retry import poll
from shared.server.ports import PortTakenError, require_free
from shared.settings import ADDRESSES, ENVIRONMENT, Addresses, Settings, variable
from shared.wording import counted

if TYPE_CHECKING:
    from shared.dev_stack.embedded.cluster import ClusterNode, EmbeddedCluster

READINESS = poll(0.05, within=10.0)
"""How a process is waited for until the terminal shows what it waits for."""


class UpError(CommandFailed):
    """`muster up` cannot start; the text says why and what to do."""


class Stack(NamedTuple):
    """The processes to run: the settings with every port and URL known, and the embedded servers."""

    settings: Settings
    postgres: EmbeddedPostgres | None
    redis: "EmbeddedRedis | EmbeddedCluster[ClusterNode] | None"

    @property
    def servers(self) -> Sequence[EmbeddedServer]:
        return [*((self.postgres,) if self.postgres else ()), *(self.redis.nodes if self.redis else ())]


async def run(settings: Settings, *, fresh: bool, demo: bool = False, nodes: Nodes | None = None) -> None:
    """
    Run everything until SIGINT or SIGTERM.

    :param demo: fill a home in which nobody is yet.
    :param nodes: of Valkey; see `redis_at`.
    :raises ExtraMissing: there is no program of a server that is to run.
    :raises HomeError: the state directory cannot be used.
    :raises UpError: it cannot be started.
    :raises SettingsError: it must not be.
    """
    if settings.auth == "off":
        for name in ("write", "read", "ops"):
            require_access(settings, host=getattr(settings, f"{name}_host"))
    if nodes and settings.redis_url:
        raise UpError("--nodes is about servers of ours, and MUSTER_REDIS_URL names yours: leave one of them out")
    _require_programs(settings)
    _end_on_signals()
    os.umask(UMASK)  # of what the servers and processes write, too
    with contextlib.suppress(asyncio.CancelledError), locked(settings.home):
        _close(settings.home)
        await _run(with_free_ports(settings), fresh=fresh, demo=demo, nodes=nodes)


def _require_programs(settings: Settings) -> None:
    """:raises ExtraMissing: one is missing; found out before anything is made."""
    if not settings.database_url:
        postgres_binaries(settings.postgres_bin)
    if not settings.redis_url:
        valkey_binary(settings.redis_bin)


def _end_on_signals() -> None:
    """Let SIGINT and SIGTERM cancel the task that calls this."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in one

    def end() -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, lambda: None)  # one is enough: the way down is bounded in time
        task.cancel()

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, end)


def _close(state_directory: Path) -> None:
    """Close to other accounts what an older version, or another umask, has left open."""
    if failures := close_to_others(state_directory, within=("data", "keys", "logs", "mail")):
        first = f"{failures[0].filename}: {failures[0].strerror}"
        say(f"{counted(len(failures), 'path')} cannot be closed to other accounts ({first}): change the owner")


def with_free_ports(settings: Settings) -> Settings:
    """
    Return the settings with a free port in place of every port 0.

    :raises UpError: a port is taken.
    """
    ports = {f"{name}_port": getattr(settings, f"{name}_port") or free_port() for name in ("write", "read", "ops")}
    chosen = msgspec.structs.replace(settings, **ports)
    try:
        for name in ("write", "read", "ops"):
            require_free(getattr(chosen, f"{name}_host"), ports[f"{name}_port"])
    except PortTakenError as error:
        raise UpError(str(error)) from error
    if len(set(ports.values())) < len(ports):
        raise UpError("the three APIs need three different ports")
    return chosen


async def _run(settings: Settings, *, fresh: bool, demo: bool, nodes: Nodes | None) -> None:
    if fresh:
        _empty(settings)
    stack = _stack(settings, nodes)
    logs, supervisor = settings.home / "logs", Supervisor(say=say)
    async with contextlib.AsyncExitStack() as cleanup:
        for server in stack.servers:
            await cleanup.enter_async_context(_started(server))
        if stack.redis:
            await asyncio.to_thread(stack.redis.form)
        addresses = _addresses(stack)
        environ = _environment(settings, addresses, partitions=await asyncio.to_thread(_first_partitions, stack))
        cleanup.enter_context(_written(addresses, settings.home))
        access = cleanup.enter_context(_local_access(settings))
        migrate, write, read, project, react = _processes(environ, logs=logs)
        await cleanup.enter_async_context(_launched(read))  # knows no PostgreSQL, so it need not wait for its tables
        await _migrated(supervisor, migrate)
        await cleanup.enter_async_context(_launched(write, project, react))
        cleanup.callback(say, "stopping")
        programs: list[LaunchedProgram] = [*stack.servers, write, read, project, react]

        async def ready() -> None:
            if demo:
                await fill(supervisor, settings, read=addresses.read, environ=environ, logs=logs)
            announce(addresses, settings, access)

        await _supervise(supervisor, programs, addresses, ready=ready)


def _stack(settings: Settings, nodes: Nodes | None) -> Stack:
    redis = None if settings.redis_url else redis_at(settings.home, nodes=nodes, binary=settings.redis_bin)
    return Stack(settings, None if settings.database_url else postgres_of(settings), redis)


def _empty(settings: Settings) -> None:
    """Remove what our servers have stored; those that the settings name are none of them."""
    if not settings.database_url:
        postgres_of(settings).empty()
    if not settings.redis_url:
        empty_redis_at(settings.home)


@contextlib.asynccontextmanager
async def _started(server: EmbeddedServer) -> AsyncIterator[None]:
    say(f"{server.name}: starting on 127.0.0.1:{server.port}")
    try:
        await asyncio.to_thread(server.prepare)
        server.launch()  # from the main thread: the kernel ends the server together with it
        await asyncio.to_thread(server.wait_until_ready)
        yield
    finally:
        await _stopped(server)


async def _stopped(*programs: LaunchedProgram) -> None:
    await asyncio.gather(*(asyncio.to_thread(program.stop) for program in programs))


def _processes(environ: Mapping[str, str], *, logs: Path) -> Sequence[MusterProcess]:
    names = ("migrate", "write", "read", "project", "react")
    return [MusterProcess(name, environ=environ, log=logs / f"{name}.log") for name in names]


async def _migrated(supervisor: Supervisor, migrate: MusterProcess) -> None:
    say("database: bringing its tables up to date")
    if (status := await supervisor.run(migrate)) != 0:
        raise UpError(f"`muster migrate` ended with {status}; {last_words(migrate.log)}")


@contextlib.contextmanager
def _written(addresses: Addresses, state_directory: Path) -> Iterator[None]:
    """Write where everything is for the other commands, and remove it in the end."""
    write_private(state_directory / ADDRESSES, msgspec.json.encode(addresses).decode())
    try:
        yield
    finally:
        (state_directory / ADDRESSES).unlink(missing_ok=True)


def _local_access(settings: Settings) -> contextlib.AbstractContextManager[LocalAccess | None]:
    """Admit callers that can read the state directory; give None where authentication is off."""
    return contextlib.nullcontext() if settings.auth == "off" else local_access(settings)


@contextlib.asynccontextmanager
async def _launched(*processes: MusterProcess) -> AsyncIterator[None]:
    try:
        for process in processes:
            say(f"{process.name}: starting")
            process.relaunch()
        yield
    finally:
        await _stopped(*processes)


async def _supervise(
    supervisor: Supervisor,
    programs: Sequence[LaunchedProgram],
    addresses: Addresses,
    *,
    ready: Callable[[], Awaitable[None]],
) -> None:
    """Keep everything running, and call `ready` once it serves; return only by being cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for program in programs:
            tasks.create_task(supervisor.keep(program))
        await asyncio.gather(*map(_ready, (addresses.write, addresses.read, addresses.ops)))
        await ready()


async def _ready(url: str) -> None:
    """Return once the process there is ready; show what it waits for, when that takes long."""
    async with http_client(httpx.AsyncClient, url, direct=True) as client:
        while reason := await READINESS.until(lambda reason: reason is None, lambda: _unreadiness(client)):
            say(f"{url}/readyz: {reason}")


async def _unreadiness(client: httpx.AsyncClient) -> str | None:
    """Return why the process there cannot serve yet, None if it can."""
    try:
        response = await client.get("/readyz")
    except httpx.TransportError as error:
        return str(error)
    return None if response.is_success else response.text


def _addresses(stack: Stack) -> Addresses:
    settings = stack.settings
    return Addresses(
        database_url=settings.required("database_url") if stack.postgres is None else stack.postgres.url,
        redis_url=settings.required("redis_url") if stack.redis is None else stack.redis.url,
        write=_url(settings.write_host, settings.write_port),
        read=_url(settings.read_host, settings.read_port),
        ops=_url(settings.ops_host, settings.ops_port),
    )


def _first_partitions(stack: Stack) -> int | None:
    """Return how many the nodes of a new home can share; None where there is a number, or the settings say one."""
    if stack.redis is None or len(stack.redis.nodes) == 1 or stack.settings.sources["partitions"] == ENVIRONMENT:
        return None
    from shared.dev_stack.recorded_layouts import layouts_at  # noqa: PLC0415 - brings a client along

    return None if layouts_at(stack.redis.url) else PRIMARIES


def _url(host: str, port: int) -> str:
    """Return where a client on this machine reaches a server that listens on `host`."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _environment(settings: Settings, addresses: Addresses, *, partitions: int | None = None) -> Mapping[str, str]:
    """:param partitions: to be wished for, if the settings do not."""
    settled = {
        "home": settings.home,
        "database_url": addresses.database_url,
        "redis_url": addresses.redis_url,
        **({"partitions": partitions} if partitions else {}),
        "write_port": settings.write_port,
        "read_port": settings.read_port,
        "ops_port": settings.ops_port,
        "workers": settings.workers,
        # No client asks it anything, so any port will do.
        "react_port": settings.react_port if settings.sources["react_port"] == ENVIRONMENT else free_port(),
    }
    # How Python behaves is ours to say; where it finds the code, our own caller has said.
    inherited = {
        name: text for name, text in os.environ.items() if not name.startswith("PYTHON") or name == "PYTHONPATH"
    }
    # One projector, one home: what a former release has made is replaced without an order.
    by_default = {variable("rebuild"): "auto"}
    return {**by_default, **inherited, **{variable(field): str(value) for field, value in settled.items()}}


def announce(addresses: Addresses, settings: Settings, access: LocalAccess | None) -> None:
    """Print where everything answers, and how to sign in: the result of `muster up`."""
    lines = ["muster is up", f"  write  {addresses.write}", f"  read   {addresses.read}", f"  ops    {addresses.ops}"]
    if settings.smtp_url is None:
        lines.append(f"  mails  {settings.mail_folder}")
    if access:
        lines += [
            f"  token  {settings.home / TOKEN}",
            f"  sign in to the people page, once, within {LINK_TTL.seconds // 60} minutes:",
            f"  {access.sign_in_link(addresses.read, scopes=TO_PEOPLE_PAGE)}",
            "  and to the ops page:",
            f"  {access.sign_in_link(addresses.ops, scopes=(*TO_OPS_PAGE, PRIVATE))}",
            "  and to the API docs:",
            f"  {access.sign_in_link(addresses.write, scopes=TO_DOCS, next='docs')}",
        ]
    print_line("\n".join(lines))

"""`muster rebuild`: order a rebuild, follow it, and tell how it ended."""

import asyncio
import getpass
import os
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Annotated, Any

import httpx
import msgspec
from cyclopts import Parameter, validators

from projector.api.app import ops_api
from projector.cli.ops_client import Ended, NotPossible, no_answer, post, status_of
from projector.monitoring.status import ProjectionStatus, RebuildStatus
from projector.services import PROJECTIONS, register_services
from projector.store.generations import KEEP_OLD_SECONDS, Comparison
from shared.auth.local_access import bearer
from shared.auth.setup import let_everybody_in
from shared.http.in_process import in_process
from shared.loopback import DIRECT
from shared.observability import logging as telemetry
from shared.runtime.progress import Progress, progress_on
from shared.settings import Settings
from shared.text import printable

WRONG_USAGE = 2
LOOK_SECONDS = 0.3
ANSWER_SECONDS = 10.0

Seconds = Annotated[float, Parameter(validator=validators.Number(gte=0))]


class Rebuilt(msgspec.Struct, kw_only=True):
    """How a rebuild ended."""

    projection: str
    from_: str | None = msgspec.field(name="from")
    to: str
    events: int
    seconds: float
    records: dict[str, int]
    switched: bool


def rebuild(
    projection: str | None = None,
    /,
    *,
    all: bool = False,
    dry_run: bool = False,
    force: bool = False,
    keep_old: Seconds = KEEP_OLD_SECONDS,
    abort: bool = False,
    rollback: bool = False,
    json: bool = False,
) -> int:
    """
    Make a projection's records anew from the event log, beside the live ones, and switch when they are complete.

    The projector does it, and goes on if this command ends. Without a projector this command does it itself.

    :param projection: which one.
    :param all: all of them, one after the other.
    :param dry_run: tell what would change, and switch nothing.
    :param force: switch even if records would be gone, or readers be taken back.
    :param keep_old: seconds for which --rollback can switch back.
    :param abort: give up the rebuild that is under way.
    :param rollback: switch back to the records that were live before.
    :param json: print one JSON document at the end.
    """
    names = [each.name for each in PROJECTIONS]
    if projection is not None and projection not in names:
        return _wrong(f"there is no projection {projection!r}: {', '.join(names)}")
    if sum((all, projection is not None)) != 1 and not abort:
        return _wrong(f"name a projection ({', '.join(names)}), or say --all")
    body = {"by": f"{getpass.getuser()}@{socket.gethostname()}", "force": force, "keep_old": keep_old, "hold": dry_run}
    chosen = [projection] if projection else names
    if abort:
        return _ended(_abort(chosen))
    if rollback:
        return _ended(_roll_back(chosen, force=force))
    return _ended(_rebuild(chosen, body, as_json=json))


def _ended(work: Coroutine[Any, Any, int]) -> int:
    """:raises SystemExit: the projector does not answer, or not as one does; says what to do."""
    try:
        return asyncio.run(work)
    except Ended as error:
        sys.exit(printable(str(error)))
    except httpx.HTTPError as error:
        sys.exit(no_answer(error.request.url, error))


async def _rebuild(names: Sequence[str], body: dict[str, Any], *, as_json: bool) -> int:
    outcomes: list[Rebuilt] = []
    async with _projector() as client:
        for name in names:
            try:
                outcomes.append(await _Following(client, name).to_the_end(body))
            except Ended as error:
                _say(f"{name}: {error}")
                return 1
    if as_json:
        one = len(names) == 1
        sys.stdout.buffer.write(msgspec.json.encode(outcomes[0] if one else outcomes) + b"\n")
    return 0 if all(each.switched or body["hold"] for each in outcomes) else 1


async def _abort(names: Sequence[str]) -> int:
    async with _projector() as client:
        status = await status_of(client)
        under_way = [each.name for each in status.projections if each.name in names and _is_rebuilt(each)]
        outcomes = [await _is_aborted(client, name) for name in under_way]
    if not under_way:
        _say("no rebuild is under way" + (f", as far as can be found out: {status.error}" if status.error else ""))
    return 0 if under_way and all(outcomes) else 1


async def _is_aborted(client: httpx.AsyncClient, name: str) -> bool:
    """It may have ended since it was seen: that is told, and is no reason not to abort another."""
    try:
        await post(client, name, "abort", {})
    except Ended as error:
        _say(f"{name}: {error}")
        return False
    _say(f"{name}: aborted; the live records are untouched")
    return True


async def _roll_back(names: Sequence[str], *, force: bool) -> int:
    async with _projector() as client:
        for name in names:
            try:
                arranged = await post(client, name, "rollback", {"force": force})
            except Ended as error:
                _say(f"{name}: {error}")
                return 1
            _say(f"{name}: generation {arranged.live} is live again, {arranged.kept} is kept")
    return 0


class _Following:
    """One rebuild from its order to its end."""

    def __init__(self, client: httpx.AsyncClient, name: str) -> None:
        self._client = client
        self._name = name
        self._comparison: Comparison | None = None
        self._events = 0

    async def to_the_end(self, body: dict[str, Any]) -> Rebuilt:
        before = await self._told()
        began = monotonic()
        # Interrupted before the answer is there, a dry run could not tell which generation to give up.
        ordering = asyncio.create_task(post(self._client, self._name, "rebuild", body))
        try:
            generation = str((await asyncio.shield(ordering)).building)
            why = await self._followed(generation)
        finally:
            if body["hold"]:
                await self._withdraw(str((await ordering).building))
        outcome = self._outcome(before.generation, generation, switched=why is None, seconds=monotonic() - began)
        _tell(outcome, self._comparison, "a dry run, nothing was switched" if body["hold"] else why)
        return outcome

    async def _withdraw(self, generation: str) -> None:
        """Leave no second copy behind; one that somebody else aborted, or ordered to go on, is not ours any more."""
        try:
            await post(self._client, self._name, "abort", {"dry_run": generation})
        except NotPossible:
            return
        except (Ended, httpx.HTTPError) as error:
            remedy = f"`muster rebuild {self._name} --abort` gives it up"
            raise Ended(f"generation {generation} is still there ({error}): {remedy}") from error

    async def _followed(self, generation: str) -> str | None:
        """Show how far it is until it is live (None), or held (why)."""
        told = await self._told()
        target = told.rebuild.target if told.rebuild else None
        with progress_on(sys.stderr, total=target, unit="events") as progress:
            while told.generation != generation:
                if told.generation is None:
                    progress.wait(told.error or "the projector cannot find out which generations there are")
                elif told.rebuild is None or told.rebuild.generation != generation:
                    raise Ended("the rebuild was aborted")
                elif told.rebuild.held:
                    self._note(told, generation)
                    return told.rebuild.held
                else:
                    _show(progress, told.rebuild, self._events_of(told, generation))
                await asyncio.sleep(LOOK_SECONDS)
                told = await self._told(progress)
        self._note(told, generation)
        return None

    def _note(self, told: ProjectionStatus, generation: str) -> None:
        self._events = self._events_of(told, generation)
        kept = [each.comparison for each in told.generations if each.comparison]
        self._comparison = told.rebuild.comparison if told.rebuild else next(iter(kept), None)

    def _events_of(self, told: ProjectionStatus, generation: str) -> int:
        return next((each.events or 0 for each in told.generations if each.name == generation), 0)

    async def _told(self, progress: Progress | None = None) -> ProjectionStatus:
        while True:
            try:
                status = await status_of(self._client)
            except httpx.HTTPError as error:
                if progress is None:
                    raise
                progress.wait(f"the projector does not answer ({type(error).__name__}); the rebuild goes on without us")
                await asyncio.sleep(LOOK_SECONDS)
                continue
            return next(each for each in status.projections if each.name == self._name)

    def _outcome(self, live: str | None, generation: str, *, switched: bool, seconds: float) -> Rebuilt:
        compared = self._comparison or Comparison(records=0)
        return Rebuilt(
            projection=self._name,
            from_=live,
            to=generation,
            events=self._events,
            seconds=round(seconds, 3),
            records={"new": compared.new, "gone": compared.gone, "changed": compared.changed},
            switched=switched,
        )


@asynccontextmanager
async def _projector() -> AsyncIterator[httpx.AsyncClient]:
    """The projector's API; where none answers, one in this process, for as long as it takes."""
    settings = Settings.load(os.environ).with_addresses()
    if settings.ops_url is not None:
        headers = bearer(settings, settings.ops_url)
        async with httpx.AsyncClient(
            base_url=settings.ops_url, timeout=ANSWER_SECONDS, headers=headers, mounts=DIRECT
        ) as client:
            if await _answers(client):
                yield client
                return
        _say(f"no projector answers at {settings.ops_url}: this command projects until it is done")
    settings.required("database_url")
    settings.required("redis_url")
    telemetry.configure(settings.log_format)
    async with in_process(ops_api(register_services, let_everybody_in)) as client:
        yield client


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/livez")).is_success
    except httpx.TransportError:
        return False


def _is_rebuilt(told: ProjectionStatus) -> bool:
    """A first fill is none: nothing could be read without it."""
    return told.rebuild is not None and told.generation != told.rebuild.generation


def _show(progress: Progress, rebuild: RebuildStatus, events: int) -> None:
    if rebuild.error:
        progress.wait(rebuild.error)
    else:
        progress.show(done=events, reached=min(rebuild.position, rebuild.target))


def _tell(outcome: Rebuilt, comparison: Comparison | None, why: str | None) -> None:
    _say(f"{outcome.projection}: {outcome.events:,} events in {outcome.seconds:.1f} s")
    if comparison:
        _say(
            f"of {comparison.records:,} records {comparison.gone:,} gone, {comparison.changed:,} changed;"
            f" {comparison.new:,} new"
        )
        for each in comparison.samples:
            _say(f"  {each.difference} {each.kind} {each.id} {' '.join(each.fields)}".rstrip())
    _say(f"generation {outcome.to} is live" if outcome.switched else f"not switched: {why}")


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr)  # noqa: T201 - what a command says


def _wrong(text: str) -> int:
    _say(text)
    return WRONG_USAGE

"""`muster rebuild`: order a rebuild, follow it, and say how it ended."""

import asyncio
import getpass
import socket
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from time import monotonic
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter, validators

from projector.cli.names import parts_named, require_known, wholes_named
from projector.declaring.partitioning import whole_of
from projector.monitoring.answers import READY, Arrangements, PartStatus, RebuildStatus, Status
from projector.projections.registry import PROJECTIONS
from projector.store.generations import KEEP_OLD_SECONDS, Comparison
from projector.store.transitions import Seen
from shared.cli.api_client import PROJECTOR, ApiClient, ApiFailed, ApiRefused, ApiUnavailable, connected
from shared.cli.exit_codes import DONE, FAILED, CommandFailed, WrongUsage
from shared.cli.output import print_json, say
from shared.runtime.cancellation import to_the_end
from shared.runtime.progress import Progress
from shared.runtime.retry import poll
from shared.settings import Settings
from shared.wording import counted

POLL_SECONDS = 0.3

Seconds = Annotated[float, Parameter(validator=validators.Number(gte=0))]


class Rebuilt(msgspec.Struct, kw_only=True):
    """The end of a rebuild."""

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
    generation: list[str] | None = None,
    json: bool = False,
) -> int:
    """
    Make a projection's records anew from the event log, beside the live ones, and switch when they are complete.

    The projector does it, and goes on if this command ends. Without a projector this command does it itself.

    :param projection: which one.
    :param all: all of them, one after the other.
    :param dry_run: say what would change, and switch nothing.
    :param force: switch even if records would be gone, or readers be taken back.
    :param keep_old: seconds for which --rollback can switch back.
    :param abort: give up the rebuild that is under way.
    :param rollback: switch back to the records that were live before.
    :param generation: which one is meant, to go on, to be given up or gone back to, as `muster status` named it; once
        for each of several parts.
    :param json: print one JSON document at the end.
    """
    require_known(projection)
    if sum((all, projection is not None)) != 1 and not abort:
        names = ", ".join(each.name for each in PROJECTIONS)
        raise WrongUsage(f"name a projection ({names}), or say --all")
    body = {"by": f"{getpass.getuser()}@{socket.gethostname()}", "force": force, "keep_old": keep_old, "hold": dry_run}
    return asyncio.run(_order(projection, body, abort=abort, rollback=rollback, seen=generation, as_json=json))


async def _order(
    name: str | None, body: dict[str, Any], *, abort: bool, rollback: bool, seen: Seen, as_json: bool
) -> int:
    async with _connected() as projector:
        parts = [each.name for each in (await projector.get("/status", Status)).parts]
        if abort:
            return await abort_all(projector, wholes_named(name, parts), seen=seen)
        if rollback:
            return await roll_back_all(projector, wholes_named(name, parts), force=body["force"], seen=seen)
        return await rebuild_all(projector, parts_named(name, parts), body, seen=seen, as_json=as_json)


async def rebuild_all(
    projector: ApiClient,
    names: Sequence[str],
    body: dict[str, Any],
    *,
    seen: Seen = None,
    as_json: bool,
    every: float = POLL_SECONDS,
) -> int:
    """
    Rebuild one projection after the other, and return the exit status.

    :param seen: let only these generations go on; those that are there now, unless they are said.
    :param every: seconds from one look at how far it is to the next.
    """
    outcomes: list[Rebuilt] = []
    for together in await _ordered_together(projector, names, is_dry=body["hold"]):
        for each in await _ordered(projector, together, body, seen=seen, every=every):
            try:
                outcomes.append(await each.follow())
            except CommandFailed as error:
                say(f"{each.name}: {error}")
                return error.exit_code
    if as_json:
        print_json(msgspec.json.encode(outcomes[0] if len(names) == 1 else outcomes))
    return DONE if all(each.switched or body["hold"] for each in outcomes) else FAILED


async def _ordered(
    projector: ApiClient, names: Sequence[str], body: dict[str, Any], *, seen: Seen, every: float
) -> Sequence["_Rebuild"]:
    rebuilds = [_Rebuild(projector, name, body, seen=seen, every=every) for name in names]
    orders = [await each.order() for each in rebuilds]
    if len(orders) > 1:  # so that they go on without this command
        await asyncio.wait(orders)
    return rebuilds


async def _ordered_together(projector: ApiClient, names: Sequence[str], *, is_dry: bool) -> Sequence[Sequence[str]]:
    """Return what is ordered at once: all parts of a projection that has a new version, as they go live together."""
    status = await projector.get("/status", Status)
    is_new = {each.name: _is_new_version(each) and not is_dry for each in status.parts}
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(whole_of(name) if is_new.get(name) else name, []).append(name)
    return list(groups.values())


async def abort_all(projector: ApiClient, names: Sequence[str], *, seen: Seen = None) -> int:
    """Give up the rebuilds that are under way, as they were seen or are seen now, and return the exit status."""
    status = await projector.get("/status", Status)
    under_way = {name: found for name in names if (found := [*_rebuilt_in(_parts_of(name, status))])}
    outcomes = [await _is_aborted(projector, name, seen or found) for name, found in under_way.items()]
    if not under_way:
        say("no rebuild is under way" + (f", as far as can be found out: {status.error}" if status.error else ""))
    return DONE if under_way and all(outcomes) else FAILED


async def _is_aborted(projector: ApiClient, name: str, seen: Seen) -> bool:
    """It may have ended since the status was read: that is said, and is no reason not to abort another."""
    try:
        await _post(projector, name, "abort", {"generations": seen})
    except ApiFailed as error:
        say(f"{name}: {error}")
        return False
    say(f"{name}: aborted; the live records are untouched")
    return True


async def roll_back_all(projector: ApiClient, names: Sequence[str], *, force: bool, seen: Seen = None) -> int:
    """Have readers use the generations before, as they were seen or are seen now, and return the exit status."""
    status = await projector.get("/status", Status)
    for name in names:
        kept = [each.name for part in _parts_of(name, status) for each in part.generations if each.role == "kept"]
        try:
            generations = await _post(projector, name, "rollback", {"force": force, "generations": seen or kept})
        except ApiFailed as error:
            say(f"{name}: {error}")
            return error.exit_code
        for each in generations.parts or (generations,):
            say(f"{each.projection}: generation {each.live} is live again, {each.kept} is kept")
    return DONE


async def _post(projector: ApiClient, name: str, action: str, body: dict[str, Any]) -> Arrangements:
    """Have the generations of a projection changed; `action` is rebuild, abort or rollback."""
    return await projector.post(f"/projections/{name}/{action}", body, Arrangements)


class _Rebuild:
    """One rebuild from its order to its end."""

    def __init__(self, projector: ApiClient, name: str, body: dict[str, Any], *, seen: Seen, every: float) -> None:
        """:param body: how it is ordered."""
        self._projector = projector
        self.name = name
        self._body = body
        self._seen = seen
        self._every = every
        self._comparison: Comparison | None = None
        self._events = 0

    async def order(self) -> asyncio.Task[Arrangements]:
        """Order it, and return what the answer will be."""
        status = await self._status()
        self._live, self._began = status.generation, monotonic()
        seen = self._seen or ([status.rebuild.generation] if status.rebuild else [])
        # Interrupted before the answer is there, a dry run could not tell which generation to give up.
        body = {**self._body, "generations": seen}
        self._ordering = asyncio.create_task(_post(self._projector, self.name, "rebuild", body))
        return self._ordering

    async def follow(self) -> Rebuilt:
        """:raises CommandFailed: it cannot be ordered, or was given up."""
        try:
            generation = str((await asyncio.shield(self._ordering)).building)
            why = await self._followed(generation)
        finally:
            if self._body["hold"]:
                await to_the_end(self._withdraw(str((await self._ordering).building)))
        outcome = self._outcome(generation, switched=why is None)
        _report(outcome, self._comparison, "a dry run, nothing was switched" if self._body["hold"] else why)
        return outcome

    async def _withdraw(self, generation: str) -> None:
        """Leave no second copy behind, unless it was aborted, or ordered to go on, by another command."""
        try:
            await _post(self._projector, self.name, "abort", {"dry_run": generation})
        except ApiFailed as error:
            if isinstance(error, ApiRefused) and error.status == HTTPStatus.CONFLICT:
                return
            hint = f"`muster rebuild {self.name} --abort` gives it up"
            raise CommandFailed(f"generation {generation} is still there ({error}): {hint}") from error

    async def _followed(self, generation: str) -> str | None:
        """Show how far it is until it is live (None), or cannot go on (why)."""
        status = await self._status()
        target = status.rebuild.target if status.rebuild else None
        with Progress(sys.stderr).begin("event", total=target) as progress:
            while status.generation != generation:
                if status.generation is None:
                    progress.wait(status.error or "the projector cannot find out which generations there are")
                elif status.rebuild is None or status.rebuild.generation != generation:
                    raise CommandFailed("the rebuild was aborted")
                elif why := status.rebuild.held or self._waits_in_vain(status.rebuild):
                    self._note(status, generation)
                    return why
                else:
                    _show(progress, status.rebuild, _events_of(status, generation))
                await asyncio.sleep(self._every)
                status = await self._next_status(progress)
        self._note(status, generation)
        return None

    def _note(self, status: PartStatus, generation: str) -> None:
        self._events = _events_of(status, generation)
        kept = [each.comparison for each in status.generations if each.comparison]
        self._comparison = status.rebuild.comparison if status.rebuild else next(iter(kept), None)

    def _waits_in_vain(self, rebuild: RebuildStatus) -> str | None:
        """Return why it does not go live though it is ready: it does with parts that are not, and are not rebuilt."""
        parts = [self._others[each] for each in rebuild.waits_for] if rebuild.phase == READY else []
        known = [each for each in parts if each.generation]
        idle = [each.name for each in known if each.rebuild is None or each.rebuild.held]
        return f"it is ready, and goes live together with {', '.join(idle)}: rebuild these too" if idle else None

    async def _status(self) -> PartStatus:
        status = await self._projector.get("/status", Status)
        self._others = {each.name: each for each in status.parts}
        return self._others[self.name]

    async def _next_status(self, progress: Progress) -> PartStatus:
        """Wait for a projector that is away: the rebuild goes on as soon as one is there."""

        async def ask() -> PartStatus:
            try:
                return await self._status()
            except (ApiUnavailable, ApiRefused) as error:
                progress.wait(f"{error}; the rebuild goes on without this command")
                raise

        return await poll(self._every).call(ask, on=(ApiUnavailable, ApiRefused))

    def _outcome(self, generation: str, *, switched: bool) -> Rebuilt:
        compared = self._comparison or Comparison(records=0)
        return Rebuilt(
            projection=self.name,
            from_=self._live,
            to=generation,
            events=self._events,
            seconds=round(monotonic() - self._began, 3),
            records={"new": compared.new, "gone": compared.gone, "changed": compared.changed},
            switched=switched,
        )


@asynccontextmanager
async def _connected() -> AsyncIterator[ApiClient]:
    """Give the projector's API; where none answers, one in this process, for as long as it takes."""
    settings = Settings.here()
    if settings.ops_url is not None:
        async with connected(PROJECTOR, settings) as projector:
            if await projector.is_live():
                yield projector
                return
        say(f"no projector answers at {settings.ops_url}: this command projects until it is done")
    from projector.cli.own_projector import own_projector  # noqa: PLC0415 - seldom needed, and slow to import

    async with own_projector(settings) as projector:
        yield projector


def _parts_of(name: str, status: Status) -> Iterator[PartStatus]:
    """Return all parts of a projection, or the one that is called so."""
    return (each for each in status.parts if name in {each.name, whole_of(each.name)})


def _rebuilt_in(parts: Iterable[PartStatus]) -> Iterator[str]:
    """Return what is being built there; a first fill is no rebuild: nothing could be read without it."""
    for each in parts:
        if each.rebuild and each.generation != each.rebuild.generation:
            yield each.rebuild.generation


def _is_new_version(status: PartStatus) -> bool:
    return any(each.role == "live" and each.version != status.version for each in status.generations)


def _events_of(status: PartStatus, generation: str) -> int:
    return next((each.events or 0 for each in status.generations if each.name == generation), 0)


def _show(progress: Progress, rebuild: RebuildStatus, events: int) -> None:
    if rebuild.error:
        progress.wait(rebuild.error)
    else:
        progress.show(events, reached=min(rebuild.position, rebuild.target))


def _report(outcome: Rebuilt, comparison: Comparison | None, why: str | None) -> None:
    say(f"{outcome.projection}: {counted(outcome.events, 'event')} in {outcome.seconds:.1f} s")
    if comparison:
        say(
            f"of {counted(comparison.records, 'record')} {comparison.gone:,} gone, {comparison.changed:,} changed;"
            f" {comparison.new:,} new"
        )
        for each in comparison.samples:
            say(f"  {each.difference} {each.kind} {each.id} {' '.join(each.fields)}".rstrip())
    say(f"generation {outcome.to} is live" if outcome.switched else f"not switched: {why}")

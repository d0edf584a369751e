"""
A projector that has one projection, so that nothing but it is measured; and `stats`, by which one projector leads.

    python -m tests.benchmarks.one_projection profiles

Fills it, rebuilds it, and prints for each how many events, seconds, and seconds of CPU of this process and of those
that it has started. The settings name the servers, as for `muster rebuild`, which does its work in the same way.
"""

import asyncio
import os
import sys
import time

import msgspec

from projector.monitoring.answers import Arrangement, ProjectionStatus, Status
from projector.projections import registry
from shared.cli.api_client import ApiClient
from shared.runtime.retry import poll
from shared.settings import Settings
from tests.benchmarks.processes import cpu_seconds

LOOKS = poll(0.5)


async def main(name: str) -> None:
    registry.PROJECTIONS = tuple(each for each in registry.PROJECTIONS if each.name in {name, "stats"})
    from projector.cli.own_projector import own_projector  # noqa: PLC0415 - its parts take the registry as it is now

    began, used = time.perf_counter(), cpu_seconds(os.getpid())
    async with own_projector(Settings.load(os.environ)) as projector:
        await _live(projector, name, instead_of=None)
        await _live(projector, "stats", instead_of=None)
        began, used = await _say("first fill", projector, name, began, used)
        order = {"by": "a benchmark", "keep_old": 0.0}
        before = (await _status(projector, name)).generation
        await projector.post(f"/projections/{name}/rebuild", order, Arrangement)
        await _live(projector, name, instead_of=before)
        await _say("rebuild", projector, name, began, used)


async def _live(projector: ApiClient, name: str, *, instead_of: str | None) -> None:
    """Return once readers use another generation."""
    await LOOKS.until(
        lambda status: status.generation not in {None, instead_of} and not status.rebuild,
        lambda: _status(projector, name),
    )


async def _say(phase: str, projector: ApiClient, name: str, began: float, used: float) -> tuple[float, float]:
    """Print what a phase took; return when the next one begins, and what was used by then."""
    now, by_now = time.perf_counter(), cpu_seconds(os.getpid())
    [live] = [each for each in (await _status(projector, name)).generations if each.role == "live"]
    figures = {"phase": phase, "events": live.events, "seconds": now - began, "cpu": by_now - used}
    sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    return time.perf_counter(), cpu_seconds(os.getpid())


async def _status(projector: ApiClient, name: str) -> ProjectionStatus:
    [status] = [each for each in (await projector.get("/status", Status)).projections if each.name == name]
    return status


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

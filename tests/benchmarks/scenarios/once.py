"""What is compared with a commit of the past: that was measured once, and is kept beside this module's folder."""

import asyncio
import time
from collections.abc import Collection
from pathlib import Path

import msgspec
from redis import Redis

from shared.runtime.exit_with_parent import ending_with_parent
from tests.benchmarks.results import BenchResult, judged
from tests.benchmarks.scenario import Scale
from tests.benchmarks.servers import BenchedMuster
from tests.support.stack import MUSTER, environment

KEPT = Path(__file__).parents[1] / "once.json"


class Kept(msgspec.Struct, frozen=True):
    """Figures of a commit, and how they were measured."""

    commit: str
    measured: str
    bytes_a_person: float
    congress_seconds: float
    how: str


def kept() -> Kept:
    return msgspec.json.decode(KEPT.read_bytes(), type=Kept)


async def memory(muster: BenchedMuster, size: Scale, _: Collection[str]) -> list[BenchResult]:
    """Bytes of Valkey a person, with groups, memberships and activity, before other scenarios add people."""
    with Redis.from_url(muster.servers.valkey.url) as client:
        told = client.info("memory")
    now, then = (told["used_memory"] - told["used_memory_startup"]) / size.people, kept()
    result = BenchResult(
        name="once-bytes",
        what=f"bytes of Valkey a person among {size.people:,}, beside those at {then.commit}",
        unit="bytes",
        value=now,
        baseline=then.bytes_a_person,
        ratio=now / then.bytes_a_person,
    )
    return [judged(result)]


async def congress(muster: BenchedMuster, size: Scale, _: Collection[str]) -> list[BenchResult]:
    """The whole congress imported, from the start of the command to its end; an earlier import must not have been."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *ending_with_parent([*MUSTER, "import", "--no-mail", str(size.congress)]),
        env=environment(MUSTER_HOME=str(muster.stack.home)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    took, then = time.perf_counter() - began, kept()
    if process.returncode:
        raise RuntimeError(f"the import ended with {process.returncode}: {errors.decode().strip().splitlines()[-1:]}")
    result = BenchResult(
        name="once-congress",
        what=f"seconds for the whole congress; the ratio says how many times as fast as at {then.commit}",
        unit="s",
        value=took,
        baseline=then.congress_seconds,
        ratio=then.congress_seconds / took,
    )
    return [judged(result)]

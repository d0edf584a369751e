"""Everything out of a Muster with very many people and into an empty one: all of it, and in bounded memory."""

import os
import subprocess
import time
from contextlib import nullcontext
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.benchmarks.generated_log import GeneratedLog
from tests.benchmarks.servers import running_muster, running_servers
from tests.support.patience import until
from tests.support.processes import family
from tests.support.stack import MUSTER, Child, environment, running_stack

PEOPLE, GROUPS, EVENTS = 100_000, 500, 450_000
OF_ITS_OWN = frozenset({"version", "profile_version", "created_at", "updated_at", "email_verified"})
"""What the one that takes it in has made anew."""
MOST_MIB = 400
"""Of a process of the service, at any time."""
LISTS = {"/profiles": {"status": "any", "sort": "handle"}, "/groups": {"sort": "slug"}}


class Run(NamedTuple):
    """What a command has taken; its memory cannot be told from that of the process that began it."""

    name: str
    status: int
    seconds: float
    cpu: float


@pytest.mark.soak
async def test_very_many_come_out_and_in(tmp_path, capsys):
    """The same records, with their ids; `tests/e2e/test_export.py` does it with few."""
    file = tmp_path / "muster.ndjson"
    with running_servers() as servers, running_stack() as taking:
        generated = servers.load(GeneratedLog(people=PEOPLE, groups=GROUPS, events=EVENTS))
        with running_muster(servers, generated) as giving:
            await giving.is_level()
            runs = [carried_out(giving.stack, "export", into=file)]
            peaks = {"muster read, giving": peak(giving.stack, Child.READ)}
            runs.append(carried_out(taking, "import", str(file), "--no-mail"))
            await until(lambda: is_level(taking), seconds=600)
            peaks |= {each.value: peak(taking, each) for each in (Child.WRITE, Child.PROJECT)}
            differing = [path for path in LISTS if await differ(giving.stack, taking, path)]
        runs.append(carried_out(taking, "verify"))
    with capsys.disabled():
        print(f"\n{file.stat().st_size / 1e6:.0f} MB of commands", *runs, peaks, sep="\n")  # noqa: T201 - why it is run

    assert [each.status for each in runs] == [0, 0, 0]
    assert differing == []
    assert max(peaks.values()) < MOST_MIB


def carried_out(stack, *arguments, into: Path | None = None):
    """Run a command, with its own time and CPU."""
    began = time.monotonic()
    with into.open("wb") if into else nullcontext() as output:
        process = subprocess.Popen([*MUSTER, *arguments], env=environment(MUSTER_HOME=str(stack.home)), stdout=output)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(arguments[0], process.returncode, time.monotonic() - began, used.ru_utime + used.ru_stime)


def peak(stack, child):
    """The most memory that a process, or one of its workers, has had so far, in MiB."""
    pids = family(stack.pid(child))
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return max(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10


async def is_level(stack):
    status = await stack.status()
    return all(each["checkpoint"] == status["head"] for each in status["projections"])


async def differ(giving, taking, path):
    """The first records of a list that differ, but for what is their own; None if none do."""
    async with giving.client(giving.addresses.read) as one, taking.client(taking.addresses.read) as other:
        mine, theirs = walk(one, path), walk(other, path)
        while (page := await anext(mine, None)) is not None:
            for pair in zip_longest(page, await anext(theirs, ())):
                if pair[0] != pair[1]:
                    return pair
        return await anext(theirs, None)


async def walk(client, path):
    """Yield the records of a whole list, page by page."""
    query = {**LISTS[path], "limit": "200"}
    while query.get("cursor", "-"):
        page = (await client.get(path, params=query)).raise_for_status().json()
        yield [{name: each for name, each in record.items() if name not in OF_ITS_OWN} for record in page["items"]]
        query["cursor"] = page["next_cursor"]

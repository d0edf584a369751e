"""`muster up --demo`: people, groups and what happened to them, for a home in which nobody is yet."""

from collections.abc import Mapping
from pathlib import Path

import httpx

from shared.auth.bearer import bearer
from shared.cli.output import say
from shared.dev_stack.supervisor import MusterProcess, Supervisor
from shared.http_clients import http_client
from shared.settings import Settings

SAMPLE = Path(__file__).with_name("sample.jsonl")
STEPS = (("import", str(SAMPLE), "--json"), ("seed", "--people", "60", "--groups", "8", "--json"))
"""The commands that fill it, by their arguments."""


async def fill(
    supervisor: Supervisor, settings: Settings, *, read: str, environ: Mapping[str, str], logs: Path
) -> None:
    """
    Fill a home, unless there are people in it.

    :param read: the address of the read API.
    """
    try:
        is_filled = await _has_people(read, settings)
    except httpx.HTTPError:
        say("demo: the read API does not say whether there are people, so nothing was changed; start it again")
        return
    if is_filled:
        say("demo: there are people already, so nothing was changed; --home DIR names a new home")
        return
    for step in STEPS:
        say(f"demo: muster {step[0]}")
        process = MusterProcess(*step, environ=environ, log=logs / "demo.log")
        if (status := await supervisor.run(process)) != 0:
            say(f"demo: muster {step[0]} ended with {status}; see {process.log}")


async def _has_people(read: str, settings: Settings) -> bool:
    async with http_client(httpx.AsyncClient, read, direct=True) as client:
        answer = await client.get("/profiles?status=any&limit=1&fields=handle", headers=bearer(settings, read))
    return bool(answer.raise_for_status().json()["items"])

"""`muster erase --prove`: erase somebody, and show that nothing of him is left."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import msgspec
from rich.console import Console
from rich.table import Column, Table

from projector.adapters.postgres.traces import PostgresTraces
from projector.adapters.redis.read_model import RedisReadModel
from projector.adapters.redis.traces import RedisTraces
from projector.audit.erasure.audit import NobodyToErase, Proving
from projector.audit.erasure.report import Proof
from projector.audit.erasure.search import fields_told
from projector.services import PROJECTIONS
from shared.auth.local_access import bearer
from shared.errors import Unavailable, Unsound
from shared.loopback import DIRECT
from shared.redis.client import connect
from shared.runtime.progress import progress_on
from shared.settings import Settings
from shared.text import printable

DONE, FAILED, WRONG_USAGE = 0, 1, 2
ANSWER_SECONDS = 30.0


class NotErased(Exception):
    """The write API did not carry the command out; the message says why."""


def erase(account_id: str, /, *, prove: bool = False, json: bool = False) -> int:
    """
    Erase a person for good, and look everywhere for what may be left.

    What is looked for are the values that the log had; of somebody who was erased before, nobody knows them any more.

    :param account_id: of the account.
    :param prove: to be said: there is no way back.
    :param json: print one JSON document instead of tables.
    """
    try:
        id_ = UUID(account_id)
    except ValueError:
        return _wrong(f"{account_id!r} is no account id: ids are UUIDs, see GET /profiles/by-handle/…")
    if not prove:
        return _wrong("say --prove: the person is erased for good, and looked for everywhere afterwards")
    try:
        proof = asyncio.run(_prove(Settings.load(os.environ).with_addresses(), id_))
    except (NobodyToErase, NotErased, Unavailable, Unsound) as error:
        sys.exit(f"not proven: {error}")
    if json:
        sys.stdout.write(f"{msgspec.json.encode(_as_json(proof)).decode()}\n")
    else:
        _show(proof, Console(soft_wrap=True, markup=False))
    return DONE if proof.holds else FAILED


async def _prove(settings: Settings, account_id: UUID) -> Proof:
    database_url, redis_url = settings.required("database_url"), settings.required("redis_url")
    settings.required("write_url")
    progress = progress_on(sys.stderr, total=None, unit="texts")
    async with connect(redis_url) as client:
        proving = Proving(
            traces=PostgresTraces(database_url),
            held=RedisTraces(client),
            models={each.name: RedisReadModel(client, projection=each.name) for each in PROJECTIONS},
            logs=list(_logs(settings.home)),
            erase=lambda id_: _erased(settings, id_),
            progress=progress,
        )
        with progress:
            return await proving.prove(account_id)


async def _erased(settings: Settings, account_id: UUID) -> int:
    """The position of the erasure, by the write API like any other command."""
    url = f"{settings.required('write_url')}/commands/erase-account"
    headers = {"Idempotency-Key": f"erase:{account_id}", **bearer(settings, url)}
    try:
        async with httpx.AsyncClient(mounts=DIRECT, timeout=ANSWER_SECONDS) as client:
            answer = await client.post(url, json={"account": str(account_id)}, headers=headers)
    except httpx.HTTPError as error:
        raise NotErased(f"the write API does not answer at {url} ({type(error).__name__})") from error
    if answer.is_error:
        raise NotErased(f"the write API answers {answer.status_code}: {answer.text}")
    return int(answer.json()["position"])


def _logs(home: Path) -> Iterator[Path]:
    """What `muster up` has its processes write; where other logs are kept, Muster does not know."""
    yield from sorted(path for path in (home / "logs").glob("**/*") if path.is_file())


def _as_json(proof: Proof) -> dict[str, object]:
    return {**msgspec.to_builtins(proof), "found": proof.found, "proven": proof.holds}


def _show(proof: Proof, console: Console) -> None:
    table = Table(Column("place", overflow="fold"), "checked", "found", "of", box=None)
    for each in proof.places:
        table.add_row(printable(each.place), f"{each.checked:,}", f"{each.found:,}", fields_told(each.what))
    console.print(table)
    for line in _remarks(proof):
        console.print(line, markup=False, highlight=False)
    verdict = "nothing of the person was found" if proof.holds else "not proven"
    console.print(f"{proof.account_id}, erased at position {proof.position}: {verdict}", highlight=False)


def _remarks(proof: Proof) -> Iterator[str]:
    if proof.erased == "before":
        yield "erased before: the values are not known any more, so only what names the id was looked for"
    else:
        yield f"{proof.sought} values were looked for"
    for each in proof.left_out:
        yield f"left out: {each.values} of {each.field}, {each.why}"
    for generation in proof.behind:
        yield f"not there yet: {generation}, see `muster status`"


def _wrong(text: str) -> int:
    print(text, file=sys.stderr)  # noqa: T201 - what a command says
    return WRONG_USAGE

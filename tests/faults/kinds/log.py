"""What can befall the event log: transactions that hold it up, and a failover that loses one in the middle."""

import subprocess
from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec
import psycopg

from projector.projections.registry import PROJECTIONS
from shared.dev_stack.embedded.server import end_leftovers
from shared.events.accounts import AccountSuspended
from tests.faults.bench.bench import Bench
from tests.faults.operator import Operator
from tests.support.directory_model import verdict
from tests.support.load import AT_ANY_TIME
from tests.support.oracle import checkpoint
from tests.support.patience import until
from tests.support.people import Person
from tests.support.processes import family, frozen

_APPEND = """
    insert into event_log (event_id, aggregate, aggregate_id, version, type, schema, data, metadata, occurred_at)
    values (gen_random_uuid(), 'account', %s, %s, 'account-suspended', 1, %s, '{}', now()) returning position"""

End = Literal["commit", "rollback", "termination", "commit prepared"]


@asynccontextmanager
async def open_transaction(bench: Bench, end: End) -> AsyncIterator[None]:
    """A session has appended and idles, so that nothing behind it is projected, until its transaction ends."""
    person = await bench.registered()
    with closing(bench.database()) as connection, bench.redis_client() as redis:
        connection.execute("begin")
        position = suspend(connection, person)
        if end == "commit prepared":
            connection.execute("prepare transaction 'held'")
        await bench.load.grown(by=10)
        assert checkpoint(redis).position < position
        yield
        _end(connection, end, bench)
    if "commit" in end:
        suspended = verdict(person.part.now, "suspend-account", {"account": person.id}, at=AT_ANY_TIME)
        person.part.go_on(suspended.then(person.id), position=position)


def _end(connection: psycopg.Connection, end: End, bench: Bench) -> None:
    if end == "termination":
        with bench.database() as other:
            other.execute("select pg_terminate_backend(%s)", (connection.info.backend_pid,))
    else:
        connection.execute("commit prepared 'held'" if end == "commit prepared" else end)


@asynccontextmanager
async def rolled_back_appends(bench: Bench) -> AsyncIterator[None]:
    """Holes in the log, one after the other, while others append."""
    person = await bench.registered()
    for _ in range(5):
        with bench.database(autocommit=False) as connection:
            suspend(connection, person)
            await bench.load.grown(by=3)
            connection.rollback()
    yield


def suspend(connection: psycopg.Connection, person: Person) -> int:
    """Suspend a person in the transaction that is open, as the write side would; gives the position of the event."""
    data = msgspec.json.encode(AccountSuspended(account_id=UUID(person.id))).decode()
    reached = person.account.version + 1
    connection.execute("update accounts set status = 'suspended', version = %s where id = %s", (reached, person.id))
    [(position,)] = connection.execute(_APPEND, (person.id, reached, data)).fetchall()
    return int(position)


@asynccontextmanager
async def failover_of_less(bench: Bench) -> AsyncIterator[None]:
    """
    A replica takes over that had the later of two commits, but not the one before it in the log.

    The positions were drawn in one order and committed in the other, and the replica is behind by one commit. The last
    event is the same, so only the number of events tells; the projections stop, and are rebuilt by hand.
    """
    names = [each.name for each in PROJECTIONS]
    unlucky, lucky = await bench.registered(), await bench.registered()
    bench.load.accepted.remove(unlucky)  # nobody shall read what is going to be lost
    bench.forgotten.append(unlucky)
    async with bench.load.at_rest(), Operator(bench.stack) as operator:
        await _commit_out_of_order(bench, unlucky, lucky)
        await until(lambda: operator.have_reached(lucky.position))
        async with bench.unattended(bench.postgres):
            bench.postgres.kill()
            end_leftovers(bench.postgres.data)
            await to_thread(_replace, bench.postgres.data, replica_of(bench))
        await until(lambda: operator.are_stopped(*names))
        yield
        await operator.rebuild(*names)
    bench.load.accepted.append(unlucky)


async def _commit_out_of_order(bench: Bench, first: Person, second: Person) -> None:
    """Copy the database between the two commits."""
    with bench.database(autocommit=False) as connection:
        position = suspend(connection, first)
        await bench.suspend(second)
        assert second.position == position + 1
        with frozen(family(bench.postgres.pid)):
            await to_thread(_copy, bench.postgres.data, replica_of(bench))
        connection.commit()


def replica_of(bench: Bench) -> Path:
    """On the same file system as the data."""
    return bench.postgres.data.with_name("replica")


def _copy(data: Path, to: Path) -> None:
    """With owners and modes: the server insists on them."""
    subprocess.run(["cp", "-a", data, to], check=True)


def _replace(data: Path, replica: Path) -> None:
    subprocess.run(["rm", "-r", data], check=True)
    replica.rename(data)

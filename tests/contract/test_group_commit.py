"""Commands that share a transaction: each rule stands for something that went wrong without it."""

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import chain
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest

from shared.auth.setup import admit_everyone
from shared.errors import Unavailable
from shared.event_log import RecordedEvent
from shared.event_log.adapters.postgres import CHANNEL
from shared.events.accounts import AccountRegistered
from shared.ids import Ids, TimeOrderedIds
from shared.postgres.connection import connected
from shared.postgres.pipeline import Pipeline
from shared.problems import Refusal
from tests.support.apps import app_client
from tests.support.clock import SettableClock
from tests.support.examples import examples
from tests.support.patience import SECONDS, until_here
from tests.support.proxy import Cut, CuttingProxy
from tests.support.sessions import append
from tests.support.write_side import (
    ANDRE,
    WriteSide,
    context,
    create_groups,
    invocation,
    memory_write_side,
    postgres_write_side,
    register,
)
from write_side.adapters.memory import MemoryDatabase, MemoryTokenKey, MemoryUnitsOfWork
from write_side.adapters.postgres.command_log import CommandLog
from write_side.adapters.postgres.connections.failures import is_certain
from write_side.adapters.postgres.connections.transactions import PipelinedTransaction, TransactionLimits
from write_side.adapters.postgres.group_commit.group import CommandGroup, Member
from write_side.adapters.postgres.group_commit.lanes import Lanes
from write_side.adapters.postgres.group_commit.requests import Change, LookRequest, RowSource
from write_side.adapters.postgres.group_commit.writes import refusal
from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.errors import (
    AccountExists,
    AccountNotFound,
    Conflict,
    EmailTaken,
    GroupNotFound,
    HandleTaken,
    IdempotencyMismatch,
    MemberNotFound,
    OutcomeUnknown,
    StaleAggregate,
)
from write_side.execution.in_order import MOST_AT_ONCE
from write_side.execution.refusals import OUTCOME_UNKNOWN
from write_side.http.app import write_api
from write_side.ports import Answer, CommandContext, NotYet, Place, Window
from write_side.services import register_executor


@pytest.fixture
async def grouped(database_url) -> AsyncIterator[WriteSide]:
    async with postgres_write_side(database_url, grouped=True) as real:
        yield real


@pytest.fixture
def trips(monkeypatch) -> list[int]:
    """How many statements each round trip carried."""
    made: list[int] = []
    trip, store = PipelinedTransaction.trip, PipelinedTransaction.store

    async def counted_trip(transaction, *statements):
        made.append(len(statements))
        return await trip(transaction, *statements)

    async def counted_store(transaction, *statements, claims, **more):
        made.append(len(claims) + len(statements) + 1)
        return await store(transaction, *statements, claims=claims, **more)

    monkeypatch.setattr(PipelinedTransaction, "trip", counted_trip)
    monkeypatch.setattr(PipelinedTransaction, "store", counted_store)
    return made


def registrations(write_side: WriteSide, count: int, *, by: str = "p"):
    return [
        write_side.run("register-account", email=f"{by}{n}@example.org", handle=f"{by}{n}", display_name=by)
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("command", "fields", "expected"),
    [
        ("register-account", {"email": "b@example.org", "handle": "b", "display_name": "B"}, 1),
        ("suspend-account", {"account": "@a"}, 2),
        ("update-profile", {"account": "@a", "bio": "x"}, 3),
        ("add-group-member", {"group": "g", "account": "@a"}, 4),
    ],
)
async def test_a_lone_command_makes_few_round_trips(grouped, trips, command, fields, expected):
    """One for each look, one to write and commit; its key is claimed in the first of them."""
    await register(grouped, "a")
    await create_groups(grouped, "g")
    trips.clear()

    await grouped.run(command, **fields)

    assert len(trips) == expected


async def test_no_statement_reads_a_whole_table(grouped, monkeypatch):
    """Else a command would cost the more the more people there are."""
    trip, store, plans = PipelinedTransaction.trip, PipelinedTransaction.store, []

    async def explain(transaction, statements):
        planned = [(f"explain {sql}", parameters) for sql, parameters in statements if " from " in sql]
        plans.extend(str(rows) for rows in await trip(transaction, *planned))

    async def explained_trip(transaction, *statements):
        await explain(transaction, statements)
        return await trip(transaction, *statements)

    async def explained_store(transaction, *statements, **more):
        await explain(transaction, statements)
        return await store(transaction, *statements, **more)

    monkeypatch.setattr(PipelinedTransaction, "trip", explained_trip)
    monkeypatch.setattr(PipelinedTransaction, "store", explained_store)
    await register(grouped, "a")
    await create_groups(grouped, "g")
    for name in ("add-group-member", "remove-group-member"):
        await grouped.run(name, group="g", account="@a")
    await grouped.run("update-profile", account="@a", bio="x")

    assert sum("Index Scan" in plan for plan in plans) > 10
    assert [plan for plan in plans if "Seq Scan" in plan and "on installation" not in plan] == []


async def test_commands_that_come_together_share_a_transaction(grouped, trips):
    await register(grouped, "a")
    trips.clear()

    answers = await asyncio.gather(*registrations(grouped, 50))

    assert len(trips) == 1
    assert sorted(answer.outcome.position for answer in answers) == list(range(4, 104, 2))


async def test_commands_leave_nothing_that_python_has_to_search_for(grouped):
    """What refers to itself in a circle stays until then, and each search goes through all that is under way."""
    await register(grouped, "a")
    gc.collect()

    await asyncio.gather(*registrations(grouped, 20))

    assert gc.collect() < 20


async def test_no_refusal_is_left_with_what_was_sent(grouped):
    """In a circle with its traceback it would hold the body until Python searches, and others send more meanwhile."""
    nobody = {"command": "suspend-account", "account": "@nobody"}
    gc.collect()
    gc.disable()
    try:
        with suppress(Refusal):
            await grouped.executor.execute(invocation("suspend-account", account="@nobody"))
        answers = await answers_of(grouped, [nobody] * 5)

        assert [answer["status"] for answer in answers] == [404] * 5
        assert not [each for each in gc.get_objects() if isinstance(each, AccountNotFound)]
    finally:
        gc.enable()


async def test_members_join_one_group_together(grouped, trips):
    """They rely on it, and none changes it."""
    handles = ("a", "b", "c")
    await register(grouped, *handles)
    await create_groups(grouped, "g")
    trips.clear()

    await asyncio.gather(*(grouped.run("add-group-member", group="g", account=f"@{each}") for each in handles))

    assert len(trips) == 4


async def test_one_conflict_costs_the_others_nothing(grouped, trips):
    """It is refused for what it is, and its rows, its events and its key are gone, in the transaction of the others."""
    await register(grouped, "p3")
    trips.clear()

    outcomes = await asyncio.gather(*registrations(grouped, 6), return_exceptions=True)

    assert [type(each) for each in outcomes] == [Answer, Answer, Answer, EmailTaken, Answer, Answer]
    assert len(trips) == 3  # one to undo and to ask what is in conflict, one to write again
    assert len(await grouped.events()) == 12
    assert await grouped.units.answer_to(context("register-account", key="p3")) is None


async def test_a_refused_command_draws_no_position(grouped):
    """Readers of the log meet no gap where a value is taken."""
    await register(grouped, "a")
    with pytest.raises(EmailTaken):
        await grouped.run("register-account", email="a@example.org", handle="b", display_name="B")

    answer = await grouped.run("register-account", email="c@example.org", handle="c", display_name="C")

    assert answer.outcome.position == 4


async def test_what_two_of_a_group_want_goes_to_the_first(grouped, trips):
    """The second meets it in a group of its own; nobody's writes are undone meanwhile."""
    await register(grouped, "a")
    trips.clear()

    first, second, third = await asyncio.gather(
        grouped.run("register-account", email="d@example.org", handle="same", display_name="D"),
        grouped.run("register-account", email="b@example.org", handle="same", display_name="B"),
        grouped.run("register-account", email="c@example.org", handle="c", display_name="C"),
        return_exceptions=True,
    )

    assert [type(each) for each in (first, second, third)] == [Answer, HandleTaken, Answer]
    assert len(trips) == 3


async def test_an_id_that_two_of_a_group_choose_is_the_first_ones(grouped):
    chosen = str(UUID(int=7, version=4))

    first, second = await asyncio.gather(
        grouped.run("register-account", account_id=chosen, email="a@example.org", handle="a", display_name="A"),
        grouped.run("register-account", account_id=chosen, email="b@example.org", handle="b", display_name="B"),
        return_exceptions=True,
    )

    assert [type(each) for each in (first, second)] == [Answer, AccountExists]
    assert len(await grouped.events()) == 2


async def test_changes_of_one_account_in_a_group_see_one_another(grouped):
    """None is lost, and none is stale: each is carried out behind the one before it."""
    await register(grouped, "a")

    answers = await asyncio.gather(
        *(grouped.run("change-email", account="@a", email=f"a{n}@example.org") for n in range(8))
    )

    assert sorted(answer.outcome.version for answer in answers) == list(range(2, 10))


@pytest.mark.parametrize(("name", "fields"), [("update-profile", {"bio": "x"}), ("suspend-account", {})])
async def test_a_group_waits_for_no_lock(grouped, database_url, trips, name, fields):
    """Whether it is read or written, what another transaction holds goes on alone; the others share one group."""
    await register(grouped, "held", "free")
    trips.clear()
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("select * from accounts where handle = 'held' for update")
        waiting = asyncio.create_task(grouped.run(name, account="@held", **fields))

        await asyncio.gather(grouped.run(name, account="@free", **fields), *registrations(grouped, 3))

        assert len(trips) == 4
        assert not waiting.done()
    assert (await waiting).outcome.version == 2


async def test_a_member_that_another_transaction_holds_is_not_said_to_be_removed(grouped, database_url):
    """An event would say so, of a row that stays."""
    member = {"group": "g", "account": "@a"}
    await register(grouped, "a")
    await create_groups(grouped, "g")
    await grouped.run("add-group-member", **member)
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("select * from memberships for update")
        waiting = asyncio.create_task(grouped.run("remove-group-member", **member))

        await asyncio.gather(*registrations(grouped, 3))

        assert not waiting.done()
    assert (await waiting).outcome.version == 2
    with pytest.raises(MemberNotFound):
        await grouped.run("remove-group-member", **member)


async def test_a_command_that_lacks_one_of_its_events_is_not_committed(grouped, database_url):
    """Though its last one is there, by which its outcome is found."""
    with psycopg.connect(database_url) as elsewhere:
        append(elsewhere)
        [(chosen,)] = elsewhere.execute("select aggregate_id from event_log").fetchall()

    with pytest.raises(AccountExists):
        await grouped.run("register-account", account_id=str(chosen), **ANDRE)


async def test_a_value_that_another_transaction_may_take_holds_nobody_up(grouped, database_url):
    """It has not committed yet: what wants the same value waits for it, the others of the group do not."""
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await take(other, "p1@example.org")
        first, waiting, *others = map(asyncio.create_task, registrations(grouped, 4))

        await asyncio.gather(first, *others)

        assert not waiting.done()
        await other.rollback()
    assert (await waiting).outcome.version == 1


async def take(other: psycopg.AsyncConnection, email: str) -> None:
    """Take an address in a transaction that goes on."""
    await other.execute(
        """
        insert into accounts (id, version, email, email_unique, handle, handle_unique, status)
        values (gen_random_uuid(), 1, %(email)s, %(email)s, 'other', 'other', 'active')""",
        {"email": email},
    )


async def test_a_row_that_is_held_is_not_missing(grouped, database_url):
    """To leave out what is locked must not become a 404."""
    await register(grouped, "held")
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("select * from accounts where handle = 'held' for update")
        waiting = asyncio.create_task(grouped.run("update-profile", account="@held", bio="x"))
        with pytest.raises(AccountNotFound):
            await grouped.run("update-profile", account="@nobody", bio="x")
        assert not waiting.done()

    assert (await waiting).outcome.version == 2


async def test_a_key_in_flight_elsewhere_holds_nobody_up(grouped, database_url, trips):
    """Another process carries the same out and has not committed yet: only what comes under that key waits."""
    await register(grouped, "a")
    trips.clear()
    async with (
        postgres_write_side(database_url) as elsewhere,
        await psycopg.AsyncConnection.connect(database_url) as other,
    ):
        running = context("register-account", key="k", **ANDRE)
        async with elsewhere.units.under(running):
            await take(other, ANDRE["email"])
            waiting = asyncio.create_task(grouped.run("register-account", key="k", **ANDRE))
            async with asyncio.timeout(30):
                await asyncio.gather(*registrations(grouped, 3))
            assert not waiting.done()
            assert len(trips) == 3  # one to ask what was done under the key
            await other.rollback()

    assert (await waiting).replayed is False


async def test_a_request_that_is_cancelled_cancels_no_other(grouped, monkeypatch):
    trip = PipelinedTransaction.trip
    on_its_way = asyncio.Event()

    async def noticed(transaction, *statements):
        on_its_way.set()
        return await trip(transaction, *statements)

    monkeypatch.setattr(PipelinedTransaction, "trip", noticed)
    tasks = [asyncio.create_task(each) for each in registrations(grouped, 4)]
    await on_its_way.wait()

    tasks[1].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(each) for each in outcomes] == [Answer, asyncio.CancelledError, Answer, Answer]
    assert (await grouped.run("register-account", email="z@example.org", handle="z", display_name="Z")).outcome


class Sent(NamedTuple):
    """A command, and how it ends where a COMMIT of its group is lost that took effect, or did not."""

    name: str
    key: str | None
    fields: dict[str, str]
    stored: Any
    undone: Any


def by_handle(handle: str) -> dict[str, str]:
    return {"handle": handle, "email": f"{handle}@example.org", "display_name": handle}


NEW = [
    Sent("register-account", "new", by_handle("new"), "done", Unavailable),
    Sent("register-account", None, by_handle("keyless"), "done", Unavailable),
]
DONE_BEFORE = [
    Sent("register-account", "old", ANDRE, "replayed", "replayed"),
    Sent("register-account", "old", by_handle("another"), IdempotencyMismatch, IdempotencyMismatch),
]
REFUSED = [Sent("register-account", "refused", by_handle("taken"), EmailTaken, Unavailable)]
LOOKING = [
    Sent("suspend-account", "looks", {"account": "@nobody"}, AccountNotFound, AccountNotFound),
    Sent("suspend-account", "changes", {"account": "@taken"}, "done", Unavailable),
    Sent("update-profile", "changes nothing", {"account": "@andre.carson"}, "done", Unavailable),
]


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("others", [[], REFUSED, LOOKING], ids=["all store at once", "one is refused", "some look"])
async def test_a_lost_commit_is_answered_to_each_as_if_it_were_alone(database_url, monkeypatch, cut, others):
    """Each asks by its own key; what was done under a key before is replayed, whatever becomes of the COMMIT."""
    group = [*NEW, *DONE_BEFORE, *others]
    is_stored = cut is not Cut.BEFORE and others is not REFUSED
    async with cut_off(database_url, cut) as (proxy, grouped):
        await register(grouped, "taken")
        first = await grouped.run("register-account", key="old", **ANDRE)

        async def send(each: Sent) -> Answer:  # from a process each, as requests with one key wait in theirs
            return await grouped.run(each.name, key=each.key, by=grouped.another_executor(), **each.fields)

        cut_next_commit(monkeypatch, proxy)
        answers = await asyncio.gather(*map(send, group), return_exceptions=True)

        assert list(map(how_it_ended, answers)) == [each.stored if is_stored else each.undone for each in group]
        assert (answers[2].outcome, proxy.cuts) == (first.outcome, 1)
        again = await send(NEW[0])
        assert again.replayed is is_stored
        assert not is_stored or again.outcome == answers[0].outcome
        told = [each.event.handle for each in await grouped.events() if isinstance(each.event, AccountRegistered)]
        assert sorted(told) == ["andre.carson", *(["keyless"] if is_stored else []), "new", "taken"]


@asynccontextmanager
async def cut_off(database_url: str, cut: Cut) -> AsyncIterator[tuple[CuttingProxy, WriteSide]]:
    """Make a write side whose connections `cut_next_commit` may cut."""
    proxy = CuttingProxy(database_url, cut=cut, share=0, seed=0)
    async with proxy.running(), postgres_write_side(proxy.url, grouped=True) as grouped:
        yield proxy, grouped


def cut_next_commit(monkeypatch: pytest.MonkeyPatch, proxy: CuttingProxy) -> None:
    attempt = Pipeline.attempt

    async def cut_once(pipeline, *statements, **more):
        if ("COMMIT", ()) in statements:
            monkeypatch.setattr(Pipeline, "attempt", attempt)
            proxy.share = 1
        try:
            return await attempt(pipeline, *statements, **more)
        finally:
            proxy.share = 0

    monkeypatch.setattr(Pipeline, "attempt", cut_once)


def how_it_ended(answer: Answer | BaseException) -> Any:
    return ("replayed" if answer.replayed else "done") if isinstance(answer, Answer) else type(answer)


async def test_a_key_is_held_before_commit_is_sent(grouped, database_url, monkeypatch):
    """So that what asks whether a lost COMMIT took effect waits, and is not told no before the server hears of it."""
    attempt, held = Pipeline.attempt, list[int]()
    keys = "select count(*) from pg_locks where locktype = 'advisory' and classid = 1262836051"

    async def looked_before(pipeline, *statements, **more):
        if ("COMMIT", ()) in statements:
            async with connected(database_url, autocommit=True) as elsewhere:
                held.extend(chain(*await (await elsewhere.execute(keys)).fetchall()))
        return await attempt(pipeline, *statements, **more)

    monkeypatch.setattr(Pipeline, "attempt", looked_before)

    await register(grouped, "a")
    await grouped.run("suspend-account", account="@a")

    assert held == [1, 1]


async def test_a_process_that_freezes_before_commit_holds_others_up_for_a_while(database_url, monkeypatch):
    """The server ends its transaction: else nobody would ever read what is behind it in the log, or have its key."""
    attempt, soon = Pipeline.attempt, TransactionLimits(idle_seconds=1)
    held = "select from pg_locks where locktype = 'advisory'"

    async def frozen(pipeline, *statements, **more):
        if ("COMMIT", ()) in statements:
            monkeypatch.setattr(Pipeline, "attempt", attempt)
            with psycopg.connect(database_url, autocommit=True) as elsewhere:
                assert elsewhere.execute(held).rowcount
                await until_here(lambda: not elsewhere.execute(held).rowcount)
        return await attempt(pipeline, *statements, **more)

    async with postgres_write_side(database_url, grouped=True, limits=soon) as grouped:
        monkeypatch.setattr(Pipeline, "attempt", frozen)

        await register(grouped, "a")  # again

        assert len(await grouped.events()) == 2


async def test_what_fails_before_commit_is_sent_is_not_committed(database_url):
    """Its transaction goes on, as that of anything that fails with COMMIT behind it."""
    savepoint, undo, commit = ("savepoint s", ()), ("rollback to s", ()), ("COMMIT", ())
    async with connected(database_url, autocommit=True) as connection:
        pipeline = Pipeline(connection, prepared=set())
        await pipeline.carry_out(("create temporary table stored (n integer)", ()))
        insert = ("insert into stored values (%s)", (1,))
        claimed = await pipeline.begin(
            ("BEGIN", ()), ("select %s", (7,)), more=[savepoint, insert, ("select 1 / 0", ())]
        )

        rows, error = await pipeline.attempt(("select %s::text", ("decides",)), commit, hints=[("select %s", (3,))])

        assert (claimed, rows, type(error)) == ([(), [(7,)]], [(), ()], psycopg.errors.DivisionByZero)
        *_, decided, _ = await pipeline.carry_out(undo, insert, ("select %s::text", ("decides",)), commit)
        assert decided == [("decides",)]
        assert await pipeline.carry_out(("select n from stored", ())) == [[(1,)]]


@pytest.mark.parametrize(
    ("error", "before", "at"),
    [
        (psycopg.errors.UniqueViolation, True, True),
        (psycopg.errors.DeadlockDetected, True, True),
        (psycopg.errors.AdminShutdown, True, False),  # it may have waited for a standby, and is stored here
        (psycopg.errors.ProtocolViolation, False, False),  # as poolers say that they have lost the server
        (psycopg.OperationalError, False, False),
    ],
)
def test_nothing_is_said_of_a_commit_that_only_the_server_knows(error, before, at):
    assert is_certain(error(), at_commit=False) is before
    assert is_certain(error(), at_commit=True) is at


@pytest.mark.parametrize(("state", "expected"), [("23505", EmailTaken), ("57P01", Unavailable)])
async def test_what_fails_at_commit_is_not_tried_again_unless_that_is_certain(
    grouped, database_url, trips, state, expected
):
    """A refusal by a deferred constraint is one; of a server that stops, the key is asked, and has nothing."""
    with psycopg.connect(database_url) as elsewhere:
        elsewhere.execute(f"""
            create function fail() returns trigger language plpgsql as
            $$ begin raise 'planted' using errcode = '{state}', constraint = 'accounts_email_is_unique'; end $$;
            create constraint trigger fails after insert on accounts deferrable initially deferred
               for each row execute function fail()""")

    with pytest.raises(expected):
        await register(grouped, "a")

    assert len(trips) == 2  # one to read the key of the fingerprints
    assert await grouped.events() == []


async def test_what_was_sent_in_part_is_not_carried_out_with_what_comes_next(database_url):
    async with connected(database_url, autocommit=True) as connection:
        pipeline = Pipeline(connection, prepared=set())
        with pytest.raises(psycopg.DataError):
            await pipeline.carry_out(("create table half ()", ()), ("select %s", ("\0",)))

        with pytest.raises(psycopg.OperationalError):
            await pipeline.carry_out(("select 1", ()))


async def test_readers_are_notified_of_what_they_have_not_read(grouped, database_url, monkeypatch):
    """A notification from elsewhere, behind all others, is the only one that counts in the end."""
    async with grouped.log.connect() as reader:
        await reader.wait(seconds=0)
        await register(grouped, "a")
        assert await reader.wait(seconds=SECONDS)
        assert [each.position for each in await reader.read(after=0, limit=9)] == [1, 2]

        await grouped.run("suspend-account", account="@a")
        assert [each.position for each in await reader.read(after=2, limit=9)] == [3]
        assert not await reader.wait(seconds=0)
        news, is_news = [], reader._is_news
        monkeypatch.setattr(reader, "_is_news", lambda position: is_news(position) and not news.append(position))
        async with connected(database_url, autocommit=True) as elsewhere:
            await elsewhere.execute(f"notify {CHANNEL}, '4'")
        assert await reader.wait(seconds=SECONDS)
        assert news == [b"4"]


@pytest.mark.parametrize("hint", ["select 1 / 0", "insert into twice values (1), (1)"], ids=["at once", "at its end"])
async def test_a_hint_that_fails_is_that_of_nobody(database_url, hint):
    async with connected(database_url, autocommit=True) as connection:
        await connection.execute("create table twice (n integer unique deferrable initially deferred)")
        pipeline = Pipeline(connection, prepared=set())

        rows, _ = await pipeline.attempt(("BEGIN", ()), ("select %s", (7,)), ("COMMIT", ()), hints=[(hint, ())])

        assert rows[1] == [(7,)]
        assert await pipeline.carry_out(("select count(*) from twice", ())) == [[(0,)]]
        rows, error = await pipeline.attempt(("select %s", (7,)), ("select 1 / 0", ()), hints=[("select %s", (2,))])
        assert (rows, type(error)) == ([[(7,)]], psycopg.errors.DivisionByZero)


async def test_a_defect_of_one_is_its_own(grouped, monkeypatch):
    """A group that fails is halved until the one that cannot be stored is alone."""
    store, tried = PipelinedTransaction.store, []

    async def fail(transaction, *statements, **more):
        if any("p2@example.org" in str(parameters) for sql, parameters in statements if "insert into accounts" in sql):
            tried.append(len(statements))
            raise RuntimeError("planted")
        return await store(transaction, *statements, **more)

    monkeypatch.setattr(PipelinedTransaction, "store", fail)

    outcomes = await asyncio.gather(*registrations(grouped, 8), return_exceptions=True)

    assert [type(each) for each in outcomes] == [Answer] * 8
    assert len(tried) == 4  # among 8, 4, 2, and alone in a group; then in a transaction of its own


async def test_a_hot_account_starves_nobody(grouped):
    """Readers of an account come and come; who closes it has left a group once, and is the first of the next."""
    await register(grouped, "hot")
    stop = asyncio.Event()

    async def add_members(nth: int) -> None:
        while not stop.is_set():
            await asyncio.gather(
                grouped.run("add-group-member", group=f"g{nth}", account="@hot", role=str(random.random())),
                return_exceptions=True,
            )

    await create_groups(grouped, *(f"g{n}" for n in range(6)))
    readers = [asyncio.create_task(add_members(n)) for n in range(6)]
    try:
        async with asyncio.timeout(30):
            await grouped.run("close-account", account="@hot")
    finally:
        stop.set()
        await asyncio.gather(*readers)


async def test_a_value_that_is_free_again_is_not_refused(grouped, monkeypatch):
    """Another transaction gives it up between the write that met it and the question what it met."""
    await register(grouped, "a")
    trip = PipelinedTransaction.trip

    async def freed_meanwhile(transaction, *statements):
        if statements[0][0].startswith("rollback to"):
            monkeypatch.setattr(PipelinedTransaction, "trip", trip)
            await grouped.run("change-email", account="@a", email="new@example.org")
        return await trip(transaction, *statements)

    monkeypatch.setattr(PipelinedTransaction, "trip", freed_meanwhile)

    answer = await grouped.run("register-account", email="a@example.org", handle="b", display_name="B")

    assert answer.outcome.version == 1


async def test_those_that_ran_before_go_first_in_the_order_in_which_they_came_back():
    """One that must be alone is passed neither by new ones, nor by those behind an account that all want."""
    lanes = lanes_to_nowhere()

    async def group_of(**terms: Any) -> CommandGroup | None:
        member = Member(context("suspend-account"))
        with suppress(Unavailable):
            await lanes.ask(member, ANY_ACCOUNT, **terms)
        return member.group

    new, first, alone, second, third = await asyncio.gather(
        group_of(), group_of(behind="hot"), group_of(most=1), group_of(behind="hot"), group_of(behind="hot")
    )

    assert len({first, alone, second, third}) == 4
    assert new is second


async def test_a_command_that_is_cancelled_has_no_group():
    """It asked for one, and is gone at the end of the turn: nobody waits for it."""
    member, lanes = Member(context("suspend-account")), lanes_to_nowhere()
    joining = asyncio.create_task(lanes.ask(member, ANY_ACCOUNT))
    await asyncio.sleep(0)

    await member.leave()
    await asyncio.sleep(0)

    assert member.group is None
    joining.cancel()


ANY_ACCOUNT = LookRequest(RowSource(Account, ("id",)), (uuid4(),))


def lanes_to_nowhere() -> Lanes:
    return Lanes(
        transactions=TransactionsAway(),
        command_log=CommandLog(clock=SettableClock()),
        again=lambda **_: RuntimeError("none runs"),
        limits=TransactionLimits(lanes=1),
    )


class TransactionsAway:
    @asynccontextmanager
    async def pipelined(self) -> AsyncIterator[Any]:
        raise Unavailable("planted")
        yield


async def test_a_line_that_looked_before_the_line_ahead_took_effect_runs_again(grouped, monkeypatch):
    """Else it would find the member that the line ahead removes in another transaction, and have nothing to do."""
    await register(grouped, "a")
    await create_groups(grouped, "g")
    member = {"group": "g", "account": "@a"}
    await grouped.run("add-group-member", **member)
    window, trip, looked, settled = Window(), PipelinedTransaction.trip, asyncio.Event(), asyncio.Event()

    async def held_up(transaction, *statements):
        rows = await trip(transaction, *statements)
        if "from memberships" in statements[0][0]:
            monkeypatch.setattr(PipelinedTransaction, "trip", trip)
            looked.set()
            await settled.wait()
        return rows

    monkeypatch.setattr(PipelinedTransaction, "trip", held_up)
    behind = msgspec.structs.replace(invocation("add-group-member", **member), place=Place(window, 1))
    adding = asyncio.create_task(grouped.executor.execute(behind))
    await looked.wait()
    await grouped.run("remove-group-member", **member)
    window.next = 1
    settled.set()

    with pytest.raises(NotYet):
        await adding


@pytest.mark.parametrize("cut", Cut)
async def test_lines_of_a_lost_commit_are_answered_each_for_itself(database_url, monkeypatch, cut):
    """One that was done before is replayed; none of them if the first says that nothing is stored."""
    lines = [{**line, "idempotency_key": line["handle"]} for line in registering("a", "old", "b", "c")]
    async with cut_off(database_url, cut) as (proxy, grouped):
        await answers_of(grouped, lines[1:2])
        cut_next_commit(monkeypatch, proxy)

        answers = await answers_of(grouped, lines)

        replayed = [None] * 4 if cut is Cut.BEFORE else [False, True, False, False]
        assert [answer.get("replayed") for answer in answers] == replayed
        assert len(await grouped.events()) == 2 + 2 * replayed.count(False)


async def test_lines_that_shared_a_lost_commit_say_that_they_may_have_taken_effect(grouped, monkeypatch):
    """They did, together with the one before them, and must not be said to have not been tried."""
    store = PipelinedTransaction.store

    async def lost(transaction, *statements, **more):
        await store(transaction, *statements, **more)
        monkeypatch.setattr(grouped.units, "answer_to", away)
        raise OutcomeUnknown("planted")

    async def away(_):
        raise Unavailable("planted")

    monkeypatch.setattr(PipelinedTransaction, "store", lost)

    answers = await answers_of(grouped, registering("a", "b", "c"))

    unknown = [answer.get("type") for answer in answers].count(OUTCOME_UNKNOWN.type)
    assert unknown > 1
    assert len(await grouped.events()) == 2 * unknown


def registering(*handles: str) -> list[dict[str, Any]]:
    return [{"command": "register-account", **by_handle(each)} for each in handles]


HANDLES = ["a", "b", "c"]
SLUGS = ["g", "h"]


def random_lines(choose: random.Random, count: int) -> list[dict[str, Any]]:
    """Commands about few people and groups, so that most depend on those before them."""
    ids = [str(UUID(int=choose.getrandbits(128), version=4)) for _ in range(count)]

    def account() -> str:
        return choose.choice([f"@{choose.choice(HANDLES)}", choose.choice(ids[:6])])

    def line(nth: int) -> dict[str, Any]:
        handle, slug = choose.choice(HANDLES), choose.choice(SLUGS)
        registration = {"account_id": ids[nth], "handle": handle, "email": f"{nth}@example.org", "display_name": "P"}
        member = {"group": slug, "account": account()}
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("register-account", registration),
            ("register-account", registration),
            ("change-handle", {"account": account(), "handle": handle}),
            ("change-email", {"account": account(), "email": f"{choose.randrange(4)}@example.com"}),
            ("update-profile", {"account": account(), "bio": str(nth)}),
            ("suspend-account", {"account": account()}),
            ("reinstate-account", {"account": account()}),
            ("close-account", {"account": account()}),
            ("erase-account", {"account": account()}),
            ("create-group", {"slug": slug, "name": slug}),
            ("create-group", {"slug": slug, "name": slug}),
            ("delete-group", {"group": slug}),
            ("update-group", {"group": slug, "description": str(nth)}),
            ("add-group-member", member),
            ("add-group-member", {**member, "role": str(nth)}),
            ("change-member-role", {**member, "role": str(nth)}),
            ("remove-group-member", member),
        ]
        name, fields = choose.choice(kinds)
        return {"command": name, **fields}

    return [line(nth) for nth in range(count)]


async def answers_of(
    write_side: WriteSide, lines: list[dict[str, Any]], ids: Ids | None = None
) -> list[dict[str, Any]]:
    def register_units(registry) -> None:
        register_executor(
            registry,
            units=write_side.units,
            clock=write_side.clock,
            ids=ids or TimeOrderedIds(),
            token_key=MemoryTokenKey(),
        )

    async with app_client(write_api, admit_everyone, register_units) as client:
        answer = await client.post(
            "/commands",
            content=b"\n".join(map(msgspec.json.encode, lines)),
            headers={"Content-Type": "application/x-ndjson"},
        )
    return [msgspec.json.decode(each) for each in answer.text.splitlines()]


async def test_what_is_stored_lets_those_behind_it_go_on(grouped):
    """Before anything is heard of its answer, which may have to wait for the disk."""
    window = Window()

    for nth in range(3):
        line = invocation("register-account", handle=f"p{nth}", email=f"p{nth}@example.org", display_name="P")
        await grouped.executor.execute(msgspec.structs.replace(line, place=Place(window, nth)))

    assert window.next == 3


async def test_lines_get_ready_while_those_before_them_are_stored(grouped, monkeypatch, trips):
    """One transaction is as full as the one before it, and begins once that has ended."""
    count, ids, store, stored = 200, CountedIds(), PipelinedTransaction.store, []

    async def held_up(transaction, *statements, **more):
        stored.append(min(count, MOST_AT_ONCE * (len(stored) + 1)))
        async with asyncio.timeout(SECONDS):
            await ids.reached(min(count, stored[-1] + MOST_AT_ONCE))
        return await store(transaction, *statements, **more)

    monkeypatch.setattr(PipelinedTransaction, "store", held_up)

    lines = [{**line, "idempotency_key": line["handle"]} for line in registering(*(f"p{n}" for n in range(count)))]
    answers = await answers_of(grouped, lines, ids)

    assert [answer["status"] for answer in answers] == [200] * count
    assert stored == [64, 128, 192, 200]
    assert trips[1:] == [7] * len(stored)


class CountedIds(TimeOrderedIds):
    def __init__(self) -> None:
        self._made = 0
        self._one_more = asyncio.Event()

    def new(self) -> UUID:
        self._made += 1
        self._one_more.set()
        return super().new()

    async def reached(self, count: int) -> None:
        while self._made < count:
            self._one_more.clear()
            await self._one_more.wait()


def mostly_independent_lines(choose: random.Random, count: int) -> list[dict[str, Any]]:
    """Registrations, and here and there something that has to see one of those just before it."""
    lines = registering(*(f"p{n}" for n in range(count)))
    for nth in range(30, count, 30):
        before = f"p{nth - choose.randrange(1, 9)}"
        lines[nth] = choose.choice(
            [
                *registering(before),
                {"command": "close-account", "account": f"@{before}"},
                {"command": "change-handle", "account": f"@{before}", "handle": f"q{nth}"},
                {"command": "erase-account", "account": f"@{before}"},
            ]
        )
    return lines


def what_happened(answer: dict[str, Any]) -> Any:
    return answer["line"], answer["status"], answer.get("type"), answer.get("version")


@pytest.mark.parametrize("seed", range(examples(2)))
@pytest.mark.parametrize(("lines_of", "count"), [(random_lines, 120), (mostly_independent_lines, 300)])
async def test_lines_that_share_transactions_are_answered_as_one_after_the_other(grouped, seed, lines_of, count):
    """Whatever depends on whatever: the memory adapter, which takes line by line, says what has to come out."""
    lines = lines_of(random.Random(seed), count)
    one_by_one = memory_write_side()

    answers = await answers_of(grouped, lines)

    expected = await answers_of(one_by_one, lines)
    assert list(map(what_happened, answers)) == list(map(what_happened, expected))
    assert [type(each.event) for each in await grouped.events()] == [
        type(each.event) for each in await one_by_one.events()
    ]


@pytest.mark.parametrize(
    ("stored_version", "is_same", "expected"),
    [(1, True, EmailTaken), (1, False, StaleAggregate), (0, False, EmailTaken)],
)
def test_a_value_that_is_taken_refuses_nothing_that_others_have_changed(stored_version, is_same, expected):
    """Closed meanwhile, an account would have refused the change for another reason."""
    account: Any = SimpleNamespace(id=uuid4(), stored_version=stored_version)

    assert isinstance(refusal(Change("update", account, {}), [("accounts_email_is_unique", is_same)]), expected)


REFUSALS = (Conflict, AccountNotFound, GroupNotFound, MemberNotFound)


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_what_is_done_at_once_is_what_would_have_been_done_one_by_one_in_some_order(grouped, database_url, seed):
    """
    In that of the log: the same events, the same versions; and each refusal holds at some point of it.

    Or at one where of two transactions the second was committed first: their positions do not say.
    """
    lines = [*random_lines(random.Random(seed), 150), *registering(*(f"whatever-else-{nth}" for nth in range(6)))]
    named = [(line.pop("command"), line) for line in lines]
    commands = {str(nth): each for nth, each in enumerate(named) if each[0] != "erase-account"}  # which redacts
    answers = await asyncio.gather(
        *(grouped.run(name, correlation=nth, **fields) for nth, (name, fields) in commands.items()),
        return_exceptions=True,
    )
    happened, transactions = await grouped.events(), await effective_commands(database_url)
    said = dict(zip(commands, map(what_was_said, answers), strict=True))
    effective = dict.fromkeys(each.metadata.correlation for each in happened if each.metadata.correlation)

    again = await carried_out(commands, said, effective)

    assert len(happened) > 10
    assert by_command(happened) == by_command(await again.write_side.events())
    assert said.keys().isdisjoint(effective)
    for nth in range(1, len(transactions)) if said else ():
        before, two, behind = transactions[: nth - 1], transactions[nth - 1 : nth + 1], transactions[nth + 1 :]
        left = dict(said)
        with suppress(*REFUSALS):  # they were in no order in which one could not have been carried out
            await carried_out(commands, left, list(chain(*before, *reversed(two), *behind)))
            said = left
    assert said == {}


async def effective_commands(database_url: str) -> list[list[str]]:
    """Return the commands that wrote events, those of each transaction in a list, in the order of the log."""
    written = "select xmin::text, metadata ->> 'correlation' from event_log order by position"
    transactions: dict[str, dict[str, None]] = {}
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        async for transaction, nth in await connection.execute(written):
            transactions.setdefault(transaction, {})[nth] = None
    return [list(each) for each in transactions.values()]


async def carried_out(
    commands: dict[str, tuple[str, dict[str, Any]]], said: dict[str, Any], effective: Collection[str]
) -> "OneByOne":
    """Carry out the effective commands anew, and take from `said` what is answered so now, or would be in between."""
    again = OneByOne(commands, said)
    for nth in effective:
        await again.rehearse(but=effective)
        await again.carry_out(nth)
    await again.rehearse(but=effective)
    return again


class TakesEffect(Exception):
    """A command that is only rehearsed would change something."""


class OneByOne(MemoryDatabase):
    """Carries out commands as others were; `said` is what these were answered, and has not been answered here yet."""

    def __init__(self, commands: dict[str, tuple[str, dict[str, Any]]], said: dict[str, Any]) -> None:
        super().__init__(clock=SettableClock())
        self._commands = commands
        self.said = said
        self._rehearses = False
        self.write_side = WriteSide(units=MemoryUnitsOfWork(self), log=self.log, clock=self.clock)

    def append(self, aggregates: Iterable[Aggregate], context: CommandContext) -> int | None:
        if self._rehearses and any(each.pending for each in aggregates):
            raise TakesEffect
        return super().append(aggregates, context)

    async def carry_out(self, nth: str) -> None:
        name, fields = self._commands[nth]
        if what_was_said(await self.write_side.run(name, correlation=nth, **fields)) == self.said.get(nth):
            del self.said[nth]

    async def rehearse(self, *, but: Collection[str]) -> None:
        """
        Take from `said` what would be answered at this point without any effect.

        :param but: those that had one; a member who is added twice is told version 1 both times, with and without it.
        """
        self._rehearses = True
        for nth, said in [(nth, said) for nth, said in self.said.items() if nth not in but]:
            name, fields = self._commands[nth]
            [answer] = await asyncio.gather(self.write_side.run(name, **fields), return_exceptions=True)
            if what_was_said(answer) == said:
                del self.said[nth]
        self._rehearses = False


def what_was_said(answer: Answer | BaseException) -> Any:
    return answer.outcome.version if isinstance(answer, Answer) else type(answer)


def by_command(events: Iterable[RecordedEvent]) -> dict[str | None, list[Any]]:
    """Two transactions that append at once draw positions in turns, so the events of a command may stand apart."""
    written: dict[str | None, list[Any]] = {}
    for each in events:
        told = type(each.event), each.aggregate, each.version
        written.setdefault(each.metadata.correlation, []).append(told)
    return written

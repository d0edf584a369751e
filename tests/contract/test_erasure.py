"""Erasing a person: what goes with them, what the log keeps, and that nothing else can change it."""

import psycopg
import pytest

from shared.event_log.ports import UNKNOWN_ORIGIN
from shared.events import AccountErased, Redacted
from tests.support.write_side import ANDRE, create_groups, postgres_write_side, race, register
from write_side.adapters.postgres.command_log import CommandLog
from write_side.adapters.postgres.connections.transactions import PostgresTransactions
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.errors import (
    AccountExists,
    AccountNotFound,
    Contention,
    MemberNotFound,
    OutcomeUnknown,
    StaleAggregate,
    VersionMismatch,
)
from write_side.ports import Answer

EVERYTHING = {**ANDRE, "external_id": "hr:17", "title": "Senator", "tags": ["house"], "attributes": {"floor": "4"}}


async def live(write_side, **fields):
    """A person who has done everything there is to do; their id."""
    account = (await write_side.run("register-account", **{**EVERYTHING, **fields})).outcome.id
    here, there, gone = await create_groups(write_side, "here", "there", "gone")
    for group in (here, there, gone):
        await write_side.run("add-group-member", group=str(group), account=str(account), role="Chairman")
    await write_side.run("change-member-role", group="here", account=str(account), role="Clerk")
    await write_side.run("remove-group-member", group="there", account=str(account))
    await write_side.run("delete-group", group="gone")
    await write_side.run("change-handle", account=str(account), handle="carson")
    await write_side.run("change-email", account=str(account), email="carson@example.org")
    await write_side.run("update-profile", account=str(account), bio="Wrote a book")
    await write_side.run("suspend-account", account=str(account), reason="late")
    return account, sorted([here, there, gone])


async def told_of(write_side, account):
    """All events but those of groups: there is nobody else."""
    return [each for each in await write_side.events() if each.aggregate != "group"]


async def test_who_is_erased_is_not_found_any_more(write_side):
    account, _ = await live(write_side)

    await write_side.run("erase-account", account="@carson")

    for ref in (str(account), "@carson", "ext:hr:17"):
        with pytest.raises(AccountNotFound):
            await write_side.run("suspend-account", account=ref)


async def test_handle_address_and_external_id_are_free_at_once_and_the_id_never_again(write_side):
    account, _ = await live(write_side)

    await write_side.run("erase-account", account=str(account))

    with pytest.raises(AccountExists):
        await write_side.run("register-account", **EVERYTHING, account_id=str(account))
    another = (await write_side.run("register-account", **EVERYTHING)).outcome.id
    await write_side.run("change-handle", account=str(another), handle="carson")


async def test_the_answer_is_that_of_the_account(write_side):
    account, _ = await live(write_side)

    outcome = (await write_side.run("erase-account", account=str(account), expected=4)).outcome

    *_, last = await write_side.events()
    assert (outcome.id, outcome.version, outcome.position) == (account, 5, last.position)
    assert (last.aggregate, last.aggregate_id, last.version) == ("account", account, 5)


async def test_another_version_is_not_erased(write_side):
    account, _ = await live(write_side)

    with pytest.raises(VersionMismatch):
        await write_side.run("erase-account", account=str(account), expected=3)

    assert not [each for each in await write_side.events() if isinstance(each.event, Redacted | AccountErased)]


async def test_the_same_key_answers_again_and_another_finds_nobody(write_side):
    await register(write_side, "ada")
    first = await write_side.run("erase-account", account="@ada", key="k")

    assert await write_side.run("erase-account", account="@ada", key="k") == Answer(first.outcome, replayed=True)
    with pytest.raises(AccountNotFound):
        await write_side.run("erase-account", account="@ada")


async def test_the_closed_are_erased_like_all_others(write_side):
    await register(write_side, "ada")
    await write_side.run("close-account", account="@ada")

    await write_side.run("erase-account", account="@ada")

    *_, last = await write_side.events()
    assert last.event.status == "closed"


async def test_the_log_keeps_that_something_happened_and_not_what(write_side):
    """Of account, profile and memberships, those included that are over, and those that end with the account."""
    account, groups = await live(write_side)
    before = await told_of(write_side, account)

    await write_side.run("erase-account", account=str(account))

    *redacted, last = await told_of(write_side, account)
    assert last.event == AccountErased(
        account_id=account,
        status="suspended",
        groups=tuple(groups),
        positions=tuple(each.position for each in before),
    )
    assert {type(each.event) for each in redacted} == {Redacted}
    assert {each.event.by for each in redacted} == {last.position}
    assert {each.metadata for each in redacted} == {UNKNOWN_ORIGIN}
    assert [_frame(each) for each in before] == [_frame(each) for each in redacted[: len(before)]]
    assert [each.event.was for each in redacted[len(before) :]] == ["member-removed"]
    assert sorted({each.event.group_id for each in redacted} - {None}) == groups


def _frame(recorded):
    return (
        recorded.position,
        recorded.event_id,
        recorded.aggregate,
        recorded.aggregate_id,
        recorded.version,
        recorded.occurred_at,
    )


async def test_nobody_else_is_touched(write_side):
    """Neither another member of their groups, nor what happened to the groups."""
    await live(write_side)
    [bob] = await register(write_side, "bob")
    await write_side.run("add-group-member", group="here", account="@bob")
    before = {each.position: each for each in await write_side.events()}

    await write_side.run("erase-account", account="@carson")

    after = {each.position: each for each in await write_side.events()}
    changed = {position for position, each in before.items() if after[position] != each}
    assert {before[position].aggregate for position in changed} == {"account", "profile", "membership"}
    assert not any(getattr(before[position].event, "account_id", None) == bob for position in changed)
    await write_side.run("remove-group-member", group="here", account="@bob")


async def test_the_log_tells_of_the_last_erasure(write_side):
    await register(write_side, "ada", "bob")
    first = (await write_side.run("erase-account", account="@ada")).outcome.position
    async with write_side.log.connect() as reader:
        assert await reader.erasure(after=0) == first
        assert await reader.erasure(after=first) is None

        second = (await write_side.run("erase-account", account="@bob")).outcome.position

        assert await reader.erasure(after=first) == second


RACERS = 12


async def test_whatever_is_changed_during_an_erasure_leaves_nothing_of_the_person(write_side):
    """Profile, address and handle: whichever was first, the log ends with the erasure, and reveals nothing."""
    await register(write_side, "ada")
    changes = [
        *(write_side.run("update-profile", account="@ada", bio=f"bio {n}") for n in range(RACERS)),
        *(write_side.run("change-email", account="@ada", email=f"ada{n}@example.org") for n in range(RACERS)),
        *(write_side.run("suspend-account", account="@ada", reason=f"{n}") for n in range(3)),
    ]

    outcomes = await race(
        write_side, *changes[:RACERS], write_side.run("erase-account", account="@ada"), *changes[RACERS:]
    )

    *before, last = await write_side.events()
    assert _refusals(outcomes) <= {AccountNotFound, StaleAggregate}  # who has lost five races in a row gives up
    assert isinstance(last.event, AccountErased)
    assert {type(each.event) for each in before} == {Redacted}


async def test_an_erased_account_belongs_to_no_group(write_side):
    """The account is added, removed and given roles during the erasure."""
    await register(write_side, "ada")
    names = [f"g{n}" for n in range(RACERS)]
    await create_groups(write_side, *names)
    for name in names[::2]:
        await write_side.run("add-group-member", group=name, account="@ada")
    moves = [
        write_side.run(
            ("remove-group-member", "add-group-member", "change-member-role")[number % 3],
            group=name,
            account="@ada",
            **({} if number % 3 == 0 else {"role": "Chair"}),
        )
        for number, name in enumerate(names)
    ]

    outcomes = await race(write_side, *moves[:6], write_side.run("erase-account", account="@ada"), *moves[6:])

    *before, last = [each for each in await write_side.events() if each.aggregate != "group"]
    assert _refusals(outcomes) <= {AccountNotFound, MemberNotFound}
    assert isinstance(last.event, AccountErased)
    assert {type(each.event) for each in before} == {Redacted}
    assert _balance(before) == 0


async def test_groups_that_are_deleted_while_members_are_erased_count_each_once(write_side):
    """Each membership ends once: with its group or with its account."""
    people, groups = [f"p{n}" for n in range(6)], [f"g{n}" for n in range(6)]
    await register(write_side, *people)
    await create_groups(write_side, *groups)
    for group in groups:
        for person in people:
            await write_side.run("add-group-member", group=group, account=f"@{person}")
    work = [
        each
        for person, group in zip(people, groups, strict=True)
        for each in (
            write_side.run("erase-account", account=f"@{person}"),
            write_side.run("delete-group", group=group),
        )
    ]

    outcomes = await race(write_side, *work)

    assert _refusals(outcomes) <= {Contention, StaleAggregate}
    events = await write_side.events()
    ended_with_groups = sum(each.event.members for each in events if hasattr(each.event, "members"))
    assert _balance(events) == ended_with_groups


def _refusals(outcomes):
    return {type(each) for each in outcomes if not isinstance(each, Answer)} - {AccountAlreadyClosed}


def _balance(events):
    """How many memberships began and were not ended by an event of their own."""
    was = [each.event.was if isinstance(each.event, Redacted) else "" for each in events]
    return was.count("member-added") - was.count("member-removed")


@pytest.fixture
async def erased(postgres_only):
    account, _ = await live(postgres_only)
    await register(postgres_only, "bob")
    await postgres_only.run("erase-account", account=str(account))
    return account


@pytest.fixture
async def postgres_only(database_url):
    async with postgres_write_side(database_url) as real:
        yield real


async def test_state_and_log_change_together_or_not_at_all(postgres_only, monkeypatch):
    """It fails when all is done but the commit: nothing is redacted, and the person is there."""
    account, _ = await live(postgres_only)
    before = await postgres_only.events()

    def fail(*_):
        raise RuntimeError("planted")

    with monkeypatch.context() as planted:
        planted.setattr(CommandLog, "fill", fail)
        with pytest.raises(RuntimeError, match="planted"):
            await postgres_only.run("erase-account", account=str(account))

    assert await postgres_only.events() == before
    await postgres_only.run("reinstate-account", account=str(account))


async def test_once_it_is_committed_nothing_is_left_to_be_done(postgres_only, monkeypatch):
    """The process may end with the commit, and the answer to it be lost."""
    account, _ = await live(postgres_only)
    commit = PostgresTransactions.commit

    async def commit_and_be_lost(self, session):
        await commit(self, session)
        raise OutcomeUnknown("planted")

    monkeypatch.setattr(PostgresTransactions, "commit", commit_and_be_lost)
    await postgres_only.run("erase-account", account=str(account))

    *redacted, last = await told_of(postgres_only, account)
    assert isinstance(last.event, AccountErased)
    assert {type(each.event) for each in redacted} == {Redacted}


REFUSED = [
    "delete from event_log",
    "truncate event_log",
    "update event_log set data = '{}'",
    "update event_log set data = data, metadata = metadata where aggregate = 'group'",
    """update event_log set data = '{"type" : "redacted", "by" : 1}', metadata = '{"redacted": true}'""",
    "update event_log set occurred_at = now() where aggregate_id = %(account)s",
    "update event_log set type = 'x' where aggregate_id = %(account)s",
    "update event_log set version = version + 100 where aggregate_id = %(account)s",
    "update event_log set event_id = gen_random_uuid() where aggregate_id = %(account)s",
    """update event_log set data = '{"type":"redacted","by":1}' where aggregate_id = %(account)s""",
    """update event_log set metadata = '{"redacted": true}'
        where aggregate_id = (select id from accounts where handle = 'bob')""",
    # Bob, who is there, by the erasure of another person.
    """update event_log set metadata = '{"redacted": true}',
           data = redaction_of(event_log, (select max(position) from event_log where type = 'account-erased'))
        where aggregate_id = (select id from accounts where handle = 'bob')""",
    # The erasure itself.
    """update event_log set metadata = '{"redacted": true}', data = redaction_of(event_log, position)
        where type = 'account-erased'""",
    # More than the marker.
    """update event_log set metadata = '{"redacted": true}',
           data = ('{"type" : "redacted", "by" : ' || (data ->> 'by') || ', "note" : "x"}')::json
        where aggregate_id = %(account)s and type <> 'account-erased'""",
]


async def test_nothing_but_an_erasure_changes_the_log(erased, database_url, subtests):
    """Not even a superuser: the triggers look at what is changed, and not at who does it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in REFUSED:
            with subtests.test(statement), pytest.raises(psycopg.errors.RestrictViolation):
                connection.execute(statement, {"account": erased})


async def test_redacting_again_changes_nothing(erased, database_url):
    with psycopg.connect(database_url) as connection:
        before = connection.execute("select * from event_log order by position").fetchall()

        connection.execute("select redact_events_of(%s, max(position)) from event_log", (erased,))

        assert connection.execute("select * from event_log order by position").fetchall() == before


async def test_nobody_is_redacted_who_was_not_erased(postgres_only, database_url):
    await register(postgres_only, "bob")
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("select redact_events_of(id, 1) from accounts")


async def test_no_other_table_tells_of_an_erasure(postgres_only, database_url):
    """Not even one that is found before the log because it is temporary."""
    await register(postgres_only, "bob")
    with psycopg.connect(database_url) as connection:
        connection.execute("create temporary table event_log as select * from public.event_log")
        connection.execute("update pg_temp.event_log set type = 'account-erased' where aggregate = 'account'")

        with pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute(
                """update public.event_log as entry set data = redaction_of(entry, position),
                                                        metadata = '{"redacted": true}' where aggregate = 'account'"""
            )


async def test_nothing_of_the_person_is_left_in_any_table(erased, database_url):
    """Nor in what the database's catalogue does not call text: every column is looked at as text."""
    values = ["andre", "Carson", "hr:17", "Senator", "house", "Wrote a book", "late", "Chairman", "Clerk", "a-request"]
    with psycopg.connect(database_url) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        found = {
            (table, value)
            for (table,) in tables
            for value in values
            if connection.execute(
                f"select from {table} as row where row::text ilike %s and not row::text like '%%bob%%'",
                (f"%{value}%",),
            ).fetchone()
        }

    assert found - {("event_log", "a-request")} == set()

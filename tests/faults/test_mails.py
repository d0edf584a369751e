"""The mail server goes away twice, and what writes mails is killed again and again: every account has its mail."""

import asyncio

import psycopg
import pytest

from tests.support.mail_servers import Mailbox
from tests.support.patience import until
from tests.support.served import REACT, ServedApp
from tests.support.write_side import postgres_write_side

AT_ONCE = 8
LIMITS = f"reaction.first_seconds=0.2,reaction.longest_seconds=1,reaction.again_seconds=0.1,reaction.at_once={AT_ONCE}"
WITHIN = 600.0


async def holds(mailbox: Mailbox, people: int) -> None:
    """Return once so many people have mail."""
    await until(lambda: len({mail.recipients[0] for mail in mailbox.taken}) >= people, seconds=WITHIN)


async def register_all(database_url: str, people: int) -> None:
    async with postgres_write_side(database_url, grouped=True) as side:

        async def register(number: int) -> None:
            person = {"handle": f"p{number}", "email": f"p{number}@example.org", "display_name": f"P {number}"}
            await side.run("register-account", **person)

        for first in range(0, people, 50):
            await asyncio.gather(*map(register, range(first, min(first + 50, people))))


async def waits(database_url: str, *, after_attempts: int) -> bool:
    query = "select exists (select from deliveries where attempts >= %s)"
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        [(found,)] = await (await connection.execute(query, (after_attempts,))).fetchall()
    return bool(found)


@pytest.mark.parametrize(
    ("people", "kills"),
    [pytest.param(100, 2, id="short"), pytest.param(10_000, 5, id="whole", marks=pytest.mark.soak)],
)
async def test_every_account_has_its_mail(database_url, people, kills, capsys):
    """Some have it twice, then with one Message-ID: no more than were under way when a process was killed."""
    mailbox = Mailbox()
    process = ServedApp(
        REACT,
        MUSTER_DATABASE_URL=database_url,
        MUSTER_SMTP_URL=f"smtp://127.0.0.1:{mailbox.port}",
        MUSTER_MAIL_FROM="muster@example.org",
        MUSTER_PUBLIC_URL="https://muster.example",
        MUSTER_LIMITS=LIMITS,
        MUSTER_REMINDER_AFTER="100000000",  # people are registered by a clock that stands days ago
    )
    await mailbox.come()
    try:
        await asyncio.to_thread(process.start)
        registering = asyncio.create_task(register_all(database_url, people))
        for nth in range(kills):
            await holds(mailbox, people * (nth + 1) // (kills + 2))
            process.kill()
            if is_away := nth < 2:
                await mailbox.go()
            await asyncio.to_thread(process.start)
            if is_away:
                await until(lambda: waits(database_url, after_attempts=2), seconds=WITHIN)
                await mailbox.come()
        await registering
        await holds(mailbox, people)
    finally:
        process.kill()
        await mailbox.go()

    ids = mailbox.ids
    duplicates = sum(count - 1 for each in ids.values() for count in each.values())
    with capsys.disabled():
        print(f"\n{people} accounts, {kills} kills: {duplicates} mails came twice")  # noqa: T201 - it is a figure
    assert ids.keys() == {f"p{number}@example.org" for number in range(people)}
    assert {len(each) for each in ids.values()} == {1}
    assert duplicates <= kills * AT_ONCE

"""Runs in which faults strike the bench one after the other, and the table of what came of it."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median

from projector.adapters.postgres.directory import PostgresDirectory
from projector.audit.verify.verification import Verification
from projector.projections.registry import PROJECTIONS
from shared.event_log import RecordedEvent
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.redis.client import connect
from shared.wording import counted
from tests.support.bench import RECEIVER, Bench, running_bench
from tests.support.faults.deliveries import Faults, mail_faults, webhook_faults
from tests.support.faults.fault import Fault
from tests.support.oracle import Verdict, assert_directory_is_what_the_log_tells, verdict_on
from tests.support.stack import until
from tests.support.verifying import HandInRedis, unwatched
from write_side.adapters.postgres.deliveries import PostgresDeliveries
from write_side.adapters.postgres.webhooks import PostgresWebhooks
from write_side.ports import DeliverySession
from write_side.webhooks.administration import change_webhook
from write_side.webhooks.ports import WebhookSession
from write_side.webhooks.webhook import Webhook

AHEAD = timedelta(minutes=1)
"""Nothing but a clock that was ahead has put anything off for as long."""


@dataclass
class Record:
    """What is known of one kind of fault, over all runs."""

    recoveries: list[float] = field(default_factory=list)
    """Seconds from its end until a new command was read back, by runs."""
    commands: int = 0
    """Whose outcome became known while it was there or recovered from."""
    wrong: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("lost", "duplicated", "stale"), 0))
    """In the runs in which it struck."""


class Campaign:
    """Seeded runs of the faults that this machine permits; what they were like, by kind."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        missing = {each.name: each.missing() for each in faults}
        self.faults = [each for each in faults if missing[each.name] is None]
        self.left_out = {name: why for name, why in missing.items() if why}
        """Why the others are not tried."""
        self.records: dict[str, Record] = defaultdict(Record)
        self.seeds: list[int] = []
        """One a run, of that which was broken off too."""
        self.striking: str | None = None
        """What is there now; in the end, what a run was broken off in."""

    async def run(self, faults: Sequence[Fault], *, seed: int, redis_program: Path | None = None) -> Verdict:
        """Let these strike under load, in an order that the seed chooses, and judge."""
        order = Random(seed).sample(faults, k=len(faults))
        self.seeds.append(seed)
        async with running_bench(seed=seed, redis_program=redis_program) as bench:
            async with bench.under_load():
                for fault in order:
                    await self._strike(fault, bench)
            verdict = await _judged(bench)
        self._count(faults, verdict)
        return verdict

    async def _strike(self, fault: Fault, bench: Bench) -> None:
        before, self.striking = bench.load.done, fault.name
        bench.readers.may_fall = fault.redis_loses
        async with fault.strike(bench):
            await bench.last(bench.random.uniform(0, fault.lasts))
            over = time.monotonic()
        await bench.recovered()
        record = self.records[fault.name]
        record.recoveries.append(time.monotonic() - over)
        bench.readers.may_fall = False
        record.commands += bench.load.done - before
        self.striking = None

    def _count(self, faults: Sequence[Fault], verdict: Verdict) -> None:
        for fault in faults:
            for kind in self.records[fault.name].wrong:
                self.records[fault.name].wrong[kind] += len(getattr(verdict, kind))

    def share(self, seed: int, size: int) -> Sequence[Fault]:
        """So many of the kinds that consecutive seeds go through all of them, then in another order."""
        parts = -(-len(self.faults) // size)
        deck = Random(seed // parts).sample(self.faults, k=len(self.faults))
        return deck[seed % parts :: parts]

    def never_fired(self, faults: Sequence[Fault]) -> list[str]:
        return [fault.name for fault in faults if not self.records[fault.name].recoveries]

    def table(self) -> str:
        """One line a kind, in the order in which they are listed; then those that could not be tried."""
        head = f"{'fault':<30} fired commands  lost dupl. stale  p50 s  max s"
        runs = f"{counted(len(self.seeds), 'run')} from --fault-seed {next(iter(self.seeds), 'none')} on"
        lines = [_line(fault.name, self.records[fault.name]) for fault in self.faults]
        broken_off = [f"broken off in: {self.striking}"] if self.striking else []
        left_out = [f"not run here: {name}: {why}" for name, why in self.left_out.items()]
        return "\n".join([runs, head, *lines, *left_out, *broken_off])


async def _judged(bench: Bench) -> Verdict:
    """What is to be said once the load has ended."""
    unanswered, answered_twice = await bench.messages.faults()
    events = await _events(bench)
    mails, changes = await _mail_faults(bench, events), await _webhook_faults(bench, events)
    with bench.database() as database, bench.redis_client() as redis:
        verdict = await verdict_on(bench.load, read_url=bench.addresses.read, database=database)
        verdict.stale = [*bench.readers.taken_back, *bench.readers.wrong()]
        verdict.differences = await _differences(bench)
        verdict.lost += [*unanswered, *mails.lost, *changes.lost]
        verdict.duplicated += [*answered_twice, *mails.strange, *changes.strange]
        verdict.false += bench.receivers.not_signed(RECEIVER, bench.webhook.secret)
        assert_directory_is_what_the_log_tells(database, redis)
    return verdict


async def _events(bench: Bench) -> Sequence[RecordedEvent]:
    """All that the log has: nothing changes any more."""
    async with PostgresEventLog(bench.postgres.url).connect() as reader:
        events: list[RecordedEvent] = []
        while some := await reader.read(after=events[-1].position if events else 0, limit=1_000):
            events += some
    return events


async def _mail_faults(bench: Bench, events: Sequence[RecordedEvent]) -> Faults:
    async with PostgresDeliveries(bench.postgres.url).connect() as session:
        await until(lambda: _is_delivered(session, head=events[-1].position))
    return mail_faults(events, bench.mailbox.taken, besides={each.account.email for each in bench.forgotten})


async def _webhook_faults(bench: Bench, events: Sequence[RecordedEvent]) -> Faults:
    async with PostgresWebhooks(bench.postgres.url).connect() as session:
        await until(lambda: _is_sent(session, head=events[-1].position))
    besides = {each.id for each in bench.forgotten}
    return webhook_faults(events, bench.receivers.taken(RECEIVER), besides=besides)


async def _is_sent(session: WebhookSession, *, head: int) -> bool:
    """Whether everything was sent; what a clock that was ahead has put off is tried at once, as by hand."""
    [webhook] = await session.all()
    if webhook.retry_at and webhook.retry_at > datetime.now(UTC) + AHEAD:
        await change_webhook(session, webhook.name, Webhook.resumed)
    return webhook.position >= head


async def _is_delivered(session: DeliverySession, *, head: int) -> bool:
    """Whether nothing waits but reminders; what a clock that was ahead has put off is tried at once, as by hand."""
    now = datetime.now(UTC)
    waiting = [each for each in await session.all(limit=100_000) if each.is_ordered]
    await session.retry([each.id for each in waiting if each.due_at > now], now=now)
    return not waiting and await session.checkpoint() >= head


async def _differences(bench: Bench) -> list[str]:
    """Between Redis, the log and PostgreSQL's state, as `muster verify` finds them."""
    log, directory = PostgresEventLog(bench.postgres.url), PostgresDirectory(bench.postgres.url)
    verification = Verification(log=log, directory=directory, progress=unwatched())
    async with connect(bench.redis.url) as client:
        hand = HandInRedis(client)
        verified = [await verification.verify(hand.subject(each)) for each in PROJECTIONS]
    return [str(detail) for each in verified for detail in each.details]


def _line(name: str, record: Record) -> str:
    lost, duplicated, stale = record.wrong.values()
    middle, most = (median(record.recoveries), max(record.recoveries)) if record.recoveries else (0.0, 0.0)
    numbers = f"{len(record.recoveries):>5} {record.commands:>8} {lost:>5} {duplicated:>5} {stale:>5}"
    return f"{name:<30} {numbers} {middle:>6.2f} {most:>6.2f}"

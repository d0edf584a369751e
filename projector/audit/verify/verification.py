"""Verifying one projection: Redis against the log, the log against PostgreSQL's state, and repairing what differs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from time import perf_counter

import msgspec

from projector.audit.drift import COUNTERPARTS, Counterpart, Drift, Fields, drifts
from projector.audit.ports import Directory
from projector.audit.verify.differences import MOST_DETAILS, Difference, Findings
from projector.audit.verify.examination import Examination
from projector.audit.verify.fold import Fold, RecordsAhead
from projector.audit.verify.following import FollowingFold, VerifyLimits
from projector.audit.verify.repair import Repair
from projector.declaring.documents import Key
from projector.declaring.projection import Projection
from projector.store.errors import Superseded
from projector.store.ports import ProjectionStore
from shared.event_log import EventLog
from shared.runtime.progress import Progress

BEGINNINGS = 3
"""How often a verification begins anew: see `FollowingFold.look`."""


class ReadModelUnstable(Exception):
    """The read model changed so much meanwhile that nothing can be said of it; try again."""


class Verified(msgspec.Struct, kw_only=True):
    """The result of verifying one projection; `seconds` is the time it took."""

    projection: str
    position: int
    documents: int
    entries: int
    """Look-ups and entries of lists."""
    rows: int = 0
    """Of PostgreSQL's state."""
    stale: int = 0
    """Documents that events are parked for: they were compared with what they should be without those."""
    differences: int
    repaired: int = 0
    details: list[Difference] = []
    seconds: float

    @property
    def stands(self) -> int:
        """How many differences are left."""
        return self.differences - self.repaired


class Report(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer of `muster verify --json`: `position` is the lowest that was compared."""

    position: int
    checked: int
    stale: int = 0
    """Documents that events are parked for."""
    differences: int
    repaired: int | None = None
    """Only where repairing was asked for."""
    details: list[Difference]


def report(verified: list[Verified], *, repair: bool) -> Report:
    return Report(
        position=min((each.position for each in verified), default=0),
        checked=sum(each.documents + each.entries + each.rows for each in verified),
        stale=sum(each.stale for each in verified),
        differences=sum(each.differences for each in verified),
        repaired=sum(each.repaired for each in verified) if repair else None,
        details=[detail for each in verified for detail in each.details][:MOST_DETAILS],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """
    Compares a projection's live generation with the log and the log with the state, while all of them go on.

    :param directory: None where there is no state, as in memory.
    """

    log: EventLog
    directory: Directory | None
    progress: Progress
    limits: VerifyLimits = field(default_factory=VerifyLimits)

    async def verify(self, store: ProjectionStore, *, repair: bool = False) -> Verified:
        """
        Compare, and write anew what differs in the store, if that is asked for.

        :raises NothingToVerify: there is no generation that could be compared.
        :raises Unsound: it is damaged, or the log is not the one that was projected, or cannot be folded.
        :raises ReadModelUnstable: the generation was another one each time.
        :raises Unavailable: PostgreSQL or Redis is.
        """
        reasons: list[str] = []
        while len(reasons) < BEGINNINGS:
            try:
                return await self._verify(store, repair=repair)
            except Superseded as error:
                reasons.append(str(error))
        raise ReadModelUnstable(f"projection {store.projection.label}: {'; then '.join(reasons)}: try again")

    async def _verify(self, store: ProjectionStore, *, repair: bool) -> Verified:
        began, fold = perf_counter(), Fold(store.projection)
        async with self.log.connect() as reader:
            following = FollowingFold(fold, reader=reader, inspector=store.inspector, limits=self.limits)
            await following.begin(self.progress)
            examination = Examination(following)
            findings = await examination.examine(self.progress)
            left = await _repaired(findings, examination, following, store) if repair else findings
        position, stale = following.checkpoint.reached, len(fold.parking.documents())
        rows = await self._compare_with_state(fold, findings)
        return Verified(
            projection=store.projection.label,
            position=position,
            documents=examination.documents,
            entries=examination.entries,
            rows=rows,
            stale=stale,
            differences=findings.count,
            repaired=findings.in_store - left.in_store,
            details=findings.details,
            seconds=round(perf_counter() - began, 3),
        )

    async def _compare_with_state(self, fold: Fold, findings: Findings) -> int:
        """Tell where the log and the state differ, and give the number of rows; the fold is of no use afterwards."""
        counterparts = COUNTERPARTS.get(fold.projection.name, ())
        if self.directory is None or not counterparts:
            return 0
        count = 0
        async with self.directory.snapshot() as snapshot:
            records = RecordsAhead(fold)
            while events := await snapshot.events(after=records.position, limit=self.limits.portion):
                records.advance(events)
            for counterpart in counterparts:
                rows = _own(snapshot.rows(counterpart), counterpart.kind, fold.projection)
                async for id_, differing in drifts(records, counterpart.kind, rows):
                    count += 1
                    for drift in differing:
                        findings.add_state(_difference(fold.projection, counterpart, id_, drift))
        return count


async def _own(
    rows: AsyncIterator[tuple[str, Fields]], kind: str, projection: Projection
) -> AsyncIterator[tuple[str, Fields]]:
    """Leave out what lies in other partitions."""
    async for row in rows:
        if projection.holds(Key(kind, row[0])):
            yield row


async def _repaired(
    findings: Findings, examination: Examination, following: FollowingFold, store: ProjectionStore
) -> Findings:
    """Write anew what was found, and give what is still not as it should be."""
    if not findings.in_store:
        return findings
    await Repair(following, model=store.model).repair(findings)
    return await examination.again(findings)


def _difference(projection: Projection, counterpart: Counterpart, id: str, drift: Drift) -> Difference:
    return Difference(
        projection=projection.label,
        entity=f"{counterpart.kind} {id}",
        field=f"state.{drift.field}",
        expected=drift.expected,
        found=drift.found,
    )

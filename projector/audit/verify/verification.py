"""Verifying projections: Redis against the log, the log against PostgreSQL's state, and repairing what differs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from time import perf_counter
from typing import NamedTuple

import msgspec

from projector.audit.drift import COUNTERPARTS, Counterpart, Drift, Fields, drifts
from projector.audit.ports import Directory
from projector.audit.verify.differences import MOST_DETAILS, Difference, Findings
from projector.audit.verify.examination import Examination
from projector.audit.verify.fold import RecordsAhead
from projector.audit.verify.following import FollowingFold, VerifyLimits, begin_together
from projector.audit.verify.repair import Repair
from projector.declaring.documents import Key
from projector.store.collections import Variant
from projector.store.errors import Superseded
from projector.store.inspection import GenerationQuery
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

    async def verify_all(self, stores: Sequence[ProjectionStore], *, repair: bool = False) -> list[Verified]:
        """Verify each projection; parts of one together, as many as have no more than memory is meant for."""
        return [await self.verify(*each, repair=repair) for each in await self._together(stores)]

    async def verify(self, *stores: ProjectionStore, repair: bool = False) -> Verified:
        """
        Compare a projection, or parts of it, and write anew what differs in the store, if that is asked for.

        :raises NothingToVerify: there is no generation that could be compared.
        :raises Unsound: it is damaged, or the log is not the one that was projected, or cannot be folded.
        :raises ReadModelUnstable: the generation was another one each time.
        :raises Unavailable: PostgreSQL or Redis is.
        """
        reasons: list[str] = []
        while len(reasons) < BEGINNINGS:
            try:
                return await self._verify(stores, repair=repair)
            except Superseded as error:
                reasons.append(str(error))
        raise ReadModelUnstable(f"projection {_name(stores)}: {'; then '.join(reasons)}: try again")

    async def _verify(self, stores: Sequence[ProjectionStore], *, repair: bool) -> Verified:
        began = perf_counter()
        async with self.log.connect() as reader:
            followings = [FollowingFold(each, reader=reader, limits=self.limits) for each in stores]
            await begin_together(followings, reader=reader, progress=self.progress)
            examined = [await self._examine(each, repair=repair) for each in followings]
        rows = await self._compare_with_state(followings, state := Findings())
        return Verified(
            projection=_name(stores),
            position=min(each.checkpoint.reached for each in followings),
            documents=sum(each.documents for each in examined),
            entries=sum(each.entries for each in examined),
            rows=rows,
            stale=sum(len(each.fold.parking.documents()) for each in followings),
            differences=sum(each.findings.count for each in examined) + state.count,
            repaired=sum(each.repaired for each in examined),
            details=[*chain.from_iterable(each.findings.details for each in examined), *state.details],
            seconds=round(perf_counter() - began, 3),
        )

    async def _examine(self, following: FollowingFold, *, repair: bool) -> "_Examined":
        examination = Examination(following)
        findings = await examination.examine(self.progress)
        left = await _repaired(findings, examination, following) if repair else findings
        repaired = findings.in_store - left.in_store
        return _Examined(examination.documents, examination.entries, findings, repaired)

    async def _together(self, stores: Sequence[ProjectionStore]) -> list[list[ProjectionStore]]:
        """Put parts of one projection together, as long as they have few documents enough."""
        groups, last, documents = list[list[ProjectionStore]](), "", 0
        for each in stores:
            own = await _documents_in(each)
            documents += own
            if each.projection.name != last or documents > self.limits.together:
                groups.append([])
                last, documents = each.projection.name, own
            groups[-1].append(each)
        return groups

    async def _compare_with_state(self, followings: Sequence[FollowingFold], findings: Findings) -> int:
        """Tell where the log and the state differ, and give the number of rows; the folds are of no use afterwards."""
        counterparts = COUNTERPARTS.get(followings[0].store.projection.name, ())
        if self.directory is None or not counterparts:
            return 0
        count = 0
        async with self.directory.snapshot() as snapshot:
            records = RecordsAhead([each.fold for each in followings])
            while events := await snapshot.events(after=records.position, limit=self.limits.portion):
                records.advance(events)
            for counterpart in counterparts:
                rows = _own(snapshot.rows(counterpart), counterpart.kind, records)
                async for id_, differing in drifts(records, counterpart.kind, rows):
                    count += 1
                    for drift in differing:
                        findings.add_state(_difference(records, counterpart, id_, drift))
        return count


class _Examined(NamedTuple):
    documents: int
    entries: int
    findings: Findings
    repaired: int


async def _documents_in(store: ProjectionStore) -> int:
    """Return about how many documents readers use; what is amiss with them is said once they are looked at."""
    if (live := await store.inspector.live()) is None:
        return 0
    sizes = [Variant(kind.name, "full") for kind in store.projection.kinds]
    with suppress(Superseded):
        [snapshot] = await store.inspector.inspect((live,), GenerationQuery(sizes=sizes))
        return sum(snapshot.sizes.values())
    return 0


def _name(stores: Sequence[ProjectionStore]) -> str:
    (first, *others) = [each.projection for each in stores]
    return f"{first.name} ({len(stores)} parts)" if others else first.label


async def _own(
    rows: AsyncIterator[tuple[str, Fields]], kind: str, records: RecordsAhead
) -> AsyncIterator[tuple[str, Fields]]:
    """Leave out what lies in other partitions."""
    async for row in rows:
        if records.holder(Key(kind, row[0])):
            yield row


async def _repaired(findings: Findings, examination: Examination, following: FollowingFold) -> Findings:
    """Write anew what was found, and give what is still not as it should be."""
    if not findings.in_store:
        return findings
    await Repair(following).repair(findings)
    return await examination.again(findings)


def _difference(records: RecordsAhead, counterpart: Counterpart, id: str, drift: Drift) -> Difference:
    holder = records.holder(Key(counterpart.kind, id))
    return Difference(
        projection=holder.projection.label if holder else "",
        entity=f"{counterpart.kind} {id}",
        field=f"state.{drift.field}",
        expected=drift.expected,
        found=drift.found,
    )

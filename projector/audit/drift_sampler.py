"""A few records a second beside PostgreSQL's state: what a verification would find is noticed before one is ordered."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from operator import not_
from random import Random
from typing import NamedTuple

import msgspec
import structlog

from projector.audit.drift import COUNTERPARTS, Counterpart, Fields, drifts_of, ids_in, is_about
from projector.audit.live import CANNOT_LOOK, inspect_live, live_generation
from projector.audit.ports import Directory, Snapshot
from projector.declaring.documents import Key
from projector.processing import metrics
from projector.store.errors import Superseded
from projector.store.inspection import GenerationQuery, GenerationSnapshot
from projector.store.ports import ProjectionStore
from shared.read_model.envelope import unseal
from shared.runtime.retry import poll, repeat

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSamplerLimits:
    """How much is compared, and how often."""

    records: int = 5
    """Of each kind and at each turn, half of them from the store and half from the log."""
    interval: float = 2.0
    """Seconds from one turn to the next."""
    rest: float = 60.0
    """The same while nothing is appended to the log."""
    patience: float = 2.0
    """Seconds for the store to reach what PostgreSQL has."""
    pause: float = 0.05
    """Seconds from one look to the next."""
    attempts: int = 3
    """A record differs if it does so each time."""
    events: int = 1_000
    """While more are appended during one look, nothing is said."""
    known: int = 500
    """Records of a kind that differ: while there are so many, they are compared again, and no others."""


class _State(NamedTuple):
    """Rows at one moment, the last event that they reflect, and whom the events since an earlier moment are about."""

    head: int
    rows: Mapping[str, Fields]
    changed: Collection[str]


class DriftSampler:
    """
    Compares records with rows by field. It has no fold, so it waits for a moment that can be compared: the store
    reflects everything that a first look at the state did, and a second look shows that nothing has happened since to
    anything that the row or the record names. Equal rows do not show that: a group may have had another name meanwhile.
    """

    def __init__(
        self,
        stores: Iterable[ProjectionStore],
        *,
        directory: Directory,
        random: Random | None = None,
        limits: DriftSamplerLimits | None = None,
    ) -> None:
        """:param stores: of all parts of projections; those that no state can be compared with are not sampled."""
        self._stores = {each.projection.label: each for each in stores if each.projection.name in COUNTERPARTS}
        labels: dict[str, list[str]] = {}
        for label, each in self._stores.items():
            labels.setdefault(each.projection.name, []).append(label)
        self._parts = {name: len(each) for name, each in labels.items()}
        self._in_turn = [cycle(each) for each in labels.values()]
        self._directory = directory
        self._random = random or Random()  # noqa: S311 - it need not be secret
        self._limits = limits or DriftSamplerLimits()
        self._differing: dict[tuple[str, Counterpart], set[str]] = {}
        self._head = 0

    async def run(self) -> None:
        """Sample until cancelled; what is away is looked for again at the next turn."""
        await repeat(self._turn)

    async def _turn(self) -> None:
        before = self._head
        await self._sample_all()
        await asyncio.sleep(self._limits.rest if self._head == before else self._limits.interval)

    async def _sample_all(self) -> None:
        for label in self._due():
            try:
                await self.sample(label)
            except CANNOT_LOOK as error:
                log.debug("nothing can be sampled", projection=label, error=str(error))

    def _due(self) -> Collection[str]:
        """Return a part of each projection, the next one each time, and all of which records differ."""
        return {next(each) for each in self._in_turn} | {label for (label, _), ids in self._differing.items() if ids}

    async def sample(self, label: str) -> None:
        """Look at a few records of each kind in a part, and again at those that differed before."""
        projection = self._stores[label].projection.name
        for counterpart in COUNTERPARTS[projection]:
            known = self._differing.setdefault((label, counterpart), set())
            more = len(known) < self._limits.known
            ids = known | (await self._some(label, counterpart) if more else set())
            differing = await self._confirmed(label, counterpart, ids)
            if differing - known:
                log.error("records differ from the directory", projection=label, ids=sorted(differing))
            self._differing[label, counterpart] = differing
        metrics.DRIFT.labels(projection).set(len(self.differing(projection)))

    def differing(self, projection: str) -> set[tuple[str, str]]:
        """Kind and id of the records known to differ."""
        return {
            (counterpart.kind, id_)
            for (label, counterpart), ids in self._differing.items()
            if self._stores[label].projection.name == projection
            for id_ in ids
        }

    async def _some(self, label: str, counterpart: Counterpart) -> set[str]:
        """Those that the store has may be foreign; those that the log names, and that lie here, may be missing."""
        store, limit = self._stores[label], self._limits.records
        live = await live_generation(store.inspector, projection=label)
        stored = await store.inspector.sample(live, counterpart.kind, limit=limit)
        if counterpart.aggregate is None:
            return set(stored)
        async with self._directory.snapshot() as snapshot:
            self._head = await snapshot.head()
            after, as_many = self._random.randint(0, self._head), limit * self._parts[store.projection.name]
            found = await snapshot.some(counterpart.aggregate, after=after, limit=as_many)
        own = (id_ for id_ in found if store.projection.holds(Key(counterpart.kind, id_)))
        return {*stored, *islice(own, limit)}

    async def _confirmed(self, label: str, counterpart: Counterpart, ids: set[str]) -> set[str]:
        """Return those that differ at every attempt."""

        async def look() -> set[str]:
            nonlocal ids
            ids = ids and await self._look(label, counterpart, ids)
            return ids

        return await poll(self._limits.pause, attempts=self._limits.attempts).until(not_, look)

    async def _look(self, label: str, counterpart: Counterpart, ids: Collection[str]) -> set[str]:
        before = await self._state(counterpart, ids)
        snapshot = await self._snapshot_at(before.head, label, [Key(counterpart.kind, id_) for id_ in ids])
        after = await self._state(counterpart, ids, since=before.head)
        rows = {id_: row for id_ in ids if before.rows.get(id_) == (row := after.rows.get(id_))}
        return set(_differing(snapshot, counterpart.kind, rows, changed=after.changed))

    async def _state(self, counterpart: Counterpart, ids: Collection[str], *, since: int | None = None) -> _State:
        async with self._directory.snapshot() as snapshot:
            head, rows = await snapshot.head(), await snapshot.rows_of(counterpart, ids)
            return _State(head, rows, set() if since is None else await self._changed(snapshot, since, head))

    async def _changed(self, snapshot: Snapshot, since: int, head: int) -> Collection[str]:
        """:raises Superseded: more happened than can be looked through."""
        events = await snapshot.events(after=since, limit=self._limits.events) if head > since else ()
        if events and events[-1].position < head:
            raise Superseded("the log grows too fast")
        return {id_ for each in events for id_ in ids_in(msgspec.json.encode(each.event))}

    async def _snapshot_at(self, head: int, label: str, keys: Sequence[Key]) -> GenerationSnapshot:
        """
        The documents at a moment at which the store reflects the log up to its head.

        :raises Superseded: it does not come there.
        """
        try:
            async with asyncio.timeout(self._limits.patience):
                inspector = self._stores[label].inspector
                live = await live_generation(inspector, projection=label)
                query = GenerationQuery(keys, variants=("full",))
                snapshot = await poll(self._limits.pause).until(
                    lambda snapshot: _reflects(head, snapshot), lambda: inspect_live(inspector, live, query)
                )
        except TimeoutError:
            raise Superseded("the store is behind the log") from None
        if not _reflects(head, snapshot):  # the look swallowed the time-out: see `shared.runtime.cancellation`
            raise Superseded("the store is behind the log")
        return snapshot


def _reflects(head: int, snapshot: GenerationSnapshot) -> bool:
    """Whether all documents that are not stale reflect the log up to its head, retried events included."""
    return snapshot.checkpoint.reached >= head and not snapshot.checkpoint.is_retrying


def _differing(
    snapshot: GenerationSnapshot, kind: str, rows: Mapping[str, Fields | None], *, changed: Collection[str]
) -> Iterator[str]:
    """The ids of documents that are not what their rows say; of what changed, is parked or was skipped they cannot."""
    aside = {key.id for key in snapshot.parking.concerned()}.union(changed)
    for id_, row in rows.items():
        sealed = snapshot.documents[Key(kind, id_), "full"]
        if not is_about(aside, id_, sealed, row) and _differs(id_, sealed, row):
            yield id_


def _differs(id: str, sealed: bytes | None, row: Fields | None) -> bool:
    try:
        record = None if sealed is None else msgspec.json.decode(unseal(sealed).body, type=dict)
    except ValueError:
        return True
    return any(drifts_of(id, record, row))

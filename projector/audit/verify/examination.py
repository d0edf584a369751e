"""Redis beside the log: every document and what leads to it, and nothing else."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from projector.audit.verify.differences import Findings, differences_of, foreign, missing_of
from projector.audit.verify.expectation import ABSENT, Expected
from projector.audit.verify.following import FollowingFold
from projector.declaring.documents import Key
from projector.declaring.index_entries import Entry
from projector.store.collections import Index, Item, StoredCollection, Variant, index_of, item_of
from projector.store.inspection import GenerationQuery
from shared.runtime.progress import Progress
from shared.runtime.retry import poll

BUCKET = 100
"""Documents read in one transaction with everything that leads to them: about a millisecond of Redis' time."""

T = TypeVar("T")


class Examination:
    """
    Compares one generation with a fold that follows it.

    Bucket by bucket everything that should be there is read, at one moment each. What should not be there is found by
    counting: a hash or list with as many entries as it should have, all of which were there, has no others. Only where
    that does not come out is it walked, and what is foreign on it is looked at once more, at one moment.
    """

    def __init__(self, following: FollowingFold) -> None:
        self.documents = self.entries = 0
        """How much was compared."""
        self._findings = Findings()
        self._missing: Counter[StoredCollection] = Counter()
        """How many documents and entries were not there, by where they should be."""
        self._following = following
        self._projection = following.fold.projection

    async def examine(self, progress: Progress) -> Findings:
        """:raises Superseded: another generation went live, or the store came back older: begin anew."""
        compared = 0
        stage = f"{self._projection.label}, comparing"
        progress.begin("record", total=len(self._following.fold), stage=stage)
        for bucket in buckets(self._following.fold):
            self._count(await self._judge(bucket))
            compared += len(bucket)
            progress.show(compared)
        await self._look_for_foreign()
        await self._confirm()
        return self._findings

    async def again(self, findings: Findings) -> Findings:
        """Look once more at what was found, and give what is still so."""
        self._findings = Findings()
        for bucket in buckets(findings.documents):
            await self._judge(bucket)
        for index in {index_of(entry) for entry in findings.foreign}:
            await self._search_index(index)
        return self._findings

    async def _judge(self, keys: Collection[Key]) -> Iterable[Expected]:
        snapshot, expected = await self._following.compare(keys)
        kept = [key for key in keys if not self._following.is_trimmed(key)]
        for key in kept:
            if differences := differences_of(key, expected[key], snapshot, projection=self._projection.label):
                self._findings.add_document(key, differences)
                self._missing.update(missing_of(key, expected[key][-1], snapshot))
        return [expected[key][-1] for key in kept]

    def _count(self, expected: Iterable[Expected]) -> None:
        there = [each for each in expected if each is not ABSENT]
        self.documents += len(there)
        self.entries += sum(len(each.entries) for each in there)

    async def _look_for_foreign(self) -> None:
        await self._fan_outs_ended()
        collections = await self._collections()
        snapshot = await self._following.look(GenerationQuery(sizes=collections))
        due = self._census()
        for collection in collections:
            due_here = due[collection] - self._missing[collection]
            if snapshot.sizes[collection] != due_here or snapshot.checkpoint.fan_outs:
                await self._search(collection)

    async def _collections(self) -> list[StoredCollection]:
        """Return all but those of kinds that the projection does not know any more."""
        kinds = {kind.name for kind in self._projection.kinds}
        there = await self._following.store.inspector.collections(self._following.live)
        return [each for each in there if isinstance(each, Index) or each.kind in kinds]

    async def _confirm(self) -> None:
        """
        Look at documents once more.

        A server that came back from a crash may have had some that were ahead of the checkpoint, until the projector
        came there, too.
        """
        findings, self._findings = self._findings, Findings()
        for bucket in buckets(findings.documents):
            await self._judge(bucket)
        for entry, owner in findings.foreign.items():
            self._add_foreign(entry, owner)

    async def _fan_outs_ended(self) -> None:
        """Wait for fan-outs: until they end there are entries that lead nowhere any more."""
        limits = self._following.limits
        policy = poll(limits.pause, within=limits.fan_out)
        await policy.until(
            lambda snapshot: not snapshot.checkpoint.fan_outs, lambda: self._following.look(GenerationQuery())
        )

    def _census(self) -> Counter[StoredCollection]:
        """How much should stand where; what may or may not is not counted, and makes it be looked for."""
        count: Counter[StoredCollection] = Counter()
        for key in self._following.fold:
            if self._following.is_trimmed(key):
                continue
            expected = self._following.final(key)
            count.update(map(index_of, expected.entries))
            count.update(Variant(key.kind, variant) for variant in expected.variants)
        return count

    async def _search(self, collection: StoredCollection) -> None:
        if isinstance(collection, Index):
            await self._search_index(collection)
        else:
            await self._search_documents(collection)

    async def _search_documents(self, collection: Variant) -> None:
        async for ids in self._following.store.inspector.walk(self._following.live, collection):
            keys = [Key(collection.kind, str(id_)) for id_ in ids]
            for bucket in buckets([key for key in keys if self._is_strange(key)]):
                await self._judge(bucket)

    def _is_strange(self, key: Key) -> bool:
        return key not in self._following.fold and key not in self._findings.documents

    async def _search_index(self, index: Index) -> None:
        search = IndexSearch(self._following, index)
        async for items in self._following.store.inspector.walk(self._following.live, index):
            await search.examine(items)
        for entry, owner in search.found.items():
            self._add_foreign(entry, owner)

    def _add_foreign(self, entry: Entry, owner: str) -> None:
        self._findings.add_foreign(entry, owner, foreign(entry, owner, projection=self._projection.label))


class IndexSearch:
    """Looks for what is foreign on one hash of unique entries or one list."""

    def __init__(self, following: FollowingFold, index: Index) -> None:
        self.found: dict[Entry, str] = {}
        self._following = following
        self._index = index
        self._due: set[Item] = set()
        self._fan_outs = -1
        self._renew()

    async def examine(self, items: Collection[Item]) -> None:
        """Find those of the items that should not be there, at a moment at which they are."""
        for entries in buckets(self._index.entry(item) for item in items if item not in self._due):
            self.found |= self._foreign(await self._unexplained(entries))

    async def _unexplained(self, entries: Sequence[Entry]) -> dict[Entry, str]:
        """Return those that are there and that nothing later has put there, with what they lead to."""
        owners = (await self._following.look(GenerationQuery(entries=entries))).owners
        there = {entry: owner for entry in entries if (owner := owners[entry]) is not None}
        return {entry: owner for entry, owner in there.items() if not self._following.is_owed_to_later(entry)}

    def _foreign(self, entries: Mapping[Entry, str]) -> dict[Entry, str]:
        if entries and self._fan_outs != len(self._following.fold.fan_outs):
            self._renew()
        return {entry: owner for entry, owner in entries.items() if item_of(entry) not in self._due}

    def _renew(self) -> None:
        """Find out what should be there; an event that concerns many changes that."""
        self._fan_outs = len(self._following.fold.fan_outs)
        self._due = {item_of(entry) for key in self._following.fold for entry in self._entries_of(key)}

    def _entries_of(self, key: Key) -> Iterator[Entry]:
        for each in self._following.expected(key):
            yield from (entry for entry in (*each.entries, *each.tolerated) if index_of(entry) == self._index)


def buckets(things: Iterable[T]) -> Iterator[list[T]]:
    """Portions of what can be read at once."""
    rest = iter(things)
    while bucket := list(islice(rest, BUCKET)):
        yield bucket

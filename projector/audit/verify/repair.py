"""Writing anew what is not as it should be, and nothing else."""

from collections.abc import Collection, Iterable, Mapping

from projector.audit.verify.differences import Findings, stored_variants
from projector.audit.verify.examination import buckets
from projector.audit.verify.expectation import Expected
from projector.audit.verify.following import FollowingFold
from projector.declaring.documents import Key
from projector.declaring.index_entries import Entry, OwnedEntry
from projector.folding.batch import Batch
from projector.store.errors import Superseded
from projector.store.inspection import GenerationQuery, GenerationSnapshot
from shared.read_model.keys import VARIANTS


class Repair:
    """
    Brings documents, what leads to them, and what leads nowhere to what the log tells.

    Each step is a commit like any other: if the projector was faster, nothing is written and it is looked at again; if
    the repair was, the projector looks again.
    """

    def __init__(self, following: FollowingFold) -> None:
        self._following = following
        self._model = following.store.model

    async def repair(self, findings: Findings) -> None:
        """:raises Superseded: the projector was faster every time."""
        for keys in buckets(findings.documents):
            await self._commit(keys, ())
        for entries in buckets(findings.foreign):
            await self._commit((), entries)

    async def _commit(self, keys: Collection[Key], foreign: Collection[Entry]) -> None:
        for _ in range(self._following.limits.attempts):
            try:
                await self._try(keys, foreign)
            except Superseded:
                continue
            return
        raise Superseded("the projector was faster every time: try again")

    async def _try(self, keys: Collection[Key], foreign: Collection[Entry]) -> None:
        snapshot = await self._following.look(GenerationQuery(documents=keys, entries=foreign))
        expected = {key: self._following.final(key) for key in keys if not self._following.is_trimmed(key)}
        there = [(entry, owner) for entry in foreign if (owner := snapshot.owners[entry]) is not None]
        removals = [each for each in there if not self._following.is_owed_to_later(each[0])]
        batch = _batch(expected, removals, snapshot)
        async with self._model.commit(self._following.live.generation, expected=snapshot.checkpoint) as commit:
            await commit.apply(batch)


def _batch(expected: dict[Key, Expected], removals: Collection[OwnedEntry], snapshot: GenerationSnapshot) -> Batch:
    there = {key: each for key, each in expected.items() if each.full is not None}
    return Batch(
        removals=removals,
        additions=[(entry, key.id) for key, each in there.items() for entry in each.entries],
        index_rows=_present({key: each.packed for key, each in there.items()}),
        full=_present({key: each.full for key, each in there.items()}),
        forgotten=[key for key in expected if key not in there],
        superfluous=list(_superfluous(there, snapshot)),
        checkpoint=snapshot.checkpoint.revised(),
    )


def _present(values: Mapping[Key, bytes | None]) -> dict[Key, bytes]:
    return {key: value for key, value in values.items() if value is not None}


def _superfluous(expected: dict[Key, Expected], snapshot: GenerationSnapshot) -> Iterable[tuple[Key, str]]:
    """Variants that stand beside a document and should not."""
    for key, each in expected.items():
        found = zip(VARIANTS, stored_variants(key, snapshot), strict=True)
        yield from ((key, variant) for variant, value in found if value is not None and variant not in each.variants)

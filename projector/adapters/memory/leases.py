"""The projectors' leases in memory."""

from collections.abc import Sequence

from projector.store.ports import Candidate, Candidates, LeaseName
from shared.errors import Unavailable


class MemoryLease:
    """Leases among the projectors of one process; `holders` may be changed to play one that took them over."""

    def __init__(self) -> None:
        self.available = True
        self.holders: dict[LeaseName, Candidate] = {}
        self._seen: dict[str, Candidate] = {}

    async def hold(self, candidate: Candidate, names: Sequence[LeaseName]) -> frozenset[LeaseName]:
        self._check()
        self._seen[candidate.id] = candidate
        return frozenset(name for name in names if self.holders.setdefault(name, candidate) == candidate)

    async def release(self, candidate: Candidate, names: Sequence[LeaseName]) -> None:
        self._check()
        self._seen.pop(candidate.id, None)
        for name in [each for each in names if self.holders.get(each) == candidate]:
            del self.holders[name]

    async def candidates(self, names: Sequence[LeaseName]) -> Candidates:
        self._check()
        holders = {name: self.holders[name] for name in names if name in self.holders}
        return Candidates(holders, list(self._seen.values()))

    def _check(self) -> None:
        if not self.available:
            raise Unavailable("the lease in memory was made unavailable")

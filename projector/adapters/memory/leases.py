"""The projectors' leases in memory."""

from collections.abc import Callable, Mapping, Sequence

from projector.leadership.limits import LeadershipLimits
from projector.store.ports import Candidate, Candidates, LeaseName
from shared.errors import Unavailable


class MemoryLease:
    """
    Leases among the projectors of one process; `holders` may be changed to play one that took them over.

    :param time: in seconds; as long as it stands still, every projector that has given a sign of life is there.
    """

    def __init__(self, *, time: Callable[[], float] = lambda: 0.0, limits: LeadershipLimits | None = None) -> None:
        self.available = True
        self.holders: dict[LeaseName, Candidate] = {}
        self._time = time
        self._lasting = (limits or LeadershipLimits()).lease
        self._signs: dict[str, dict[Candidate, float]] = {}
        """The time of the last sign of life of each projector, by partitions."""

    async def by_server(self, names: Sequence[LeaseName]) -> Sequence[Sequence[LeaseName]]:
        self._check()
        return [names]

    async def renew(self, candidate: Candidate, names: Sequence[LeaseName]) -> Candidates:
        self._check()
        for each in names:
            self._signs.setdefault(each.partition, {})[candidate] = self._time()
        return self._found(names)

    async def take(self, candidate: Candidate, names: Sequence[LeaseName]) -> frozenset[LeaseName]:
        self._check()
        held = self._found(names).holders
        taken = frozenset(each for each in names if held.get(each, candidate).id == candidate.id)
        self.holders |= dict.fromkeys(taken, candidate)
        return taken

    async def release(self, candidate: Candidate, names: Sequence[LeaseName]) -> None:
        self._check()
        for name in [each for each in names if each in self.holders and self.holders[each].id == candidate.id]:
            del self.holders[name]

    async def leave(self, candidate: Candidate, names: Sequence[LeaseName]) -> None:
        await self.release(candidate, names)
        for each in names:
            self._signs.get(each.partition, {}).pop(candidate, None)

    async def candidates(self, names: Sequence[LeaseName]) -> Candidates:
        self._check()
        return self._found(names)

    def _found(self, names: Sequence[LeaseName]) -> Candidates:
        present = {each.partition: self._present(each.partition) for each in names}
        alive = {(tag, each.id) for tag, all_there in present.items() for each in all_there}
        held = ((each, self.holders[each]) for each in names if each in self.holders)
        return Candidates({name: each for name, each in held if (name.partition, each.id) in alive}, present)

    def _present(self, partition: str) -> Sequence[Candidate]:
        signs: Mapping[Candidate, float] = self._signs.get(partition, {})
        return [each for each, at in signs.items() if 0 <= self._time() - at < self._lasting]

    def _check(self) -> None:
        if not self.available:
            raise Unavailable("the lease in memory was made unavailable")

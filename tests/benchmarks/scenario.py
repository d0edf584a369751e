"""What a scenario is: names of results, how long it may take, and what it runs on."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import msgspec

from tests.benchmarks.results import BenchResult


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured: enough for figures, or just enough to see that all of it works."""

    rounds: int = 5
    seconds: float = 4.0
    warm_up: float = 2.0
    people: int = 20_000
    groups: int = 100
    events: int = 70_000
    """Of the directory that is read."""
    replayed_people: int = 100_000
    replayed: int = 1_000_000
    """People and events of the log that is rebuilt from."""
    naive: int = 10_000
    """Events for the projector most people write."""
    visible_rate: float = 500.0
    sizes: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    """People of the directories by which growth is seen."""
    capacity_people: tuple[int, int, int] = (1_000, 2_000, 10_000)
    """People of the directories that `muster plan` reckons from; of the second all reads are asked."""
    members: int = 100_000
    """Of the big group."""
    soak_minutes: float = 30.0
    soak_rate: float = 130.0
    soak_reads: float = 400.0
    """Commands and reads a second."""
    congress: str | None = None
    """A file of commands that `muster import` takes."""
    at_rest: float = 20.0
    """Seconds for which the projector is looked at while nothing happens."""


QUICK = Scale(
    rounds=1,
    seconds=1.0,
    warm_up=1.0,
    people=500,
    groups=20,
    events=2_000,
    replayed_people=500,
    replayed=5_000,
    naive=500,
    visible_rate=50.0,
    sizes=(200, 1_000),
    capacity_people=(200, 500, 1_000),
    members=300,
    soak_minutes=0.05,
    soak_rate=20.0,
    soak_reads=20.0,
    at_rest=3.0,
)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """
    Measures one thing, or several that need the same servers at the same time.

    :param names: of its results, of which some may be chosen.
    :param run: takes what it runs on, how much is measured, and the names that are wanted.
    :param limit: seconds after which it has failed.
    """

    names: Sequence[str]
    run: Callable[..., Awaitable[Sequence[BenchResult]]]
    limit: float = 180.0

    def chosen(self, wanted: Collection[str]) -> Sequence[str]:
        """Return those of its names that are wanted."""
        return [name for name in self.names if name in wanted]

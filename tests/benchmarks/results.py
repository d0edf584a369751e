"""What a benchmark has found: medians, spread, ratios, and whether the aim of issue and documentation is reached."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec


class Aim(msgspec.Struct, frozen=True):
    """What a ratio, or a value where there is no baseline, has to be at least or at most."""

    bound: Literal["at least", "at most"]
    number: float

    def is_reached(self, number: float) -> bool:
        return number >= self.number if self.bound == "at least" else number <= self.number


def at_least(number: float) -> Aim:
    return Aim("at least", number)


def at_most(number: float) -> Aim:
    return Aim("at most", number)


AIMS: Mapping[str, Aim] = {
    "register-pipeline": at_least(1.0),
    "register-orm": at_least(2.5),
    "register-eventsourcing": at_least(1.5),
    "import": at_least(2),
    "latency-orm": at_most(1.3),
    "visible": at_most(3),
    "visible-p99": at_most(15),
    "visible-rebuild": at_most(1.5),
    "rebuild-copy": at_least(0.12),
    "rebuild-copy-two-cores": at_least(0.20),
    "rebuild-naive": at_least(10),
    "by-id-constant": at_least(0.95),
    "by-id-fastapi": at_least(15),
    "batch": at_least(20),
    "page": at_least(0.25),
    "search": at_least(0.25),
    "tags": at_least(0.10),
    "page-fastapi": at_least(10),
    "search-fastapi": at_least(10),
    "tags-fastapi": at_least(10),
    "idle": at_most(1),
    "growth-by-id": at_least(0.8),
    "growth-deep-page": at_least(0.8),
    "growth-search": at_least(0.8),
    "once-bytes": at_most(0.75),
    "once-congress": at_least(5),
}
"""By the name of a result; one that is not here is measured for its own sake."""


class TurnSample(msgspec.Struct, frozen=True, kw_only=True):
    """
    One run of one side.

    :param rate: operations a second.
    :param p50: milliseconds.
    :param cpu: milliseconds of CPU an operation, by server; what stands beside the comparison has its name in brackets.
    """

    rate: float
    p50: float | None = None
    p99: float | None = None
    cpu: Mapping[str, float] = {}


class SideFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Several runs of one side: medians, and the least and the most of the rates."""

    what: str
    runs: int
    rate: float
    spread: tuple[float, float]
    p50: float | None
    p99: float | None
    cpu: Mapping[str, float]

    @property
    def compared_cpu(self) -> float:
        """Milliseconds an operation, of the servers that are compared."""
        return sum(each for name, each in self.cpu.items() if not name.startswith("("))


class BenchResult(msgspec.Struct, frozen=True, kw_only=True):
    """
    One line of the answer.

    :param number: the ratio of ours to the baseline's, or a value where there is none; None where it failed.
    :param spread: the least and the most of the single runs.
    :param by_people: milliseconds of CPU an operation, by the number of people there are.
    :param cpu_ratio: CPU an operation of the baseline, as a multiple of ours: what a busy machine leaves to trust.
    """

    name: str
    what: str
    unit: str
    number: float | None = None
    spread: tuple[float, float] | None = None
    cpu_ratio: float | None = None
    aim: Aim | None = None
    reached: bool | None = None
    ours: SideFigures | None = None
    baseline: SideFigures | None = None
    details: Mapping[str, float | str] = {}
    by_people: Mapping[int, float] = {}
    error: str | None = None


def figures(samples: Sequence[TurnSample], *, what: str) -> SideFigures:
    rates = [each.rate for each in samples]
    servers = dict.fromkeys(name for each in samples for name in each.cpu)
    return SideFigures(
        what=what,
        runs=len(samples),
        rate=statistics.median(rates),
        spread=(min(rates), max(rates)),
        p50=_median([each.p50 for each in samples]),
        p99=_median([each.p99 for each in samples]),
        cpu={name: statistics.median(each.cpu.get(name, 0.0) for each in samples) for name in servers},
    )


def compared(
    name: str,
    what: str,
    ours: tuple[str, Sequence[TurnSample]],
    baseline: tuple[str, Sequence[TurnSample]],
    *,
    unit: str = "times the rate",
    of: Callable[[TurnSample], float | None] = lambda sample: sample.rate,
) -> BenchResult:
    """
    Compare two sides that took turns, run by run.

    :param ours: what it is, and its samples.
    :param of: what of a sample is compared.
    """
    mine, theirs = (figures(samples, what=said) for said, samples in (ours, baseline))
    ratios = [(of(one) or 0.0) / (of(other) or 1.0) for one, other in zip(ours[1], baseline[1], strict=True)]
    cpu = theirs.compared_cpu / mine.compared_cpu if mine.compared_cpu else None
    return judged(
        BenchResult(name=name, what=what, unit=unit, cpu_ratio=cpu, ours=mine, baseline=theirs),
        statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
    )


def judged(result: BenchResult, number: float, *, spread: tuple[float, float] | None = None) -> BenchResult:
    """Return a result with its number, and whether that reaches the aim."""
    aim = AIMS.get(result.name)
    return msgspec.structs.replace(
        result, number=number, spread=spread, aim=aim, reached=aim.is_reached(number) if aim else None
    )


def failed(name: str, error: BaseException) -> BenchResult:
    said = f"{type(error).__name__}: {error}".strip(": ").splitlines()
    return BenchResult(name=name, what="", unit="", aim=AIMS.get(name), error=said[0][:300] if said else "failed")


def table(results: Sequence[BenchResult]) -> str:
    """Write results for people, a line each, and what was compared below."""
    return "\n".join([rows(results), "", *(line for each in results for line in _notes(each))])


def markdown(results: Sequence[BenchResult]) -> str:
    """Write results as a table for docs/performance.md."""
    lines = ["| name | what | measured | by CPU | aim |", "|---|---|---|---|---|"]
    for each in results:
        name, measured, spread, cpu, aim, mark = _row(each)
        lines.append(
            f"| `{name}` | {each.what} | {measured}{f' ({spread})' if spread else ''} | {cpu} | {aim} {mark} |"
        )
    return "\n".join(lines)


def rows(results: Sequence[BenchResult]) -> str:
    """Write a line for each result, below a head."""
    cells = [("", "measured", "least…most", "by CPU", "aim", ""), *map(_row, results)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)


def _row(result: BenchResult) -> tuple[str, ...]:
    if result.number is None:
        return (result.name, "failed", "", "", _aim(result), result.error or "")
    spread = "…".join(map(short, result.spread)) if result.spread else ""
    mark = {True: "reached", False: "missed", None: ""}[result.reached]
    cpu = short(result.cpu_ratio) if result.cpu_ratio else ""
    return (result.name, f"{short(result.number)} {result.unit}", spread, cpu, _aim(result), mark)


def _aim(result: BenchResult) -> str:
    return f"{'≥' if result.aim.bound == 'at least' else '≤'} {result.aim.number:g}" if result.aim else ""


def _notes(result: BenchResult) -> Sequence[str]:
    sides = [(name, each) for name, each in (("ours", result.ours), ("baseline", result.baseline)) if each]
    notes = [f"{result.name}: {result.what}"] if result.what else []
    notes += [f"    {name:<9}{_figures(each)}" for name, each in sides]
    told = {**result.details, **{f"CPU ms among {people:,}": ms for people, ms in result.by_people.items()}}
    more = ", ".join(f"{name} {each if isinstance(each, str) else short(each)}" for name, each in told.items())
    return [*notes, f"    {more}"] if more else notes


def _figures(each: SideFigures) -> str:
    latency = f", p50 {short(each.p50)} ms, p99 {short(each.p99)} ms" if each.p50 and each.p99 else ""
    cpu = " + ".join(f"{name} {short(ms)}" for name, ms in each.cpu.items())
    low, high = map(short, each.spread)
    return f"{short(each.rate)}/s ({low}…{high}){latency}; CPU ms each: {cpu or 'unknown'}; {each.what}"


def short(number: float) -> str:
    """Write a number with three digits that count."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def _median(numbers: Sequence[float | None]) -> float | None:
    known = [each for each in numbers if each is not None]
    return statistics.median(known) if known else None

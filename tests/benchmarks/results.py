"""What a benchmark has found: medians, spread, ratios, and whether they meet their aims."""

import statistics
from collections.abc import Callable, Mapping, Sequence

import msgspec

AIMS: Mapping[str, str] = {
    "register-pipeline": ">= 1.0",
    "register-orm": ">= 2.5",
    "register-eventsourcing": ">= 1.5",
    "import": ">= 2",
    "latency-orm": "<= 1.3",
    "visible": "<= 3",
    "visible-p99": "<= 15",
    "visible-rebuild": "<= 1.5",
    "rebuild-copy": ">= 0.12",
    "rebuild-copy-two-cores": ">= 0.20",
    "rebuild-naive": ">= 10",
    "by-id-constant": ">= 0.95",
    "by-id-fastapi": ">= 15",
    "batch": ">= 20",
    "page": ">= 0.25",
    "search": ">= 0.25",
    "tags": ">= 0.10",
    "page-fastapi": ">= 10",
    "search-fastapi": ">= 10",
    "tags-fastapi": ">= 10",
    "idle": "<= 1",
    "growth-by-id": ">= 0.8",
    "growth-deep-page": ">= 0.8",
    "growth-search": ">= 0.8",
    "once-bytes": "<= 0.75",
    "once-congress": ">= 5",
}
"""What the ratio, or the value where there is none, has to be; other results are measured for their own sake."""


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

    :param value: what was measured, in its unit; None where that failed.
    :param baseline: what the other side did in the same run, or what was measured once, where there is one.
    :param ratio: of the value to the baseline: the median of the turns.
    :param spread: the least and the most of the single turns, of the ratio or of the value.
    :param cpu_ratio: CPU an operation of the baseline, as a multiple of ours: what a busy machine leaves to trust.
    :param aim: of the ratio, or of the value where there is none, such as `>= 0.95`.
    :param by_people: milliseconds of CPU an operation, by the number of people there are.
    """

    name: str
    what: str
    unit: str
    value: float | None = None
    baseline: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    cpu_ratio: float | None = None
    aim: str | None = None
    met: bool | None = None
    ours: SideFigures | None = None
    theirs: SideFigures | None = None
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
    unit: str = "/s",
    of: Callable[[TurnSample], float | None] = lambda sample: sample.rate,
) -> BenchResult:
    """
    Compare two sides that took turns, run by run.

    :param ours: what it is, and its samples.
    :param unit: of what is compared.
    :param of: what of a sample is compared.
    """
    mine, theirs = (figures(samples, what=said) for said, samples in (ours, baseline))
    values, others = ([of(each) or 0.0 for each in samples] for _, samples in (ours, baseline))
    ratios = [one / (other or 1.0) for one, other in zip(values, others, strict=True)]
    return judged(
        BenchResult(
            name=name,
            what=what,
            unit=unit,
            value=statistics.median(values),
            baseline=statistics.median(others),
            ratio=statistics.median(ratios),
            spread=(min(ratios), max(ratios)),
            cpu_ratio=theirs.compared_cpu / mine.compared_cpu if mine.compared_cpu else None,
            ours=mine,
            theirs=theirs,
        )
    )


def judged(result: BenchResult) -> BenchResult:
    """Return a result with its aim, and whether it meets that."""
    aim, number = AIMS.get(result.name), result.value if result.ratio is None else result.ratio
    if aim is None or number is None:
        return msgspec.structs.replace(result, aim=aim)
    bound, limit = aim.split()
    met = number >= float(limit) if bound == ">=" else number <= float(limit)
    return msgspec.structs.replace(result, aim=aim, met=met)


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
    aim = (result.aim or "").replace(">=", "≥").replace("<=", "≤")
    if result.value is None:
        return (result.name, "failed", "", "", aim, result.error or "")
    measured = f"{short(result.value)} {result.unit}" if result.ratio is None else f"{short(result.ratio)} times"
    spread = "…".join(map(short, result.spread)) if result.spread else ""
    mark = {True: "met", False: "missed", None: ""}[result.met]
    cpu = short(result.cpu_ratio) if result.cpu_ratio else ""
    return (result.name, measured, spread, cpu, aim, mark)


def _notes(result: BenchResult) -> Sequence[str]:
    sides = [(name, each) for name, each in (("ours", result.ours), ("theirs", result.theirs)) if each]
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

"""What `muster plan` reckons: by hand for one load, and that more never takes less, whatever was measured."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from shared.capacity.costs import Cost
from shared.capacity.lines import lines
from shared.capacity.measurements import Measurement, Measurements, MeasurementsUnusable, measurements
from shared.capacity.model import BUSY, GIB, LAYOUTS, NODES, READS, BeyondPlanning, Load, model_of, planned
from shared.cli.commands import call
from shared.cli.exit_codes import CommandFailed, WrongUsage
from tests.benchmarks.capacity_tables import PAGE, replaced

PROCESSES = {"command": ("write", "postgres", "projector", "valkey")}


def measured(number=1.0, *, divided=None, on_nodes=None, of_valkey=1.0):
    """Measurements in which everything costs this, alone, in 12 partitions and on 3 nodes; a part of it in Valkey."""
    each = {"1/1": number, "12/1": number if divided is None else divided, "12/3": divided or number}
    if on_nodes is not None:
        each["12/3"] = on_nodes
    kinds = {**PROCESSES, **dict.fromkeys(READS, ("reader", "valkey"))}
    found = {
        name: {f"{of} {where}": ms * (of_valkey if of == "valkey" else 1) for of in every for where, ms in each.items()}
        for name, every in kinds.items()
    }
    found |= {"memory": {"1/1 1000": 9_999.0, "1/1 20000": 1_000.0}, "log": {"1000": 999.0, "20000": 500.0}}
    found["rebuild"] = {"python 1": 40.0, "read 1": 1.0, "valkey 1": 3.0}
    results = [Measurement(f"capacity-{name}", "", "", points) for name, points in found.items()]
    results.append(Measurement("growth-page", "of another benchmark", "/s", {"1,000,000 people left out": "no memory"}))
    return Measurements(datetime(2026, 12, 1, tzinfo=UTC), "here", (0.0,), results)


MODEL = model_of(measured())
LOADS = some.builds(
    Load,
    people=some.floats(0, 8).map(lambda power: int(10**power)),
    commands=some.floats(0, 2_000),
    reads=some.floats(0, 20_000),
    shares=some.just({"batch": 0.1, "page": 0.05, "search": 0.05}),
    node_memory=some.sampled_from([8.0 * GIB, 32.0 * GIB, 256.0 * GIB]),
)
COSTS = some.floats(0.001, 0.2)


def by_name(plan):
    return {line.name: line for line in lines(plan)}


def test_a_plan_by_hand():
    """Ten million people of 1 kB in nodes of 8 GiB; a read and a command take 1 ms of each process."""
    load = Load(people=10_000_000, commands=100, reads=400, shares={"batch": 0.5}, events=4, node_memory=8 * GIB)

    found = by_name(planned(load, MODEL))

    assert (found["nodes"].value, found["partitions"].value) == (6, 12)
    assert found["memory a node"].value == 10_000_000 * 1_000 * 2 / 3 / GIB
    assert found["CPU a node"].value == pytest.approx(0.5 / 3)
    assert (found["read processes"].value, found["write processes"].value) == (1, 1)
    assert found["disk of the log"].value == 40_000_000 * 500 / GIB
    assert found["rebuild of profiles, 1 process"].value == pytest.approx(40 * (40 + 11) / 3600)
    assert found["rebuild of profiles, 12 processes"].value == pytest.approx(40 * (40 + 11) / 12 / 3600)


@given(
    load=LOADS,
    more=some.sets(some.sampled_from(["people", "commands", "reads"]), min_size=1),
    factor=some.integers(2, 20),
    costs=some.tuples(COSTS, COSTS, COSTS),
)
@example(
    load=Load(people=500_000, commands=0, reads=20_000),
    more={"people"},
    factor=3,
    costs=(0.2, 0.01, 0.01),  # three partitions would take fewer readers than one
)
def test_more_never_takes_fewer(load, more, factor, costs):
    """Neither nodes nor partitions nor processes nor disk, even if partitions were measured to cost less than one."""
    alone, divided, on_nodes = costs
    model = model_of(measured(alone, divided=divided, on_nodes=on_nodes, of_valkey=0.05))
    larger = msgspec.structs.replace(load, **{name: factor * getattr(load, name) for name in more})
    try:
        after = by_name(planned(larger, model))
    except BeyondPlanning:
        return

    before = by_name(planned(load, model))

    counted = (
        "nodes",
        "partitions",
        "read processes",
        "write processes",
        "projectors",
        "PostgreSQL",
        "disk of the log",
    )
    assert {name: before[name].value <= after[name].value for name in counted} == dict.fromkeys(counted, True)


@given(LOADS)
def test_a_plan_keeps_within_what_it_was_given(load):
    """The next number of nodes below would not do."""
    try:
        plan = planned(load, MODEL)
    except BeyondPlanning:
        return

    assert plan.node_memory <= load.node_memory
    assert plan.node_busy <= BUSY
    assert plan.partitions in LAYOUTS
    assert plan.partitions % plan.nodes == 0
    fewer = [each for each in NODES if each < plan.nodes]
    assert all(
        type(plan)(load, MODEL, each).node_memory > load.node_memory or type(plan)(load, MODEL, each).node_busy > BUSY
        for each in fewer
    )


def test_what_no_number_of_nodes_carries_is_said():
    with pytest.raises(BeyondPlanning, match=r"96 nodes are the most, .* 2,?\d* GiB of the 1 of --node-memory"):
        planned(Load(people=100_000_000, commands=0, node_memory=GIB), MODEL)


def test_a_cost_goes_through_the_points_that_it_was_made_of():
    points = {"reader 1/1": 1.0, "reader 12/1": 2.0, "reader 48/1": 4.5, "reader 12/3": 2.5}

    cost = Cost.fitted(points, "reader")

    assert [cost.at(1, 1), cost.at(12, 1), cost.at(48, 1), cost.at(12, 3)] == pytest.approx([1.0, 2.0, 4.5, 2.5])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"cannot be read \(No such file"),
        ("not JSON", "is no result of"),
        ('{"scenarios": []}', "is no result of"),
        (msgspec.json.encode(measured()).decode().replace("capacity-page", "capacity-pages"), "has no capacity-page"),
        (msgspec.json.encode(measured()).decode().replace("reader 12/3", "reader 13/3"), "has no point 'reader 12/3'"),
    ],
)
def test_a_file_that_is_no_measurement_is_named(tmp_path, content, said):
    file = tmp_path / "bench.json"
    if content is not None:
        file.write_text(content)

    with pytest.raises(MeasurementsUnusable, match=said):
        model_of(measurements(file))


@pytest.fixture
def bench(tmp_path):
    """A file as `./muster bench capacity --json` writes it."""
    file = tmp_path / "bench.json"
    file.write_bytes(msgspec.json.encode(measured()))
    return file


ASKED = ("plan", "--people", "10000000", "--commands-per-second", "100")


def test_the_command_shows_a_table_with_its_source_and_what_it_does_not_know(capsys, bench):
    with pytest.raises(SystemExit, match="0"):
        call([*ASKED, "--measured", str(bench)])

    said = capsys.readouterr().out
    assert "10,000,000 people * 1,000 bytes * 2 / 1" in said
    assert "Measured by ./muster bench capacity --json, 2026-12-01, here, load 0." in said
    assert "Not known:\n  the network" in said


def test_programs_get_the_lines_and_what_was_asked(capsys, bench):
    with pytest.raises(SystemExit, match="0"):
        call([*ASKED, "--measured", str(bench), "--json"])

    told = msgspec.json.decode(capsys.readouterr().out)
    assert told["load"]["people"] == 10_000_000
    assert {"name", "value", "unit", "arithmetic", "limit"} == set(told["lines"][0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--people", "0"], "--people"),
        (["--people", "many"], "--people"),
        (["--people", "10", "--commands-per-second", "-1"], "--commands-per-second"),
        ([*ASKED[1:], "--reads-per-second", "nan"], "--reads-per-second"),
        ([*ASKED[1:], "--node-memory", "0"], "--node-memory"),
        ([*ASKED[1:], "--batches", "60", "--pages", "60"], "--batches, --pages and --searches are percents"),
        ([*ASKED[1:], "--measured", "/nowhere"], "--measured /nowhere: it cannot be read"),
    ],
)
def test_wrong_input_is_said_with_its_option(arguments, said):
    with pytest.raises(WrongUsage) as wrong:
        call(["plan", *arguments])

    assert said in str(wrong.value)


def test_what_cannot_be_planned_fails(bench):
    with pytest.raises(CommandFailed, match="--node-memory"):
        call([*ASKED, "--measured", str(bench), "--node-memory", "0.01"])


def test_the_page_shows_what_the_model_says():
    """Its tables are made by `python -m tests.benchmarks.capacity_tables`."""
    page = PAGE.read_text()

    assert page.count("<!-- end -->") == 2
    assert replaced(page) == page

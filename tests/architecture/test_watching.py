"""The dashboard and the alert rules name what the code measures, and every alert says what to do."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY, Gauge

import projector.services
import read_side.services
import write_side.bus.backlog
import write_side.bus.consumer
import write_side.react
import write_side.services
from projector.processing import metrics
from projector.processing.progress import ProjectionState
from read_side.adapters.redis.views import source
from read_side.http.problems import PROBLEMS as READ_PROBLEMS
from shared.http.problems import COMMON_PROBLEMS
from write_side.execution.refusals import PROBLEMS as WRITE_PROBLEMS
from write_side.webhooks.webhook import STATES

DOCS = Path(__file__).parents[2] / "docs"
SERVICES = (write_side.services, write_side.react, projector.services, read_side.services)
MEASURING = (*SERVICES, source, write_side.bus.backlog, write_side.bus.consumer)
"""Importing the services, what views in Redis have in common, and the bus, defines every metric there is."""

SAMPLES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
PROBLEMS = {each.name for each in (*COMMON_PROBLEMS, *READ_PROBLEMS, *WRITE_PROBLEMS)}
ENDINGS = {"applied", "replayed", "refused", "poison"}
VALUES = {
    "state": {*ProjectionState, "waiting", "given up", *STATES},
    "problem": PROBLEMS,
    "outcome": PROBLEMS | {"behind"},
    "ending": ENDINGS,
}
"""What the labels that rules select by may be."""
OF_PROMETHEUS = {"job", "le", "status"}

GROUPS = yaml.safe_load((DOCS / "alerts/muster.yaml").read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
DASHBOARD = json.loads((DOCS / "grafana/muster.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [*(rule["expr"] for rule in RULES), *(each["expr"] for panel in PANELS for each in panel["targets"])]


def samples():
    """Every series of ours that a scrape can show."""
    families = [each for each in REGISTRY.collect() if each.name.startswith("muster_")]
    return {family.name + suffix for family in families for suffix in SAMPLES[family.type]}


def labels_of(sample):
    """The labels of a series."""
    collector = REGISTRY._names_to_collectors[sample]
    return set(vars(collector)["_labelnames"])


def anchors():
    """Those that a Markdown page gives its headings."""
    headings = re.findall(r"^#+ (.*)$", (DOCS / "operations/runbook.md").read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_what_is_looked_at_is_measured():
    """A name that nothing sets would be a panel for ever empty, and an alert that never fires."""
    named = {name for expression in EXPRESSIONS for name in re.findall(r"\bmuster_\w+", expression)}

    assert named - samples() == set()


def test_gauges_are_summed_over_the_workers_that_live():
    """Those of the projector aside, which is one process: others would show each worker, and those that have died."""
    of_projector = {each for each in vars(metrics).values() if isinstance(each, Gauge)}
    collectors = {each for name, each in REGISTRY._names_to_collectors.items() if name.startswith("muster_")}
    gauges = {each for each in collectors if isinstance(each, Gauge)} - of_projector

    assert {each._multiprocess_mode for each in gauges} == {"livesum"}


def test_what_is_selected_by_can_be():
    """Labels that the series have, and values that they take."""
    for sample, selectors in re.findall(r"\b(muster_\w+){([^}]*)}", "\n".join(EXPRESSIONS)):
        for label, values in re.findall(r'(\w+)(?:=~?|!=|!~)"([^"]*)"', selectors):
            assert label in labels_of(sample) | OF_PROMETHEUS
            assert set(values.split("|")) <= VALUES.get(label, {values})


def test_what_is_summed_by_is_a_label():
    """Of all the series that are named with it."""
    for expression in EXPRESSIONS:
        known = [labels_of(each) for each in re.findall(r"\bmuster_\w+", expression)]
        for labels in re.findall(r"\bby \(([^)]*)\)", expression):
            assert all(set(labels.split(", ")) <= each | OF_PROMETHEUS for each in known), expression


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule):
    """In the form that Prometheus takes; the way out stands under a heading of the runbook."""
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Muster([A-Z][a-z]+)+", rule["alert"])
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    page, anchor = rule["annotations"]["runbook"].split("#")
    assert page == "docs/operations/runbook.md"
    assert anchor in anchors()


def test_no_alert_overlooks_what_has_a_certain_value():
    """What is left out by its value before it is summed up is never told: a rebuild that never came beyond 0, say."""
    left_out = re.compile(r"\bby \([^)]*\) \([^()]* [<>=!]=? ?[\d.]+\)")

    assert [rule["alert"] for rule in RULES if left_out.search(rule["expr"])] == []


def test_no_alert_is_there_twice():
    names = [rule["alert"] for rule in RULES]

    assert sorted(set(names)) == sorted(names)


def test_links_inside_the_runbook_lead_somewhere():
    assert set(re.findall(r"\]\(#([^)]*)\)", (DOCS / "operations/runbook.md").read_text())) <= anchors()


def test_the_dashboard_has_a_place_for_every_panel():
    """No two share one, each has an id of its own and says what it shows."""
    taken = [
        (panel["gridPos"]["x"] + dx, panel["gridPos"]["y"] + dy)
        for panel in DASHBOARD["panels"]
        for dx in range(panel["gridPos"]["w"])
        for dy in range(panel["gridPos"]["h"])
    ]

    assert len(set(taken)) == len(taken)
    assert all(x < 24 for x, _ in taken)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["description"] and panel["title"] for panel in PANELS)

"""What the contract lists is there: commands, routes, problems, and a projection for every event."""

import re
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from projector.projections.registry import PROJECTIONS
from read_side.http.documentation import document as read_document
from read_side.http.problems import PROBLEMS as READ_PROBLEMS
from read_side.http.resources import RESOURCES
from shared.errors import Overloaded, Unavailable
from shared.events import EVENTS
from shared.http.middleware.auth import AUTH_PROBLEMS
from shared.http.problems import COMMON_PROBLEMS
from tests.support.histories import History
from write_side.domain import account, errors
from write_side.execution.refusals import PROBLEM_OF
from write_side.execution.refusals import PROBLEMS as WRITE_PROBLEMS
from write_side.http.documentation import document as write_document
from write_side.use_cases import USE_CASES

ROOT = Path(__file__).parents[2]
EVERY_PROBLEM = (*COMMON_PROBLEMS, *AUTH_PROBLEMS, *WRITE_PROBLEMS, *READ_PROBLEMS)

COMMANDS = {
    "register-account",
    "change-handle",
    "change-email",
    "verify-email",
    "update-profile",
    "suspend-account",
    "reinstate-account",
    "close-account",
    "erase-account",
    "create-group",
    "update-group",
    "delete-group",
    "add-group-member",
    "change-member-role",
    "remove-group-member",
}
ANY = {UUID: UUID(int=1), str: "x", int: 1}
"""Some value of each type that events have."""
READ_ROUTES = {
    "/profiles/{id}",
    "/profiles/by-handle/{handle}",
    "/profiles/by-email/{email}",
    "/profiles/by-external-id/{id}",
    "/profiles/batch-get",
    "/profiles",
    "/profiles/{id}/activity",
    "/profiles/{id}/export",
    "/groups",
    "/groups/{id or slug}",
    "/groups/{id or slug}/members",
    "/groups/{id or slug}/members/{account id}",
    "/stats",
}


def test_every_command_has_a_use_case_and_a_route():
    assert {use_case.name for use_case in USE_CASES} == COMMANDS
    assert set(write_document()["paths"]) == {"/commands", *(f"/commands/{name}" for name in COMMANDS)}


def test_every_use_case_is_one_file_named_like_its_command():
    for use_case in USE_CASES:
        module = use_case.name.replace("-", "_")
        assert use_case.command.__module__ == f"write_side.use_cases.{module}"
        assert use_case.command.__name__ == "".join(word.title() for word in module.split("_"))


def test_every_read_of_the_contract_has_a_route():
    """A resource that is added needs no line here; one that the contract names cannot go."""
    assert {re.sub(r"{[^}]*}", "{}", path) for path in READ_ROUTES} <= {
        re.sub(r"{[^}]*}", "{}", path) for path in read_document()["paths"]
    }


def test_every_projection_is_served_and_probed():
    """By a resource of its name."""
    assert {each.name for each in PROJECTIONS} == {each.name for each in RESOURCES}
    assert read_document()["x-probes"] == {each.name: each.probe for each in RESOURCES}
    assert {each.probe.partition("?")[0].split("/")[1] for each in RESOURCES} <= {
        path.split("/")[1] for path in read_document()["paths"]
    }


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_every_event_is_projected(event):
    """An event for which no projection needs a document would change the truth and no record."""
    required = [field for field in msgspec.structs.fields(event) if field.required]
    history = History()
    recorded = history.record("any", ANY[UUID], event(**{field.name: ANY[field.type] for field in required}))

    assert [key for projection in PROJECTIONS for key in projection.plan.touched(recorded).saved]


def test_every_problem_says_what_to_do():
    for problem in EVERY_PROBLEM:
        assert problem.hint, problem
        assert problem.title, problem
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", problem.name)
        assert 400 <= problem.status < 600, problem


def test_every_refusal_of_the_write_side_is_a_problem():
    """An error that has no problem would be answered with 500."""
    internal = {"Conflict"}
    refusals = {
        each
        for module in (errors, account)
        for name, each in vars(module).items()
        if isinstance(each, type) and issubclass(each, Exception) and name not in internal
    }

    assert refusals | {Unavailable, Overloaded} == set(PROBLEM_OF)


@pytest.mark.parametrize("name", ["README.md", "docs"])
def test_problem_names_in_the_documentation_exist(name):
    known = {problem.name for problem in EVERY_PROBLEM}
    files = [ROOT / name] if (ROOT / name).is_file() else sorted((ROOT / name).rglob("*.md"))
    named = {found for file in files for found in re.findall(r"/problems/([a-z-]+)", file.read_text())}

    assert named <= known

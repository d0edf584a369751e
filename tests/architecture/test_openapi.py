"""What generators of clients need of the three documents; each operation says what it can answer, and no more."""

import re

import pytest

from projector.api.app import _document as ops_document
from read_side.http.documentation import document as read_document
from write_side.http.documentation import document as write_document

DOCUMENTS = {"write": write_document(), "read": read_document(), "ops": ops_document()}
OPERATIONS = [
    operation
    for document in DOCUMENTS.values()
    for methods in document["paths"].values()
    for operation in methods.values()
]
NAMES = [operation["operationId"] for operation in OPERATIONS]
every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)

MOST_CHOICES = 30
"""More are no choice but a list that grows, such as that of time zones."""

CONFLICTS = {
    "register_account": {"email-taken", "handle-taken", "external-id-taken", "account-exists"},
    "change_handle": {"account-not-found", "account-closed", "handle-taken"},
    "change_email": {"account-not-found", "account-closed", "email-taken"},
    "verify_email": {"account-closed"},
    "update_profile": {"account-not-found", "account-closed"},
    "suspend_account": {"account-not-found", "account-closed"},
    "reinstate_account": {"account-not-found", "account-closed"},
    "close_account": {"account-not-found"},
    "erase_account": {"account-not-found"},
    "create_group": {"slug-taken", "external-id-taken", "group-exists"},
    "update_group": {"group-not-found", "slug-taken"},
    "delete_group": {"group-not-found"},
    "add_group_member": {"group-not-found", "account-not-found", "account-closed"},
    "change_member_role": {"group-not-found", "account-not-found", "member-not-found"},
    "remove_group_member": {"group-not-found", "account-not-found", "member-not-found"},
    "get_profile": {"profile-not-found"},
    "list_profiles": set(),
    "get_group_member": {"group-not-found", "member-not-found"},
    "get_stats": set(),
    "rebuild_projection": {"projection-not-found", "rebuild-under-way", "refused"},
}
"""By the operation, the problems with the statuses 404 and 409."""


def walked(value, way=""):
    """Everything in a document, with the way to it."""
    yield way, value
    for name, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from walked(each, f"{way}/{name}")


def problems(operation, *statuses):
    contents = [operation["responses"].get(str(status), {}).get("content", {}) for status in statuses]
    return {name for each in contents for name in each.get("application/problem+json", {}).get("examples", {})}


def test_an_operation_has_a_name_that_a_person_would_choose():
    assert [name for name in NAMES if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name)] == []
    assert [name for name in NAMES if name.startswith(("get_commands", "post_"))] == []


def test_names_of_operations_stand_once():
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("operation", OPERATIONS, ids=NAMES)
def test_an_operation_says_what_it_takes_and_answers(operation):
    """In words and by examples, of each body and of what must be in the address."""
    assert operation["summary"]
    assert operation["description"]
    assert len(operation["tags"]) == 1
    for described in (operation.get("requestBody"), operation["responses"]["200"]):
        for content in (described or {}).get("content", {}).values():
            assert "example" in content
    for parameter in operation["parameters"]:
        assert "example" in parameter or not parameter["required"]


def test_an_operation_names_the_problems_that_it_can_answer():
    """Those of its own use case, or of its own resource."""
    named = {name: problems(each, 404, 409) for name, each in zip(NAMES, OPERATIONS, strict=True) if name in CONFLICTS}

    assert named == CONFLICTS


@every_document
def test_tags_are_described_and_used(document):
    used = {tag for methods in document["paths"].values() for each in methods.values() for tag in each["tags"]}

    assert {tag["name"] for tag in document["tags"]} == used
    assert all(tag["description"] for tag in document["tags"])


@every_document
def test_what_is_optional_is_optional(document):
    """A default makes generators count on the field; what it is stands in the description."""
    bodies = [(way, each) for way, each in walked(document["components"]["schemas"]) if isinstance(each, dict)]

    assert [way for way, each in bodies if "default" in each] == []


@every_document
def test_nothing_breaks_generators(document):
    """Arrays say of what, and no open-ended set is enumerated."""
    for way, each in walked(document):
        if isinstance(each, dict) and each.get("type") == "array":
            assert "items" in each, way
        if isinstance(each, dict) and isinstance(each.get("enum"), list):
            assert len(each["enum"]) <= MOST_CHOICES, way


@every_document
def test_references_lead_somewhere(document):
    for _, each in walked(document):
        if isinstance(each, dict) and isinstance(each.get("$ref"), str):
            kind, name = each["$ref"].removeprefix("#/components/").split("/")
            assert name in document["components"][kind]

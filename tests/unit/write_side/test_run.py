"""The fields of a command as a shell writes them, and what is said of them."""

from typing import Any

import pytest

from shared.cli.commands import call
from shared.cli.exit_codes import CommandFailed, WrongUsage
from write_side.cli.completion import complete_fields
from write_side.cli.fields import fields_of, require_all, written
from write_side.use_cases import USE_CASES

BY_NAME = {use_case.name: use_case for use_case in USE_CASES}
UPDATE = BY_NAME["update-profile"]


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (["account=@andre", "title=a=b, c"], {"account": "@andre", "title": "a=b, c"}),
        (["tags=a,b"], {"tags": ["a", "b"]}),
        (["tags=a", "tags=b,c"], {"tags": ["a", "b", "c"]}),
        (['tags=["a,b"]'], {"tags": ["a,b"]}),
        (["tags="], {"tags": []}),
        (
            ["links.home=https://x.org/?a=b", "links.x.y=tel:1"],
            {"links": {"home": "https://x.org/?a=b", "x.y": "tel:1"}},
        ),
        (['attributes={"a": "1"}'], {"attributes": {"a": "1"}}),
        (["title=null", "tags=null", "links=null"], {"title": None, "tags": None, "links": None}),
        (["title="], {"title": ""}),
        (["display_name=null"], {"display_name": "null"}),
        (["attributes.a=null"], {"attributes": {"a": "null"}}),
    ],
)
def test_fields_are_as_json_has_them(words, fields):
    """What cannot be none may be called null."""
    assert written(UPDATE, words) == fields


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["title"], "'title' is no field: write field=value"),
        (["titel=x"], "update-profile has no field 'titel': did you mean title?"),
        (["title=a", "title=b"], "title is written twice, or in parts: write title=VALUE"),
        (["title.a=b"], "title is written twice, or in parts"),
        (["links=home"], "links is neither JSON nor written as links.NAME=VALUE"),
        (["tags=null", "tags=a"], "tags is written twice"),
    ],
)
def test_what_is_no_field_is_wrong_usage(words, said):
    with pytest.raises(WrongUsage) as refused:
        written(UPDATE, words)

    assert said in str(refused.value)


def test_what_is_needed_is_asked_for():
    with pytest.raises(WrongUsage, match="add-group-member needs group=VALUE account=VALUE as well"):
        require_all(BY_NAME["add-group-member"], {"role": "x"})


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda each: each.name)
def test_every_field_says_what_it_has_to_be(use_case):
    """By the rule of its value; so a new command explains itself."""
    helps = {field.name: field.help for field in fields_of(use_case).values()}

    assert set(helps) == set(use_case.command.__struct_fields__)
    assert all(len(text) > 5 for text in helps.values())
    assert "JSON" not in "".join(helps.values())


def test_a_command_that_is_unknown_or_refused_here_has_its_status(monkeypatch, tmp_path):
    """Nothing is asked of the write API."""
    monkeypatch.setenv("MUSTER_HOME", str(tmp_path))

    calls = ("fly", "close-account", "close-account account=x", "close-account account=@x a=b")
    statuses = [status_of(["run", *words.split()]) for words in calls]

    assert statuses == [2, 2, 1, 2]


def status_of(words: list[str]) -> int:
    with pytest.raises(CommandFailed) as ended:
        call(words)
    return ended.value.exit_code


class Context:
    """What cyclopts hands to a completer."""

    def __init__(self, *before: str, incomplete: str) -> None:
        tokens = [type("Token", (), {"value": word}) for word in before]
        self.argument: Any = type("Argument", (), {"tokens": tokens})
        self.incomplete = incomplete


@pytest.mark.parametrize(
    ("before", "incomplete", "completed"),
    [
        ((), "", {"account=", "display_name=", "links.", "tags="}),
        ((), "ti", {"title=", "time_zone="}),
        ((), "time_zone=Europe/Berl", {"time_zone=Europe/Berlin"}),
        (("time_zone", "="), "Europe/Berl", {"Europe/Berlin"}),
        ((), "account=@an", set()),
    ],
)
def test_fields_and_values_are_completed(monkeypatch, tmp_path, before, incomplete, completed):
    """Also where bash takes a word apart; without a read API there are no people to offer."""
    monkeypatch.setenv("MUSTER_HOME", str(tmp_path))

    found = set(complete_fields(UPDATE)(Context(*before, incomplete=incomplete)))

    assert found >= completed
    assert all(each.startswith(incomplete) for each in found)
    assert bool(found) == bool(completed)

"""A wrong value of any field of any command is refused, and that field is named and no other."""

import msgspec
import pytest

from shared.decoding.objects import part_decoder
from shared.problems import Refusal
from write_side.domain.values import parse_value
from write_side.use_cases import USE_CASES

URL = "https://example.org/"
RIGHT = {
    "email": "andre@example.org",
    "handle": "andre",
    "display_name": "André Carson",
    "account": "@andre",
    "slug": "ssaf",
    "name": "Agriculture",
    "group": "ssaf",
    "role": "Chair",
    "token": "AQGZYVnDtwfmQ",
}
WRONG = (3, True, {"a": 3}, [3], "a\x00b", "x" * 10_000)
"""What no field may be; all that a kind of text refuses is tested with the kinds."""
WRONG_OF = {
    "links": ("x", [URL], {"a": "x"}, {"": URL}, {"x" * 65: URL}, {str(n): URL for n in range(51)}),
    "tags": ("x", {"a": "b"}, [""], [None], ["x" * 65], ["a\x00"], [str(n) for n in range(51)]),
    "attributes": ("x", [], {"a": None}, {"": "x"}, {"a": "x" * 2001}, {str(n): "x" for n in range(101)}),
    **dict.fromkeys(("display_name", "given_name", "family_name", "title", "name", "role"), ("", "x" * 201)),
    **dict.fromkeys(("bio", "description"), ("one\ntwo", "x" * 4001)),
    "email": ("andre",),
    "handle": ("-andre",),
    "slug": ("Ssaf",),
    "external_id": ("", "x" * 256),
    "locale": ("e",),
    "time_zone": ("Mars/Olympus",),
    "picture_url": ("example.org",),
    "reason": ("x" * 2001,),
    "account_id": ("", "0190"),
    "group_id": ("", "0190"),
    "account": ("", "andre", "@-"),
    "group": ("", "@andre", "a-"),
    "unheard_of": (None, "x"),
    "a/b~c": ("x",),
}
COMMANDS = {each.name: each.command for each in USE_CASES}


def errors_of(command, body):
    with pytest.raises(Refusal) as refused:
        part_decoder(command, value_hook=parse_value)(msgspec.json.encode(body))
    return {"/" + each.pointer.split("/")[1] for each in refused.value.errors}


def right_of(command):
    return {each.name: RIGHT[each.name] for each in msgspec.structs.fields(command) if each.required}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_wrong_field_is_named(command):
    """Each by itself, in a command that is right but for it."""
    right = right_of(command)
    for field in (*command.__struct_fields__, "unheard_of", "a/b~c"):
        named = "/" + field.replace("~", "~0").replace("/", "~1")
        for value in (*WRONG, *WRONG_OF.get(field, ()), *([None] if field in right else ())):
            assert errors_of(command, {**right, field: value}) == {named}, (field, value)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_field_that_is_missing_is_named(command):
    right = right_of(command)

    missing = [errors_of(command, {name: value for name, value in right.items() if name != each}) for each in right]

    assert missing == [{f"/{each}"} for each in right]

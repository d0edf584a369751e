"""Optional text that is empty means none, as identity providers send it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.problems import Refusal
from write_side.domain.values import plain
from write_side.execution.messages import _part_decoders as decode_of
from write_side.use_cases import USE_CASES, optional_texts, with_nulls

ADA = {"email": "ada@x.org", "handle": "ada", "display_name": "Ada", "group": "ssaf", "slug": "ssaf", "name": "S"}
WITH_OPTIONAL_TEXT = [each for each in USE_CASES if optional_texts(each.command)]


@pytest.mark.parametrize("use_case", WITH_OPTIONAL_TEXT, ids=lambda each: each.name)
def test_empty_is_null_in_every_optional_text(use_case):
    """The command is the same, and so is its fingerprint."""
    known = {"account": "@ada", **ADA}
    fields = {name: known[name] for name in use_case.command.__struct_fields__ if name in known}
    optional = optional_texts(use_case.command)

    empty, null = (
        decode_of[use_case.name](msgspec.json.encode(fields | dict.fromkeys(optional, none))) for none in ("", None)
    )

    assert msgspec.json.encode(empty, enc_hook=plain) == msgspec.json.encode(null, enc_hook=plain)


@pytest.mark.parametrize(
    ("command", "field"),
    [("register-account", "display_name"), ("register-account", "email"), ("update-profile", "display_name")],
)
def test_what_is_required_is_not_empty(command, field):
    known = ADA if command == "register-account" else {"account": "@ada"}
    sent = {name: each for name, each in known.items() if name not in {"group", "slug", "name"}} | {field: ""}

    with pytest.raises(Refusal) as refused:
        decode_of[command](msgspec.json.encode(sent))

    assert [each.pointer for each in refused.value.errors] == [f"/{field}"]


@given(st.binary(max_size=30) | st.sampled_from([b'{"a": ""', b'"" ', b'{"bio": {"a": ""}}', b"[" * 9_000 + b'""']))
def test_whatever_else_is_sent_stays_as_it_is(body):
    kind = WITH_OPTIONAL_TEXT[0].command

    assert with_nulls(kind, body) == body or msgspec.json.decode(with_nulls(kind, body)) == msgspec.json.decode(body)

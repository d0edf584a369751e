"""Objects in JSON with a name that stands twice."""

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.decoding.repeated_names import require_distinct_names
from shared.problems import Refusal

NAMES = st.sampled_from(["a", "b", "a/b", "~", 'x":1,"x', "ä", "http://x", ""])
VALUES = st.recursive(
    st.none() | st.integers() | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=4).map(tuple),
    max_leaves=12,
)
"""A tuple stands for an object, whose members may have one name."""

OBJECTS = st.lists(st.tuples(NAMES, VALUES), max_size=4).map(tuple)


def written(value, *, ascii_only):
    """The same in JSON, which no encoder of Python's would write."""
    match value:
        case tuple():
            members = [
                f"{quoted(name, ascii_only=ascii_only)}: {written(inner, ascii_only=not ascii_only)}"
                for name, inner in value
            ]
            return "{" + ", ".join(members) + "}"
        case list():
            return "[" + ",".join(written(inner, ascii_only=ascii_only) for inner in value) + "]"
        case str():
            return quoted(value, ascii_only=ascii_only)
    return json.dumps(value)


def quoted(text, *, ascii_only):
    """The same as a string, whose colons may be escaped."""
    string = json.dumps(text, ensure_ascii=ascii_only)
    return string.replace(":", r"\u003a") if ascii_only else string


def repeats(value):
    """How often a name stands again in its object, here and further inside."""
    if isinstance(value, tuple):
        return len(value) - len(dict(value)) + sum(repeats(inner) for _, inner in value)
    return sum(map(repeats, value)) if isinstance(value, list) else 0


@given(OBJECTS, st.booleans())
@example(members=(("a/b", (("http://x", 0),)), ("b", 1), ("b", 2)), ascii_only=False)
def test_every_name_that_stands_again_is_named_and_no_other(members, ascii_only):
    """However deep it stands, and however its letters are written."""
    body = written(members, ascii_only=ascii_only).encode()

    try:
        require_distinct_names(body)
    except Refusal as rejection:
        named = [each.pointer for each in rejection.errors]
    else:
        named = []

    assert len(named) == repeats(members)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"a":1,"a":1}', "/a"),
        (b'{"a":1,"\\u0061":2}', "/a"),
        (b'{"links":{"x":"https://a","y":"","x":""}}', "/links/x"),
        (b'{"a":[{"b/c":1},{"b/c":1,"b/c":2}]}', "/a/1/b~1c"),
        (b'{"a" :1,"b" :2,"b"\n:3}', "/b"),
    ],
)
def test_it_is_named_by_its_pointer(body, pointer):
    with pytest.raises(Refusal) as raised:
        require_distinct_names(body)

    assert raised.value.problem.status == 422
    assert [each.pointer for each in raised.value.errors] == [pointer]


def test_a_number_of_many_digits_is_no_defect():
    """Python reads none of more than 4,300 into an integer."""
    body = b'{"a":{"b":' + b"9" * 5_000 + b"}}"
    assert msgspec.json.decode(body, type=dict[str, msgspec.Raw])

    require_distinct_names(body)

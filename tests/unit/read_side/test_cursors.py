"""Cursors, whatever they carry and whatever is sent for one."""

import re

from hypothesis import given
from hypothesis import strategies as st

from read_side.http.cursors import Cursor
from read_side.http.lists import ends_in_id
from read_side.http.parameters import Malformed
from shared.read_model.ordering import place

places = st.binary(min_size=1, max_size=100)
questions = st.binary(max_size=40)


@given(place=places, asked=questions)
def test_a_cursor_carries_its_place(place, asked):
    """In characters that an address takes as they are."""
    text = str(Cursor.behind(place, asked=asked))

    cursor = Cursor.parse(text)

    assert place == cursor.place
    assert cursor.is_of(asked)
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", text)


@given(place=places, asked=questions, other=questions)
def test_a_cursor_belongs_to_one_question(place, asked, other):
    """And to no other."""
    cursor = Cursor.parse(str(Cursor.behind(place, asked=asked)))

    assert cursor.is_of(other) == (asked == other)


@given(
    st.text(max_size=60) | st.text("ABCabc012_-=+/", max_size=60) | st.from_regex(r"AQ[A-Za-z0-9_-]*", fullmatch=True)
)
def test_what_is_no_cursor_is_malformed_and_nothing_worse(text):
    """Whatever is taken for one is written as it was sent."""
    try:
        cursor = Cursor.parse(text)
    except Malformed:
        return

    assert str(cursor) == text
    assert not cursor.is_of(b"")


@given(place=places, asked=questions, data=st.data())
def test_a_cursor_that_was_changed_is_found_out(place, asked, data):
    """One character is enough."""
    text = str(Cursor.behind(place, asked=asked))
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCabc012_-.").filter(lambda each: each != text[at]))

    assert not leads_on(text[:at] + other + text[at + 1 :], asked)


def leads_on(text, asked):
    try:
        return Cursor.parse(text).is_of(asked)
    except Malformed:
        return False


@given(key=st.binary(max_size=40), id=st.uuids())
def test_a_place_is_known_by_its_end(key, id):
    """A forger, who can compute the check, leads nowhere but to places that could be there."""
    assert ends_in_id(place(key, id))
    assert not ends_in_id(id.bytes)
    assert not ends_in_id(place(key, id)[:-17] + b"x" + id.bytes)

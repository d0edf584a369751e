"""Cursors, whatever they carry and whatever is sent for one."""

import re

from hypothesis import given
from hypothesis import strategies as st

from read_side.http.lists import ends_in_id
from shared.http.parsing.cursors import Cursor
from shared.http.parsing.parameters import Malformed
from shared.read_model.ordering import place

places = st.binary(min_size=1, max_size=100)
questions = st.binary(max_size=40)


@given(place=places, query=questions)
def test_a_cursor_carries_its_place(place, query):
    """In characters that an address takes as they are."""
    text = str(Cursor.behind(place, query=query))

    cursor = Cursor.parse(text)

    assert place == cursor.place
    assert cursor.is_of(query)
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", text)


@given(place=places, query=questions, other=questions)
def test_a_cursor_belongs_to_one_question(place, query, other):
    """And to no other."""
    cursor = Cursor.parse(str(Cursor.behind(place, query=query)))

    assert cursor.is_of(other) == (query == other)


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


@given(place=places, query=questions, data=st.data())
def test_a_cursor_that_was_changed_is_found_out(place, query, data):
    """One character is enough."""
    text = str(Cursor.behind(place, query=query))
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCabc012_-.").filter(lambda each: each != text[at]))

    assert not leads_on(text[:at] + other + text[at + 1 :], query)


def leads_on(text, query):
    try:
        return Cursor.parse(text).is_of(query)
    except Malformed:
        return False


@given(key=st.binary(max_size=40), id=st.uuids())
def test_a_place_is_known_by_its_end(key, id):
    """A forger, who can compute the check, leads nowhere but to places that could be there."""
    assert ends_in_id(place(key, id))
    assert not ends_in_id(id.bytes)
    assert not ends_in_id(place(key, id)[:-17] + b"x" + id.bytes)

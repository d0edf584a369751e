"""The keys that a batch asks for: ids as we write them take a short way, and mean the same on it."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from read_side.http.resources.batch import BatchGet, keys_in
from shared.decoding.objects import decoder
from shared.problems import Refusal

IDS = st.uuids().map(str)
ODD = st.sampled_from(["-", "\n", "g", "A", "é", "", "0", "--"])


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """An id in which something else stands at some place."""
    id_, at = draw(IDS), draw(st.integers(0, 36))
    return id_[:at] + draw(ODD) + id_[at + draw(st.integers(0, 1)) :]


@given(st.lists(IDS | spoilt(), max_size=4))
def test_ids_mean_the_same_however_they_are_read(ids):
    """Also where something stands in one that makes up for what is missing in another."""
    body = msgspec.json.encode({"ids": ids})

    assert _outcome(lambda: decoder(BatchGet)(body).keys()) == _outcome(lambda: keys_in(body))


def _outcome(read: Any) -> Any:
    try:
        return read()
    except Refusal as refusal:
        return refusal.detail, [(each.pointer, each.detail) for each in refusal.errors]

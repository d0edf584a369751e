"""Whatever is sent, what reads it makes a value of it or refuses it with its own error, and does nothing worse."""

import json
import re
import unicodedata
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.api import parked as parking
from projector.api import rebuilds as generations
from read_side.http.parameters import filters
from read_side.http.parameters.conditions import known_tag
from read_side.http.resources import batch
from read_side.http.resources.groups import group_query, member_query
from read_side.http.resources.profiles import PROFILES, profile_query
from shared.auth.tokens import InvalidToken, unverified
from shared.decoding.objects import decoder
from shared.http import requests
from shared.http.middleware import exchange
from shared.http.middleware.auth import _token, cookie_name, cookie_of
from shared.http.pages import csrf_check as guard
from shared.http.parsing.bodies import require_media_type
from shared.http.parsing.cursors import Cursor
from shared.http.parsing.negotiation import require_acceptable
from shared.http.parsing.parameters import Malformed, Parameters
from shared.http.problems import details_of
from shared.observability.tracing import command_span, traceparent
from shared.problems import MOST_ERRORS, Refusal
from shared.read_model.ordering import PROFILE_ORDERS
from shared.urls.http import is_to_loopback
from tests.hostile.texts import JSON, TEXTS, as_segment, header_values
from write_side.domain.references import AccountRef, GroupRef
from write_side.domain.values import InvalidValue, Text
from write_side.execution.messages import _take_apart, decode_fields, named, version_in, well_formed_key
from write_side.use_cases import USE_CASES

SYNTAX = "@:extEXT{}[]()\"'\\/%&=?;, \t.-_+*0129afAF\x00\x1b\r\n\u2028\u0661\u212a\u0301"
TEXT = st.sampled_from(sorted(TEXTS.values())) | st.text(max_size=80) | st.text(SYNTAX, max_size=60)
BYTES = st.sampled_from(sorted(header_values())) | st.binary(max_size=80) | TEXT.map(str.encode)


def scope(*headers, query=b""):
    return {"headers": headers, "query_string": query, "raw_path": b"/", "path": "/"}


def question(make, name):
    def ask(text):
        asked = Parameters(scope(query=f"{name}={as_segment(text)}".encode()))
        make(asked)
        asked.require_valid()

    return ask


PARSED: tuple[Any, ...] = (*Text.__subclasses__(), AccountRef, GroupRef)
TEXT_READERS = {
    **{kind.__name__: (kind.parse, InvalidValue) for kind in PARSED},
    **{
        each.__name__: (each, Malformed)
        for each in (filters.account_id, filters.group, filters.statuses, filters.tag, filters.role, filters.search)
    },
    "limit": (filters.LIMIT.parse, Malformed),
    "sort": (filters.sort_among(filters.sorts_of(PROFILE_ORDERS)), Malformed),
    "cursor": (Cursor.parse, Malformed),
    "token": (unverified, InvalidToken),
    "idempotency key": (well_formed_key, Refusal),
    "expected version": (version_in, Refusal),
    "command": (named, Refusal),
    **{
        f"{make.__name__} {name}": (question(make, name), Refusal)
        for make in (profile_query, group_query, member_query)
        for name in ("q", "sort", "status", "tag", "role", "group", "cursor")
    },
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_is_taken_or_refused(text):
    read_text(text)


@given(TEXT)
def test_any_text_is_taken_or_refused(text):
    read_text(text)


def read_text(text):
    for reads, own_error in TEXT_READERS.values():
        outcome = outcome_of(reads, text, own_error)

        assert not isinstance(outcome, own_error) or is_fit_to_be_told(outcome, text)
        assert not isinstance(outcome, Text) or is_fit_to_be_kept(outcome)


def outcome_of(reads, given, own_error):
    """What is made of it, or the error that says why nothing is."""
    try:
        return reads(given)
    except own_error as error:
        return error


def is_fit_to_be_told(error, text):
    """What is refused is not quoted."""
    told = str(error)
    return told.isprintable() and (len(text) < 8 or text not in told)


def is_fit_to_be_kept(value):
    is_shown = not any(unicodedata.category(each) in {"Cc", "Cs"} for each in value)
    return is_shown and len(value) <= value.longest and unicodedata.is_normalized("NFC", value)


wanted = partial(PROFILES.routes[0].fields.wanted, variant="full")
HEADER_READERS = {
    "media type": (b"content-type", lambda scope: require_media_type(scope, "application/json")),
    "accepted": (b"accept", lambda scope: require_acceptable(scope, "application/json")),
    "token": (b"authorization", _token),
    "session": (b"cookie", partial(cookie_of, begin="muster_session")),
    "host": (b"host", lambda scope: is_to_loopback(requests.header(scope, b"host"))),
    "origin": (b"origin", lambda scope: guard._is_at(requests.header(scope, b"origin"), "localhost")),
    "known": (b"if-none-match", lambda scope: known_tag(scope, '"x"')),
    "position": (b"muster-min-position", wanted),
    "query": (b"x", lambda scope: wanted({**scope, "query_string": scope["headers"][0][1]})),
}


@given(BYTES)
def test_any_header_is_taken_or_refused(value):
    for name, reads in HEADER_READERS.values():
        outcome = outcome_of(reads, scope((name, value)), Refusal)

        assert not isinstance(outcome, Refusal) or is_a_problem(outcome, 401, 406, 415, 422)


def is_a_problem(rejection, *statuses):
    told = json.loads(msgspec.json.encode(details_of(rejection)))
    return told["status"] in statuses


@given(BYTES)
def test_what_is_made_of_a_header_holds_nothing_else(value):
    """What goes on into answers, events and logs: ids, names of cookies, traces."""
    text = str(value, "latin-1")
    sent_id = exchange._sent_id(scope((b"request-id", value)))
    with command_span("test", sent=text):
        trace = traceparent()

    assert re.fullmatch(r"muster_session_[0-9]+", cookie_name("muster_session", text))
    assert sent_id is None or re.fullmatch(r"[\x21-\x7e]{1,128}", sent_id)
    assert trace is None or re.fullmatch(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", trace)


BODIES: dict[str, tuple[Any, Any]] = {
    **{each.name: (each.command, partial(decode_fields, each)) for each in USE_CASES},
    "line": (USE_CASES[0].command, _take_apart),
    "batch": (batch.BatchGet, lambda body: batch._decode(body).keys()),
    "rebuild": (generations.Rebuild, generations._decode_rebuild),
    "skip": (parking.SkipRequest, parking._decode_skip),
}
VALUES = st.sampled_from(sorted(JSON.values())) | TEXT.map(msgspec.json.encode) | st.binary(max_size=20)


def value_in_its_places(value):
    """A value as it is, in a list, as a member and as a name."""
    return st.sampled_from([value, b"[%b]" % value, b'{"x":%b}' % value, b"{%b:1}" % value])


@pytest.mark.parametrize("name", BODIES)
@given(data=st.data())
def test_any_body_is_taken_or_refused(name, data):
    """With any value in place of one of its fields, and cut anywhere."""
    kind, decode = BODIES[name]
    field = data.draw(st.sampled_from([*kind.__struct_fields__, "command", "idempotency_key", "x"]))
    value = data.draw(VALUES.flatmap(value_in_its_places))
    body = b'{"%b":%b}' % (field.encode(), value)

    cut = data.draw(st.just(len(body)) | st.integers(0, len(body)))

    outcome = outcome_of(decode, body[:cut], Refusal)

    assert not isinstance(outcome, Refusal) or is_a_problem(outcome, 400, 422)


def test_of_very_many_wrong_fields_some_are_named():
    """Or an answer would be several times as long as what was sent."""
    decode = decoder(batch.BatchGet)

    with pytest.raises(Refusal) as refused:
        decode(JSON["many names"])

    assert len(refused.value.errors) == MOST_ERRORS
    assert len(refused.value.detail) < 1_000

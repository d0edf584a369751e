"""The write API keeps to its OpenAPI document, whatever is sent: schemathesis against a real process and PostgreSQL."""

import json

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from shared.auth.principal import COMMANDS
from tests.e2e.documented import require_named
from tests.support.access import Keys
from tests.support.examples import at_night, examples
from tests.support.patience import SECONDS
from tests.support.served import WRITE, served
from write_side.http.documentation import document

NDJSON = "application/x-ndjson"

schemathesis.openapi.format(
    "time-zone", st.sampled_from(["Europe/Berlin", "America/Indiana/Indianapolis", "UTC", "Etc/GMT+5"])
)
DOCUMENT = document()
schema = schemathesis.openapi.from_dict(DOCUMENT)
schema.config.phases.coverage.enabled = at_night()  # each value by itself: other tests send wrong ones, too


@schemathesis.serializer(NDJSON)
def as_lines(_context, value):
    """A stream of one command."""
    return json.dumps(value).encode()


@schemathesis.deserializer(NDJSON)
def first_line(_context, response):
    """The answer to it; there may be none, as to an empty line."""
    return json.loads(response.content.partition(b"\n")[0])


@pytest.fixture(scope="module", params=[COMMANDS])
def keys(server_home):
    """A parameter, for the operations stand in ids only behind one: xdist runs one alone of those with the same id."""
    return Keys(server_home / "write-keys")


@pytest.fixture(scope="module")
def write_api(databases, keys):
    with databases.lent() as url, served(WRITE, MUSTER_DATABASE_URL=url, **keys.settings) as process:
        yield process


def test_the_document_is_served(write_api):
    served = httpx.get(f"{write_api.url}/openapi.json", timeout=SECONDS, trust_env=False)

    assert json.loads(json.dumps(DOCUMENT)) == served.json()


@schema.parametrize()
@settings(max_examples=examples(6), suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case, write_api, keys):
    """Also to what does not fit the document: no 500, no status, header or body that the document does not name."""
    answer = case.call(base_url=write_api.url, headers=keys.headers(COMMANDS))

    case.validate_response(answer, excluded_checks=list(not_applicable(case, answer)))
    require_named(DOCUMENT, case, answer)


def not_applicable(case, answer):
    """What schemathesis would take for a defect, and what the contract wants."""
    if case.operation.path == "/commands":
        yield negative_data_rejection  # a wrong line is answered in its place, within a stream that is 200
    if "/problems/token-not-good" in answer.text:
        yield positive_data_acceptance  # only what was mailed to a person is good
    if answer.status_code == 412 or "/problems/idempotency-mismatch" in answer.text:
        yield positive_data_acceptance  # whether a version or a key fits depends on what came before
    if "white space and invisible characters alone" in answer.text:
        yield positive_data_acceptance  # which characters are invisible, no pattern says that all generators can read
    if "/problems/token-not-good" in answer.text:
        yield positive_data_acceptance  # a good one stands in a mail alone
    if '"pointer":"If-Match"' in answer.text:
        yield positive_data_acceptance  # some of its examples leave out the quotes that the pattern asks for

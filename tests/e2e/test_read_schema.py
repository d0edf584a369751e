"""The read API keeps to its OpenAPI document, whatever is sent: schemathesis asks `muster read` on a real Valkey."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from redis import Redis
from schemathesis.specs.openapi.checks import positive_data_acceptance

from read_side.http.documentation import document
from read_side.http.parameters import filters
from read_side.http.parameters.conditions import GREATEST_POSITION
from read_side.http.resources.change_stream import STREAM
from shared.auth.principal import PRIVATE, READ
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.dev_stack.embedded.server import free_port
from shared.http.parsing.parameters import Malformed
from tests.e2e.documented import require_named
from tests.support.access import Keys
from tests.support.directory import CHANGED, GROUPS, HAPPENED, JUDICIARY, MEMBERSHIPS, PEOPLE, STATS, member_of
from tests.support.examples import at_night, examples
from tests.support.patience import SECONDS, wait_until
from tests.support.read_side import ADA, BOB, RedisActivity, RedisChanges, RedisGroups, RedisProjection, RedisStats
from tests.support.served import is_success

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def redis_url(server_home):
    """A directory as of the last position there can be, so that no position asked for has to be waited for."""
    last = GREATEST_POSITION
    with EmbeddedRedis(server_home / "read-schema", appendonly=False) as server, Redis.from_url(server.url) as client:
        RedisProjection(client).commit(member_of(JUDICIARY, ADA), member_of(JUDICIARY, BOB), position=last)
        RedisGroups(client).commit(*GROUPS, people=PEOPLE, memberships=MEMBERSHIPS, position=last)
        RedisActivity(client).commit(*((ADA.account_id, each) for each in HAPPENED), position=last)
        RedisStats(client).commit(STATS, position=last)
        RedisChanges(client).commit(*CHANGED, position=last)
        yield server.url


@pytest.fixture(scope="module")
def keys(server_home):
    return Keys(server_home / "read-keys")


@pytest.fixture(scope="module", params=[(READ,), (READ, PRIVATE)], ids=["public", "private"])
def headers(request, keys):
    """What lets those in who may see less, and those who may see everything."""
    return keys.headers(*request.param)


@pytest.fixture(scope="module")
def read_url(redis_url, keys):
    """`muster read` in a process of its own; it ends in an orderly way."""
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MUSTER_REDIS_URL": redis_url, "MUSTER_READ_PORT": str(port)}
    environment |= keys.settings
    command = [sys.executable, "-c", "from shared.cli.main import main; main()", "read"]
    process = subprocess.Popen(command, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: is_success(f"{url}/readyz"))
        yield url
    finally:
        process.terminate()
        assert process.wait(SECONDS) == 0


def is_taken_by(parse, text):
    try:
        parse(text)
    except Malformed:
        return False
    return True


for name, parse in (("search", filters.search), ("group", filters.group)):
    texts = st.text("adlé -'\N{LATIN SMALL LETTER SHARP S}", max_size=40)
    schemathesis.openapi.format(name, texts.filter(partial(is_taken_by, parse)))
DOCUMENT = document()
schema = schemathesis.openapi.from_dict(DOCUMENT)
schema.config.phases.coverage.enabled = at_night()  # each value by itself: other tests send wrong ones, too
# Header fields that nobody knows are no error in HTTP. Unknown query parameters are, and have tests of their own.
schema.config.generation.update(allow_extra_parameters=False)


@schema.exclude(path=STREAM.path).parametrize()
@settings(max_examples=examples(6), suppress_health_check=list(HealthCheck))
def test_no_request_makes_the_read_api_break_its_word(case, read_url, headers):
    """No 500, no undescribed answer, nothing invalid taken, nothing valid refused; what has no end is not asked."""
    (case.query or {}).pop("wait", None)  # for what does not come here
    answer = case.call(base_url=read_url, headers=headers)

    case.validate_response(answer, excluded_checks=list(not_applicable(answer)))
    require_named(DOCUMENT, case, answer)


def not_applicable(answer):
    """What schemathesis would take for a defect, and what the contract wants."""
    if "/problems/insufficient-scope" in answer.text:
        yield positive_data_acceptance  # e-mail addresses and external ids are for some only
    if '"pointer":"?cursor"' in answer.text:
        yield positive_data_acceptance  # whether a cursor fits depends on the page that it came from


def test_the_document_is_served(read_url):
    """What is asked here is what clients see."""
    assert httpx.get(f"{read_url}/openapi.json", timeout=SECONDS).content == msgspec.json.encode(DOCUMENT)


@pytest.mark.parametrize(
    "path",
    [
        f"/profiles/{ADA.account_id}",
        "/profiles/by-handle/ada",
        "/profiles/by-email/ada%40example.org",
        "/profiles/by-external-id/books%2Fnotes%3AG",
        f"/groups/ss%6Au/members/{ADA.account_id}",
    ],
)
def test_the_server_hands_keys_on_as_they_were_sent(read_url, path, keys):
    """A slash inside a key arrives, percent-encoded."""
    response = httpx.get(f"{read_url}{path}", headers=keys.headers(READ, PRIVATE), timeout=SECONDS)

    assert response.status_code == httpx.codes.OK
    assert response.json()["account_id"] == str(ADA.account_id)
    assert response.headers["muster-position"] == str(GREATEST_POSITION)


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/profiles?limit=1", ["account_id", BOB.account_id, ADA.account_id]),
        ("/profiles?limit=1&q=bob", ["account_id", BOB.account_id]),
        ("/profiles?limit=1&group=ssju&tag=mathematics&sort=-handle", ["account_id", BOB.account_id, ADA.account_id]),
        ("/groups?limit=1&sort=-name", ["group_id", *(each.group_id for each in GROUPS)]),
        ("/groups/ssju/members?limit=1", ["account_id", ADA.account_id, BOB.account_id]),
    ],
)
def test_links_lead_through_a_list(read_url, path, ids, headers):
    """As they are sent, without a look at what is in them."""
    (field, *expected), found = ids, []
    address = f"{read_url}{path}"
    while address:
        response = httpx.get(address, headers=headers, timeout=SECONDS)
        found += [each[field] for each in response.json()["items"]]
        link = response.links.get("next")
        address = link and response.url.join(link["url"])

    assert list(map(str, expected)) == found

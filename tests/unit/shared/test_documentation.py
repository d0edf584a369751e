"""What the documentation makes of an operation for its reader: a line for a shell, and the answer to a read."""

from hashlib import sha256
from itertools import count
from uuid import UUID

import pytest

from shared.auth.principal import COMMANDS
from shared.http.docs.curl import curl_line
from shared.http.docs.operations import Documented, DocumentedBody, DocumentedField
from shared.http.docs.reader import EXAMPLE_NAMES, DocsReader
from shared.http.docs.trying import MOST_INDENTED, MOST_SHOWN, tried
from shared.http.openapi.examples import EXAMPLE_GROUP, EXAMPLE_ID

OPERATION = Documented(
    id="change_handle",
    tag="accounts",
    method="POST",
    path="/groups/{slug}",
    summary="",
    description="",
    scopes=[COMMANDS],
    parameters=[DocumentedField("slug", "path", "text", is_required=True, text="", example="ssju")],
    body=DocumentedBody("application/json", {"account": EXAMPLE_ID, "handle": "andre"}, ()),
    answer=DocumentedBody("application/json", {}, ()),
    notes={},
    errors=(),
)


def reader(token):
    return DocsReader(token, "ada", frozenset([COMMANDS]))


def test_a_reader_has_examples_of_their_own_and_the_address_and_token_as_they_are():
    """Or a line would send the token to another host."""
    url, token = "https://alexandre.example.com:4711/ssju", "x-ssju-4711-andre"

    line = curl_line(OPERATION, url=url, token=token, own=reader(token).own)

    own = sha256(token.encode()).hexdigest()
    assert f"curl -i {url}/groups/ssju-{own[:6]} " in line
    assert f'"Authorization: Bearer {token}"' in line
    assert f'"handle": "andre-{own[:6]}"' in line
    assert EXAMPLE_ID not in line


@pytest.mark.parametrize("known", [EXAMPLE_ID, EXAMPLE_GROUP])
def test_an_id_stays_one_whatever_its_digits_are(known):
    """Some hold the number of the external id."""
    digest, token = next(
        (digest, str(nth)) for nth in count() if "4711" in (digest := sha256(str(nth).encode()).hexdigest()[:12])
    )

    assert UUID(reader(token).own(known)).hex == known.replace("-", "")[:-12] + digest


def test_an_example_is_made_the_readers_once():
    own = reader("x").own(" ".join(EXAMPLE_NAMES)).split()

    assert [each.rpartition("-")[0] for each in own] == list(EXAMPLE_NAMES)


SCOPE = {"type": "http", "headers": [], "state": {"of": "the page"}}


def answering(body, seen):
    async def app(scope, receive, send):
        scope["state"]["of"] = "the read"
        seen.extend([(await receive())["type"] for _ in range(3)])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


async def test_a_read_that_is_tried_has_a_state_of_its_own_and_an_end():
    """What waits for more of the request learns that nothing comes."""
    seen = []

    answer = await tried(answering(b'{"a":1}', seen), SCOPE, "/stats", token=None)

    assert answer.body == '{\n  "a": 1\n}'
    assert SCOPE["state"] == {"of": "the page"}
    assert seen == ["http.request", "http.disconnect", "http.disconnect"]


async def test_an_answer_that_is_large_is_shown_as_it_came():
    body = f'["{"a" * MOST_INDENTED}"]'

    answer = await tried(answering(body.encode(), []), SCOPE, "/stats", token=None)

    assert answer.body == f"{body[:MOST_SHOWN]}\n…"

"""Whatever is wrong with a request, its answer says so, names the place, and nothing was stored."""

import contextlib
import http.client
import json

import httpx
import psycopg
import pytest
import requests

from tests.support.examples import at_night
from tests.support.served import WRITE, served
from tests.support.write_side import ANDRE, SSAF

JSON, NDJSON = "application/json", "application/x-ndjson"
REGISTER = "/commands/register-account"


@pytest.fixture(scope="module")
def database_url(databases):
    with databases.lent() as url:
        yield url


@pytest.fixture(scope="module")
def client(database_url):
    with (
        served(WRITE, MUSTER_DATABASE_URL=database_url) as process,
        httpx.Client(base_url=process.url, trust_env=False, timeout=60) as client,
    ):
        assert client.post(REGISTER, json=ANDRE).status_code == 200
        assert client.post("/commands/create-group", json=SSAF).status_code == 200
        yield client


@pytest.fixture(scope="module")
def watching(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(autouse=True)
def nothing_is_stored(client, watching):
    """By any of the tests: neither an event nor a row."""

    def stored():
        tables = ("accounts", "profiles", "groups", "memberships")
        counts = ", ".join(f"(select count(*) from {table})" for table in tables)
        return watching.execute(f"select (select max(position) from event_log), {counts}").fetchone()

    before = stored()
    yield
    assert stored() == before


def problem(answer, status):
    """Check that the answer is a problem as RFC 9457 has it, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["request-id"]
    assert problem["title"]
    assert problem["detail"]
    return problem


def names(answers, status):
    """Check that all are problems of that status, and return their names."""
    return {what: problem(answer, status)["type"].removeprefix("/problems/") for what, answer in answers.items()}


def test_what_is_refused_of_a_group_says_what_to_do(client):
    """Each refusal has a problem of its own, and the problem a page."""
    ssaf, andre, nothing = {"group": SSAF["slug"]}, {"account": "@andre.carson"}, {"group": "nothing"}
    refusals = [
        ("create-group", SSAF, 409, "slug-taken"),
        ("update-group", nothing, 404, "group-not-found"),
        ("delete-group", nothing, 404, "group-not-found"),
        ("add-group-member", ssaf | {"account": "@nobody"}, 404, "account-not-found"),
        ("add-group-member", nothing | andre, 404, "group-not-found"),
        ("change-member-role", ssaf | andre | {"role": "Chair"}, 404, "member-not-found"),
        ("remove-group-member", ssaf | andre, 404, "member-not-found"),
    ]

    for command, body, status, name in refusals:
        told = problem(client.post(f"/commands/{command}", json=body), status)

        assert told["type"] == f"/problems/{name}"
        assert client.get(told["type"]).status_code == 200


def test_all_wrong_fields_are_named_at_once(client):
    """By themselves and in a stream; which values are wrong is tested where they are parsed."""
    body = {"email": "", "handle": "-", "bio": 3, "zz": 1}
    line = json.dumps({"command": "register-account", **body})

    errors = problem(client.post(REGISTER, json=body), 422)["errors"]
    answer = client.post("/commands", content=line, headers={"Content-Type": NDJSON}).json()

    assert {each["pointer"] for each in errors} == {"/email", "/handle", "/bio", "/zz", "/display_name"}
    assert (answer["status"], answer["errors"]) == (422, errors)


NOT_JSON = {
    "nothing": b"",
    "half an object": b"{",
    "trailing text": b"{} x",
    "not a number": b'{"email": NaN}',
    "single quotes": b"{'email': 'a@b'}",
    "invalid UTF-8 in a value": b'{"email": "\xff"}',
    "invalid UTF-8 in a name": b'{"\xff": 1}',
    "UTF-16": json.dumps(ANDRE).encode("utf-16"),
    "half a surrogate pair": b'{"email": "\\ud800"}',
    "a raw control character": b'{"email": "a\x00b"}',
    "nested arrays": b"[" * 20_000 + b"]" * 20_000,
    "nested arrays, unfinished": b"[" * 20_000,
    "nested arrays in a field": b'{"bio": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "nested arrays in an unknown field": b'{"zz": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "nested objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
}


def test_what_is_not_json_is_400(client):
    answers = {
        what: client.post(REGISTER, content=body, headers={"Content-Type": JSON}) for what, body in NOT_JSON.items()
    }

    assert names(answers, 400) == dict.fromkeys(NOT_JSON, "not-json")


def test_what_is_not_json_is_400_in_a_stream_too(client):
    """Each line by itself; one with nothing in it is none, and one over 64 KiB another matter."""
    bodies = [body for body in NOT_JSON.values() if 0 < len(body) < 64 * 1024]
    lines = [body.replace(b"{", b'{"command": "register-account", ', 1) for body in bodies]

    answer = client.post("/commands", content=b"\n".join(lines), headers={"Content-Type": NDJSON})

    statuses = [json.loads(line)["status"] for line in answer.content.split(b"\n")[:-1]]
    assert statuses == [400] * len(lines)


TWICE = {
    '{"account": "@andre.carson", "account": "@nobody"}': "/account",
    '{"account": "@andre.carson", "links": {"a": "https://a.example", "a": "https://b.example"}}': "/links/a",
    '{"account": "@andre.carson", "attributes": {"floor": "1", "fl\\u006for": "2"}}': "/attributes/floor",
}


def test_a_name_that_stands_twice_is_named(client):
    """Two readers would take two different commands from it."""
    answers = [client.post("/commands/update-profile", content=body, headers={"Content-Type": JSON}) for body in TWICE]

    assert [[error["pointer"] for error in problem(each, 422)["errors"]] for each in answers] == [
        [pointer] for pointer in TWICE.values()
    ]


def test_a_name_that_stands_twice_is_named_in_a_stream_too(client):
    """Also the command's own."""
    bodies = {**TWICE, '{"account": "@andre.carson", "command": "erase-account"}': "/command"}
    lines = [body.replace("{", '{"command": "update-profile", ', 1) for body in bodies]

    answer = client.post("/commands", content="\n".join(lines), headers={"Content-Type": NDJSON})

    answers = [json.loads(line) for line in answer.content.split(b"\n")[:-1]]
    assert [each["status"] for each in answers] == [422] * len(bodies)
    assert [each["errors"][0]["pointer"] for each in answers] == list(bodies.values())


def test_json_that_is_no_object_is_422(client):
    bodies = (b"[]", b"null", b"3", b'"text"', b"[{}]")
    answers = {body: client.post(REGISTER, content=body, headers={"Content-Type": JSON}) for body in bodies}

    assert names(answers, 422) == dict.fromkeys(bodies, "invalid")


MALFORMED = (
    *(("Idempotency-Key", value) for value in (b"", b"a b", b"a\tb", b"\xe9", b"x" * 256)),
    *(("If-Match", value) for value in (b"", b"1", b"*", b'W/"1"', b'"one"', b'"-1"', b'"1", "2"', b'"1')),
    ("If-Match", b'"' + b"9" * 19 + b'"'),
)


def test_a_malformed_header_is_named(client):
    def answer(header, value):
        headers = [(b"Content-Type", b"application/json"), (header.encode(), value)]
        return client.post("/commands/suspend-account", content=b'{"account": "@andre.carson"}', headers=headers)

    told = [problem(answer(*each), 422)["errors"] for each in MALFORMED]

    assert [[error["pointer"] for error in errors] for errors in told] == [[header] for header, _ in MALFORMED]


OF_ANOTHER_TYPE = {
    "unlabelled": {"content": json.dumps(ANDRE)},
    "text": {"content": json.dumps(ANDRE), "headers": {"Content-Type": "text/plain"}},
    "nearly JSON": {"content": json.dumps(ANDRE), "headers": {"Content-Type": "application/jsonp"}},
    "no media type": {"content": json.dumps(ANDRE), "headers": [(b"Content-Type", b"\xe9")]},
    "another character set": {
        "content": json.dumps(ANDRE),
        "headers": {"Content-Type": "application/json; charset=utf-16"},
    },
    "form": {"data": ANDRE},
    "multipart": {"files": {"email": b"andre@example.org"}},
}


@pytest.mark.parametrize("path", [REGISTER, "/commands"])
def test_a_body_of_another_media_type_is_415(client, path):
    answers = {what: client.post(path, **body) for what, body in OF_ANOTHER_TYPE.items()}

    assert names(answers, 415) == dict.fromkeys(OF_ANOTHER_TYPE, "unsupported-media-type")


@pytest.mark.parametrize(("path", "media_type"), [(REGISTER, NDJSON), ("/commands", JSON)])
def test_a_command_is_json_and_a_stream_is_lines(client, path, media_type):
    answer = client.post(path, content=json.dumps(ANDRE), headers={"Content-Type": media_type})

    problem(answer, 415)


@pytest.mark.parametrize(("path", "media_type"), [(REGISTER, JSON), ("/commands", NDJSON)])
def test_an_answer_that_is_not_wanted_is_406(client, path, media_type):
    headers = {"Content-Type": media_type, "Accept": "text/html"}

    assert problem(client.post(path, content=b"{}", headers=headers), 406)["type"] == "/problems/not-acceptable"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE"])
def test_another_method_is_405_and_the_right_one_is_named(client, method):
    for path in (REGISTER, "/commands"):
        answer = client.request(method, path)

        assert answer.status_code == 405
        assert "POST" in answer.headers["allow"]
        assert "GET" not in answer.headers["allow"]
        assert method == "HEAD" or problem(answer, 405)["type"] == "/problems/method-not-allowed"


def test_what_is_not_there_is_404(client):
    paths = ("/nothing", "/commands/nothing", "/commands/%00", "/commands/%ff", f"/commands/{'x' * 5_000}", "/%2e%2e")
    answers = {path: client.post(path, json=ANDRE) for path in paths}

    assert names(answers, 404) == dict.fromkeys(paths, "not-found")


def two_mebibytes():
    for _ in range(32):
        yield b" " * 64 * 1024


@pytest.mark.parametrize("body", [b" " * 2 * 1024 * 1024, two_mebibytes()], ids=["announced", "in chunks"])
def test_a_body_of_two_mebibytes_is_413(client, body):
    answer = client.post(REGISTER, content=body, headers={"Content-Type": JSON})

    assert problem(answer, 413)["type"] == "/problems/too-large"


def test_a_line_that_is_too_long_is_413_and_the_stream_goes_on(client):
    content = b"x" * 2 * 1024 * 1024 + b'\n{"command": "suspend-account", "account": "@nobody"}\n'

    answer = client.post("/commands", content=content, headers={"Content-Type": NDJSON})

    assert [json.loads(line)["status"] for line in answer.content.split(b"\n")[:-1]] == [413, 404]


def by_requests(url, content):
    with requests.Session() as session:
        session.trust_env = False
        return session.post(url, data=content, headers={"Content-Type": NDJSON}).content


def by_httpx(url, content):
    return httpx.post(url, content=content, headers={"Content-Type": NDJSON}, trust_env=False, timeout=60).content


def by_http_client(url, content):
    with contextlib.closing(http.client.HTTPConnection(httpx.URL(url).netloc.decode(), timeout=60)) as connection:
        connection.request("POST", "/commands", content, {"Content-Type": NDJSON})
        return connection.getresponse().read()


@pytest.mark.parametrize("send", [by_requests, by_httpx, by_http_client] if at_night() else [by_requests])
def test_a_client_that_sends_all_before_it_reads_gets_every_answer(client, send):
    """More than all buffers between the two can hold: 6,000 answers of 7 KB."""
    line = {"command": "suspend-account"} | {f"unknown-{number}": number for number in range(100)}
    content = (json.dumps(line).encode() + b"\n") * 6_000

    answers = send(f"{client.base_url}/commands", content).splitlines()

    assert len(answers) == 6_000
    assert json.loads(answers[-1])["line"] == 6_000
    assert {len(answer) // 1_000 for answer in answers} == {7}

"""Which scope each route of the three APIs asks for: a route that is not named here fails these tests."""

from contextlib import AsyncExitStack

import pytest

from shared.auth.authentication import TokenAuthentication
from shared.auth.principal import COMMANDS, EXPORT, OPS, PRIVATE, READ, SCOPES
from tests.support.access import Keys, bearing
from tests.support.read_side import ADA
from tests.unit.authenticated_apps import AuthenticatedApps
from write_side.use_cases import USE_CASES

EVERYBODY = None
COMMON = {
    f"GET {path}": EVERYBODY
    for path in (
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/docs/{operation}",
        "/pages/docs.css",
        "/favicon.ico",
        "/problems",
        "/problems/{name}",
        "/sign-in",
        "/sign-in/openid",
        "/sign-in/openid/done",
    )
} | {"POST /sign-in": EVERYBODY, "POST /sign-out": EVERYBODY}
"""What every service shows to every caller."""

ROUTES = {
    "write": {
        **{f"POST /commands/{use_case.name}": COMMANDS for use_case in USE_CASES},
        "POST /commands": COMMANDS,
        "GET /": EVERYBODY,
        "GET /verify-email": EVERYBODY,
        "POST /verify-email": EVERYBODY,
    },
    "read": {
        "GET /": EVERYBODY,
        "POST /": COMMANDS,
        "GET /people/{handle}": READ,
        "POST /people/{handle}": COMMANDS,
        "GET /people/groups/{slug}": READ,
        "POST /people/groups/{slug}": COMMANDS,
        "GET /pages/people.css": EVERYBODY,
        "GET /pages/people.js": EVERYBODY,
        "GET /asyncapi.json": EVERYBODY,
        "GET /profiles": READ,
        "GET /profiles/{id}": READ,
        "GET /profiles/by-handle/{handle}": READ,
        "GET /profiles/by-email/{email}": PRIVATE,
        "GET /profiles/by-external-id/{external_id}": PRIVATE,
        "GET /changes": READ,
        "GET /changes/stream": READ,
        "GET /profiles/{id}/activity": READ,
        "GET /profiles/{id}/export": PRIVATE,
        "POST /profiles/batch-get": READ,
        "GET /groups": READ,
        "GET /groups/{group}": READ,
        "GET /groups/{group}/members": READ,
        "GET /groups/{group}/members/{account_id}": READ,
        "GET /stats": READ,
        "GET /export": EXPORT,
    },
    "ops": {
        "GET /": OPS,
        "GET /order": OPS,
        "POST /order": OPS,
        "GET /ops/page.css": EVERYBODY,
        "GET /ops/page.js": EVERYBODY,
        "GET /ops/copy.js": EVERYBODY,
        "GET /status": OPS,
        "GET /status/events": OPS,
        "POST /projections/{name}/rebuild": OPS,
        "POST /projections/{name}/abort": OPS,
        "POST /projections/{name}/rollback": OPS,
        "GET /parked": OPS,
        "GET /parked/{projection}/{id}": OPS,
        "POST /parked/{projection}/{id}/retry": OPS,
        "POST /parked/{projection}/{id}/skip": OPS,
        "GET /deliveries": OPS,
        "POST /deliveries/{id}/retry": OPS,
        "GET /events": OPS,
        "GET /events/{position}": OPS,
    },
}
FORMS = {
    *("POST /sign-in", "POST /sign-out", "POST /order"),
    *("POST /", "POST /people/{handle}", "POST /people/groups/{slug}"),
}
"""To which only a browser posts."""
STREAMS = {"GET /status/events", "GET /changes/stream"}
OF = {"write": COMMANDS, "read": READ, "ops": OPS}
every_service = pytest.mark.parametrize("service", ROUTES)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("access") / "keys")


@pytest.fixture(scope="module")
async def clients(keys):
    """Of each service, which serves all tests of this module."""
    apps = AuthenticatedApps(TokenAuthentication(keys.directory, audience="muster"))
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(apps.client(name)) for name in ROUTES}


def guarded(service):
    """The routes that are not open to everybody, and the scope of each."""
    return {route: scope for route, scope in ROUTES[service].items() if scope is not EVERYBODY}


def filled(path):
    names = {
        "id": ADA.account_id,
        "account_id": ADA.account_id,
        "handle": "ada",
        "group": "ssju",
        "slug": "ssju",
        "operation": "none",
        "name": "profiles",
        "position": 1,
    }
    names |= {"email": "ada%40example.org", "external_id": "books%2Fnotes%3AG", "projection": "profiles"}
    return path.format(**names)


def asked(route, token=None):
    method, path = route.split()
    request = {"method": method, "url": filled(path), "headers": token or {}}
    if route in FORMS:
        return {**request, "data": {"x": ""}, "headers": {"Origin": "http://localhost", **request["headers"]}}
    body = {"ids": []} if "batch-get" in path else {}
    return {**request, **({"json": body} if method == "POST" else {})}


@every_service
async def test_no_route_is_without_a_decision(clients, service):
    """By what the framework would route, and by the OpenAPI document, where a route leads to an application."""
    named = {each.split()[1] for each in {**COMMON, **ROUTES[service]}}
    client = clients[service]
    routed = {_bare(route.path) for route in client._transport.app._app.routes}

    described = (await client.get("/openapi.json")).json()["paths"]

    assert routed | described.keys() == named


def _bare(path):
    return path.replace(":str", "").rstrip("/") or "/"


@every_service
async def test_without_a_token_only_what_is_open_answers(clients, service):
    """401 says how to come in; nothing tells whether there is anything else."""
    for route, scope in {**COMMON, **ROUTES[service]}.items():
        answer = await clients[service].request(**asked(route))

        if scope is EVERYBODY:
            assert answer.status_code != 403, route
            assert answer.status_code != 401 or "/sign-in" in route, route
        else:
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), route


@every_service
async def test_each_route_asks_for_its_scope(clients, keys, service):
    """Every other scope is refused, with the name of the one that is missing."""
    for route, missing in ((route, each) for route, scope in guarded(service).items() for each in {OF[service], scope}):
        token = keys.token(*(set(SCOPES) - {missing}))
        answer = await clients[service].request(**asked(route, bearing(token)))

        assert answer.status_code == 403, route
        assert answer.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{missing}"', route
        assert answer.json()["type"] == "/problems/insufficient-scope"
        assert missing in answer.json()["detail"]


@every_service
async def test_with_its_scope_each_route_answers(clients, keys, service):
    """No other is needed. What has no end is asked for its head."""
    for route, scope in guarded(service).items():
        request = asked(route, bearing(keys.token(OF[service], scope)))
        if route in STREAMS:
            request["method"] = "HEAD"
        answer = await clients[service].request(**request)

        assert answer.status_code not in {401, 403}, route


@every_service
@pytest.mark.parametrize("path", ["/nowhere", "/livez/../status", "//livez", "/livez/x", "/docsx", "/PROFILES"])
async def test_what_nobody_thought_of_is_closed(clients, service, path):
    """Without a token the answer does not even say that it is not there."""
    client = clients[service]
    answer = await client.get(f"http://localhost{path}")

    assert answer.status_code == 401


@every_service
async def test_the_document_says_what_is_needed(clients, service):
    """As a scheme, and for every operation, with the problems that may be met."""
    client = clients[service]
    document = (await client.get("/openapi.json")).json()

    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            scope = ROUTES[service][f"{method.upper()} {path}"]
            assert set(operation["security"][0]["bearer"]) == {OF[service], scope}
            assert {"401", "403"} <= operation["responses"].keys()


@pytest.mark.parametrize(
    ("sent", "challenge"),
    [
        ("Basic YTpi", "Bearer"),
        ("Bearer", 'Bearer error="invalid_token", error_description="It is not a JSON Web Token"'),
        ("Bearer x", 'Bearer error="invalid_token", error_description="It is not a JSON Web Token"'),
        ("Bearer \xff", 'Bearer error="invalid_token", error_description="It is not a JSON Web Token"'),
    ],
)
async def test_what_is_no_token_is_told_as_rfc_6750_wants(clients, sent, challenge):
    client = clients["read"]
    answer = await client.get("/stats", headers=[(b"Authorization", sent.encode("latin-1"))])

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, challenge)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["Request-Id"]

"""A proxy may serve Muster under any path: no address in an answer leads out of it."""

import re
from contextlib import AsyncExitStack
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from shared.auth.authentication import TokenAuthentication
from shared.auth.principal import COMMANDS, OPS, PRIVATE, READ
from shared.auth.tokens import sign_in_audience
from tests.support.access import Keys
from tests.unit.authenticated_apps import AuthenticatedApps

PREFIX = "/people/muster"
SERVICES = ("write", "read", "ops")
PAGES = ("/", "/docs", "/docs/", "/problems", "/problems/", "/problems/not-found", "/problems/not-found/")


class StrippingProxy:
    """Passes on what stands under the prefix, without it; all else is another's, and answers 404."""

    def __init__(self, app):
        self._app = app
        self.lifespan = app.lifespan

    async def __call__(self, scope, receive, send):
        raw = scope["raw_path"].decode()
        if not raw.startswith(f"{PREFIX}/"):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"nothing of Muster's", "more_body": False})
            return
        rest = raw.removeprefix(PREFIX)
        await self._app({**scope, "path": rest, "raw_path": rest.encode()}, receive, send)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("proxied") / "keys")


@pytest.fixture(scope="module")
async def clients(keys):
    """Of each service behind a proxy, with every scope."""
    apps = AuthenticatedApps(TokenAuthentication(keys.directory, audience="muster"))
    async with AsyncExitStack() as stack:
        found = {}
        for name in SERVICES:
            app = StrippingProxy(await stack.enter_async_context(apps.started(name)))
            await stack.enter_async_context(app.lifespan())
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url=f"http://localhost{PREFIX}")
            client.headers.update(keys.headers(COMMANDS, READ, PRIVATE, OPS))
            found[name] = await stack.enter_async_context(client)
        yield found


def addresses(answer):
    """Of all that a page names, as a browser makes them of what is written and the page's own address."""
    written = re.findall(r'(?:href|src|data-path)="([^"#]+)"', answer.text)
    return {urljoin(str(answer.url), each) for each in written}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("path", PAGES)
async def test_links_of_pages_lead_to_what_is_there(clients, service, path):
    """Also from an address with a slash at its end, from which relative links begin elsewhere."""
    page = await clients[service].get(path, headers={"Accept": "text/html"})

    found = addresses(page)

    assert page.status_code == 200
    assert len(found) >= 3
    for address in found:
        assert (await clients[service].get(address)).status_code in {200, 405}, address


async def test_a_link_to_the_next_page_leads_there(clients):
    """With a slash at the end and without; and in a list that belongs to something."""
    for path in ("/profiles?limit=1", "/profiles/?limit=1", "/groups/ssju/members?limit=1"):
        first = await clients["read"].get(path)

        second = await clients["read"].get(first.url.join(first.links["next"]["url"]))

        assert second.status_code == 200
        assert second.json()["items"] != first.json()["items"]


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/"])
async def test_signing_in_leads_to_the_page(clients, keys, path):
    """And what says that a link is not good leads on from there."""
    token = keys.token(OPS, audience=sign_in_audience("muster"))

    answer = await clients["ops"].get(path, params={"token": token})
    refused = await clients["ops"].get(path, params={"token": token})

    assert answer.status_code == 303
    assert urlsplit(urljoin(str(answer.url), answer.headers["Location"])).path == f"{PREFIX}/"
    assert refused.status_code == 401
    for address in addresses(refused):
        assert urlsplit(address).path.startswith(f"{PREFIX}/")


@pytest.mark.parametrize("service", ["write", "read"])
async def test_the_index_leads_to_what_there_is(clients, service):
    """Programs get what people get, as JSON."""
    answer = await clients[service].get("/")
    index = answer.json()

    assert answer.headers["content-type"] == "application/json"
    for name in ("docs", "openapi", "problems"):
        assert (await clients[service].get(answer.url.join(index[name]))).status_code == 200
    assert {each["href"] for each in index["operations"].values()} == {
        path.removeprefix("/") for path in (await clients[service].get("/openapi.json")).json()["paths"]
    }


@pytest.mark.parametrize("service", SERVICES)
async def test_the_document_names_its_own_directory_as_the_server(clients, service):
    """A relative address, which is resolved against that of the document."""
    answer = await clients[service].get("/openapi.json")

    [server] = answer.json()["servers"]

    assert urlsplit(urljoin(str(answer.url), server["url"])).path == f"{PREFIX}/"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_browser_finds_an_icon(clients, service):
    answer = await clients[service].get("/favicon.ico")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")

"""Scripts of pages that the settings name may read the answers of both APIs, and no others."""

import pytest
import svcs

from shared.errors import SettingsError
from shared.http.middleware.cors import register_origins
from shared.settings import Settings
from tests.unit.authenticated_apps import AuthenticatedApps

PAGE, OTHER = "https://app.example.org", "https://evil.example"
ASKED = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
PREFLIGHTS = {"write": "/commands/register-account", "read": "/profiles/batch-get"}
both = pytest.mark.parametrize(("service", "path"), PREFLIGHTS.items())


@pytest.fixture
def origins():
    return PAGE


@pytest.fixture
async def client(authentication, service, origins):
    def register(registry: svcs.Registry) -> None:
        register_origins(registry, Settings.load({"MUSTER_CORS_ORIGINS": origins}))

    async with AuthenticatedApps(authentication, register=register).client(service) as client:
        yield client


def listed(answer, name):
    return {each.strip().lower() for each in answer.headers[name].split(",")}


@both
async def test_a_preflight_needs_no_token(client, service, path):
    """It allows what our clients send, and may be kept."""
    answer = await client.options(path, headers={"Origin": PAGE, **ASKED})

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert listed(answer, "access-control-allow-headers") >= {
        *("authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "muster-min-position"),
    }
    assert listed(answer, "access-control-allow-methods") == {"get", "head", "post"}
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.headers["vary"] == "origin"


@both
async def test_a_page_may_read_what_is_answered(client, keys, service, path):
    """Refusals too, and the headers that make sense of them."""
    refused = await client.post(path, json={}, headers={"Origin": PAGE})
    answered = await client.get("/livez", headers={"Origin": PAGE})

    assert refused.status_code == 401
    for answer in (refused, answered):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "access-control-allow-credentials" not in answer.headers
        assert listed(answer, "access-control-expose-headers") >= {
            *("muster-position", "etag", "link", "request-id", "retry-after", "idempotency-replayed", "ratelimit"),
        }
        assert "origin" in listed(answer, "vary")


@both
@pytest.mark.parametrize("origin", [OTHER, "null", "http://app.example.org", f"{PAGE}.evil.example", f"{PAGE}:444"])
async def test_other_pages_may_not(client, service, path, origin):
    """Nothing allows them to; a cache is told that others may be."""
    preflight = await client.options(path, headers={"Origin": origin, **ASKED})
    answer = await client.get("/livez", headers={"Origin": origin})

    assert preflight.status_code == 401
    for each in (preflight, answer):
        assert not [name for name in each.headers if name.startswith("access-control")]
        assert "origin" in listed(each, "vary")


class TestEveryOrigin:
    @pytest.fixture
    def origins(self):
        return "*"

    @both
    async def test_may_read_if_the_setting_says_so(self, client, service, path):
        answer = await client.options(path, headers={"Origin": OTHER, **ASKED})

        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, OTHER)


class TestNoOrigin:
    @pytest.fixture
    def origins(self):
        return ""

    @both
    async def test_may_read_by_default(self, client, service, path):
        preflight = await client.options(path, headers={"Origin": PAGE, **ASKED})
        answer = await client.get("/livez", headers={"Origin": PAGE})

        assert preflight.status_code == 401
        assert "vary" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_origins_are_read_as_browsers_write_them():
    """In lower case, without the port that goes without saying."""
    given = " HTTPS://App.Example.org:443, http://localhost:3000,app://muster"

    found = Settings.load({"MUSTER_CORS_ORIGINS": given}).cors_origins.origins

    assert found == {PAGE, "http://localhost:3000", "app://muster"}


@pytest.mark.parametrize("text", ["app.example.org", f"{PAGE}/", f"{PAGE}/path", f"{PAGE},", "https://u:p@h", "null"])
def test_what_is_no_origin_stops_the_start(text):
    with pytest.raises(SettingsError, match="MUSTER_CORS_ORIGINS"):
        Settings.load({"MUSTER_CORS_ORIGINS": text})

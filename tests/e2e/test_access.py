"""Who is let in, on the real processes: by tokens of the command line, as long as they and their keys are good."""

import asyncio
import stat

import httpx
import pytest

from shared.auth.principal import COMMANDS, OPS, READ
from tests.support.access import bearing
from tests.support.commands import muster
from tests.support.load import REGISTRATIONS, Load
from tests.support.patience import SECONDS, not_behind, until
from tests.support.stack import Stack

TRICKS = (
    "GET /{}",
    "HEAD /{}",
    "OPTIONS /{}",
    "TRACE /{}",
    "get /{}",
    "GET //{}",
    "GET /{}/",
    "GET /./{}",
    "GET /livez/../{}",
    "GET /livez/%2e%2e/{}",
    "GET /problems/../{}",
    "GET /problems/..%2f{}",
    "GET /problems/%2e%2e/{}",
    "GET /problems//{}",
    "GET /{}?/livez",
    "GET /{};/livez",
    "GET /{}%00/livez",
    "GET http://livez/{}",
    "GET /{} HTTP/1.0",
    "GET /{} HTTP/1.1\r\nX-Original-URL: /livez\r\nX-Rewrite-URL: /livez",
    "GET /{} HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13",
    "GET /{} HTTP/1.1\r\nAuthorization:",
)
"""Requests that might be taken for one of what is open to all, or for none at all."""

LISTENING = {"write": "MUSTER_WRITE_HOST", "read": "MUSTER_READ_HOST", "project": "MUSTER_OPS_HOST"}


def made_token(stack: Stack, *scopes: str) -> str:
    made = muster(stack.home, "token", *(word for scope in scopes for word in ("--scope", scope)), "--ttl", "5m")
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


async def status_of(url: str, token: str | None) -> int:
    async with httpx.AsyncClient(trust_env=False, headers=bearing(token) if token else {}, timeout=SECONDS) as client:
        return (await client.get(url)).status_code


async def is_refused(url: str, token: str) -> bool:
    return await status_of(url, token) == httpx.codes.UNAUTHORIZED


async def test_nobody_is_let_in_without_a_token(stack):
    """Everywhere but at addresses that show nothing of the directory."""
    urls = (stack.addresses.write, stack.addresses.read, stack.addresses.ops)

    closed = [await status_of(f"{url}{path}", None) for url in urls for path in ("/commands", "/profiles", "/status")]
    open_ = [
        await status_of(f"{url}{path}", None) for url in urls for path in ("/livez", "/readyz", "/metrics", "/docs")
    ]

    assert set(closed) == {401}
    assert set(open_) == {200}


@pytest.mark.parametrize("trick", TRICKS)
async def test_no_way_of_writing_an_address_leads_past_the_door(stack, trick):
    """As bytes on the wire, which no client has put straight."""
    closed = ((stack.addresses.write, "commands"), (stack.addresses.read, "stats"), (stack.addresses.ops, "status"))

    assert [await answered(url, trick.format(path)) in {400, 401, 404, 405} for url, path in closed] == [True] * 3


async def answered(url: str, request: str) -> int:
    """The status of the answer to a request line, with headers if it has any."""
    about, _, headers = request.partition("\r\n")
    line = about if " HTTP/" in about else f"{about} HTTP/1.1"
    reader, writer = await asyncio.open_connection(httpx.URL(url).host, httpx.URL(url).port)
    writer.write("\r\n".join((line, "Host: localhost", "Connection: close", headers or "Accept: */*", "", "")).encode())
    status = (await reader.readline()).split()[1]
    writer.close()
    return int(status)


async def test_the_homes_token_is_its_owners_and_opens_everything(stack):
    """Also for the commands of this machine, which need no token to be set."""
    path = stack.home / "token"
    token = path.read_text().strip()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [
        await status_of(url, token) for url in (f"{stack.addresses.read}/stats", f"{stack.addresses.ops}/status")
    ] == [
        200,
        200,
    ]
    seeded = muster(stack.home, "seed", "--people", "3", "--seed", "1000")
    assert (seeded.returncode, muster(stack.home, "status").returncode) == (0, 0), seeded.stderr
    assert muster(stack.home, "parked", "list").stdout == "nothing is parked\n"


async def test_a_command_that_is_not_let_in_says_what_to_do(stack):
    """One line, with the hint; a wrong token is not mended by the home's."""
    for arguments in (("status",), ("parked", "list"), ("seed", "--people", "1"), ("rebuild", "stats")):
        ended = muster(stack.home, *arguments, MUSTER_TOKEN="x.y.z")

        assert ended.returncode == 1
        assert "set MUSTER_TOKEN to what `muster token --scope …` prints" in ended.stderr
        assert "Traceback" not in ended.stderr


async def test_the_read_probe_is_let_in(stack):
    """By the local token, as a client would."""
    async with stack.client() as client:
        seconds = await until(lambda: seconds_of_the_read_probe(client, stack.addresses.ops))
        await until(lambda: is_silent(client, stack.addresses.ops))

    assert seconds


async def is_silent(client: httpx.AsyncClient, url: str) -> bool:
    """Whether the read probe has nothing to complain of; while everything starts, it has."""
    return (await client.get(f"{url}/status")).json()["read_probe"] is None


async def seconds_of_the_read_probe(client: httpx.AsyncClient, url: str) -> bool:
    return "muster_read_probe_seconds" in (await client.get(f"{url}/metrics")).text


async def test_a_revoked_token_is_refused_soon_by_every_process(stack):
    """And no other."""
    token, other = made_token(stack, COMMANDS, READ, OPS), made_token(stack, READ)
    urls = [f"{stack.addresses.read}/stats", f"{stack.addresses.ops}/status", f"{stack.addresses.write}/nothing"]
    assert [await status_of(url, token) for url in urls] == [200, 200, 404]

    assert muster(stack.home, "token", "revoke", token).returncode == 0
    for url in urls:
        await until(lambda url=url: is_refused(url, token))

    assert await status_of(urls[0], other) == 200


async def test_keys_are_changed_without_anybody_being_kept_out(stack):
    """The new one signs, the old one is good until it is retired."""
    before = made_token(stack, READ)
    [old] = [line.split()[0] for line in muster(stack.home, "keys", "list").stdout.splitlines() if "signs" in line]
    assert muster(stack.home, "keys", "new").returncode == 0
    after = made_token(stack, READ)
    url = f"{stack.addresses.read}/stats"
    await until(lambda: is_let_in(url, after))
    assert await status_of(url, before) == 200

    assert muster(stack.home, "keys", "retire", old).returncode == 0
    await until(lambda: is_refused(url, before))

    assert await status_of(url, after) == 200
    assert await status_of(url, (stack.home / "token").read_text().strip()) == 200


async def is_let_in(url: str, token: str) -> bool:
    return await status_of(url, token) == httpx.codes.OK


async def test_what_happened_is_told_without_what_is_private(stack):
    """From the projector's own documents, for the same account."""
    load = Load(stack.addresses.write, seed=1001, commands=1, kinds=REGISTRATIONS, pause=0)
    await load.run()
    [person] = load.accepted
    url = f"{stack.addresses.read}/profiles/{person.id}/activity?min_position={person.position}"
    token = made_token(stack, READ)
    async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as client:
        less = await not_behind(lambda: client.get(url, headers=bearing(token)))
        more = await not_behind(lambda: client.get(url, headers=stack.headers))

    assert less.json()["items"][-1]["details"] == {"handle": person.account.handle}
    assert more.json()["items"][-1]["details"]["email"] == person.account.email
    assert less.headers["ETag"] != more.headers["ETag"]
    assert less.json()["items"][-1]["actor"] == "muster-up"


async def test_a_stream_of_the_ops_page_ends_with_its_token(stack):
    """A client that looks on for long is checked again."""
    token = made_token(stack, OPS)
    async with (
        httpx.AsyncClient(trust_env=False, headers=bearing(token), timeout=SECONDS) as client,
        client.stream("GET", f"{stack.addresses.ops}/status/events") as answer,
    ):
        chunks = answer.aiter_bytes()
        assert await anext(chunks)
        muster(stack.home, "token", "revoke", token)

        async with asyncio.timeout(SECONDS):
            async for _ in chunks:
                pass


@pytest.mark.parametrize("process", LISTENING)
def test_no_process_lets_everybody_in_from_elsewhere(tmp_path, process):
    """Authentication may be off on the loopback interface only."""
    ended = muster(tmp_path, process, **SERVERS, MUSTER_AUTH="off", **{LISTENING[process]: "0.0.0.0"})

    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith("MUSTER_AUTH is off, and 0.0.0.0 can be reached from elsewhere")


@pytest.mark.parametrize("process", LISTENING)
def test_no_process_starts_that_could_let_nobody_in(tmp_path, process):
    """Neither a key nor an issuer; the line names every way out."""
    ended = muster(tmp_path, process, **SERVERS)

    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    for hint in ("`muster keys new`", "MUSTER_ISSUER", "MUSTER_AUTH=off"):
        assert hint in line


def test_up_does_not_let_everybody_in_from_elsewhere_either(tmp_path):
    ended = muster(tmp_path, "up", MUSTER_AUTH="off", MUSTER_READ_HOST="0.0.0.0")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "0.0.0.0 can be reached from elsewhere" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("token",), "say what the token allows with --scope"),
        (("token", "--scope", "everything"), "there is no scope 'everything': commands, profiles:read"),
        (("token", "--scope", OPS, "--ttl", "soon"), "'soon' is no --ttl: write 90s, 15m, 12h or 30d"),
        (("token", "--scope", OPS, "--subject", ""), "a subject is 1 to 255 printable characters"),
    ],
)
def test_a_token_that_nobody_can_mean_is_wrong_usage(tmp_path, arguments, said):
    assert muster(tmp_path, "keys", "new").returncode == 0

    ended = muster(tmp_path, *arguments)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr


def test_without_a_key_there_is_no_token(tmp_path):
    ended = muster(tmp_path, "token", "--scope", OPS)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "make one with `muster keys new`" in ended.stderr


SERVERS = {"MUSTER_DATABASE_URL": "postgresql://127.0.0.1:1/muster", "MUSTER_REDIS_URL": "redis://127.0.0.1:1"}

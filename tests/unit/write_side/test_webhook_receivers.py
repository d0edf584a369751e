"""Requests go to addresses that were checked, over TLS that was verified for the name, and end in time."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.urls.addresses import AllowedNetworks
from tests.support.certificates import certified
from write_side.adapters.webhooks.receivers import AddressForbidden, HttpReceivers, ThreadedResolver
from write_side.webhooks.limits import WebhookLimits
from write_side.webhooks.ports import ReceiverAnswer, ReceiverFailed

HERE = AllowedNetworks.parse("127.0.0.1")
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


class Names:
    """A name server of a test's own: the answers to each look-up after the other, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Server:
    """A server that answers every request with the same bytes."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.port = 0
        self.answer = TAKEN
        self.may_end = asyncio.Event()
        self.may_end.set()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    served = Server()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        served.requests.append(head + await reader.readexactly(length))
        writer.write(served.answer)
        await served.may_end.wait()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    async with server:
        yield served


@pytest.fixture
async def server():
    async with serving() as served:
        yield served


def receivers(names, *, allowed=HERE, tls=None, **limits) -> HttpReceivers:
    return HttpReceivers(allowed=allowed, resolve=names, tls=tls, limits=WebhookLimits(**limits))


async def test_a_request_has_its_headers_and_its_body(server):
    url = f"http://hook.example:{server.port}/changes?token=t"

    answer = await receivers(Names(["127.0.0.1"])).post(url, headers={"webhook-id": "7"}, body=b'{"a": 1}')

    [request] = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert (answer, body) == (ReceiverAnswer(204), b'{"a": 1}')
    assert head.startswith(b"POST /changes?token=t HTTP/1.1\r\n")
    lines = head.lower().split(b"\r\n")
    for line in (f"host: hook.example:{server.port}".encode(), b"webhook-id: 7", b"content-length: 8"):
        assert line in lines
    assert b"content-type: application/cloudevents+json" in lines


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::1"],
        ["1.1.1.1", "127.0.0.1"],
    ],
)
async def test_no_connection_goes_to_what_is_not_public(server, addresses):
    """Not even where another address of the name is."""
    url = f"https://hook.example:{server.port}/"

    with pytest.raises(AddressForbidden, match="is no public address: MUSTER_WEBHOOKS_ALLOW can allow it"):
        await receivers(Names(addresses), allowed=AllowedNetworks()).post(url, headers={}, body=b"")

    assert server.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1"])
async def test_however_an_address_is_written_it_is_the_system_that_reads_it(server, host):
    url = f"https://{host}:{server.port}/"

    with pytest.raises(ReceiverFailed, match=r"no public address|cannot be looked up"):
        await receivers(ThreadedResolver(), allowed=AllowedNetworks()).post(url, headers={}, body=b"")

    assert server.requests == []


async def test_a_name_is_looked_up_once_and_the_connection_goes_where_that_led(server):
    """A name server that gives a good address first, and another then, is asked no second time."""
    names = Names(["127.0.0.1"], ["127.0.0.2"])

    await receivers(names).post(f"http://hook.example:{server.port}/", headers={}, body=b"")

    assert len(names.asked) == len(server.requests) == 1


async def test_every_attempt_checks_anew(server):
    """A name that has led to a good address may lead to another one the next time."""
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    asked, url = receivers(names), f"http://hook.example:{server.port}/"
    await asked.post(url, headers={}, body=b"")

    with pytest.raises(AddressForbidden):
        await asked.post(url, headers={}, body=b"")

    assert (len(names.asked), len(server.requests)) == (2, 1)


async def test_another_address_is_tried_where_one_is_not_reached(server):
    names = Names(["127.0.0.9", "127.0.0.1"])
    allowed = AllowedNetworks.parse("127.0.0.0/8")

    answer = await receivers(names, allowed=allowed).post(f"http://h:{server.port}/", headers={}, body=b"")

    assert answer.status == 204


async def test_without_tls_only_what_is_allowed_is_reached():
    with pytest.raises(AddressForbidden, match=r"1\.1\.1\.1 is to be reached by https alone"):
        await receivers(Names(["1.1.1.1"])).post("http://hook.example/", headers={}, body=b"")


async def test_redirects_are_not_followed(server):
    names = Names(["127.0.0.1"])
    server.answer = b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"

    answer = await receivers(names).post(f"http://hook.example:{server.port}/", headers={}, body=b"")

    assert answer.status == 307
    assert len(names.asked) == 1


async def test_an_answer_without_end_is_not_read_to_its_end(server):
    length = 10**12
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + bytes(200_000)

    answer = await receivers(Names(["127.0.0.1"]), answer_bytes=1_000).post(
        f"http://h:{server.port}/", headers={}, body=b""
    )

    assert answer.status == 200


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nso far"])
async def test_an_answer_that_does_not_come_in_time_is_none(server, answer):
    """However much of it has come: the time is that of all of it."""
    server.answer = answer
    server.may_end.clear()

    with pytest.raises(ReceiverFailed, match=r"no answer within 0\.5 s"):
        await receivers(Names(["127.0.0.1"]), answer_seconds=0.5).post(f"http://h:{server.port}/", headers={}, body=b"")

    server.may_end.set()


async def test_a_name_server_that_is_silent_is_not_waited_for():
    async def silent(*_) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError("it says nothing")

    with pytest.raises(ReceiverFailed, match=r"no answer within 0\.05 s"):
        await receivers(silent, answer_seconds=0.05).post("https://hook.example/", headers={}, body=b"")


async def test_when_to_ask_again_is_handed_on(server):
    server.answer = b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\nContent-Length: 0\r\n\r\n"

    answer = await receivers(Names(["127.0.0.1"])).post(f"http://h:{server.port}/", headers={}, body=b"")

    assert answer == ReceiverAnswer(503, "7")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "it breaks off, or does not speak HTTP"),
        (b"secrets of another protocol\r\n\r\n", "it breaks off, or does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000, "it breaks off, or does not speak HTTP"),
    ],
)
async def test_what_is_no_answer_is_a_failure_in_words_of_ours(server, answer, why):
    server.answer = answer

    with pytest.raises(ReceiverFailed) as error:
        await receivers(Names(["127.0.0.1"])).post(f"http://h:{server.port}/", headers={}, body=b"")

    assert str(error.value) == why


async def test_a_port_that_nobody_listens_at_says_so(server):
    with pytest.raises(ReceiverFailed, match="it cannot be reached"):
        await receivers(Names(["127.0.0.1"])).post("http://hook.example:1/", headers={}, body=b"")


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a..invalid", f"{'a' * 64}.invalid"])
async def test_a_name_that_there_is_not_says_so(host):
    with pytest.raises(ReceiverFailed, match="its name cannot be looked up"):
        await receivers(ThreadedResolver()).post(f"https://{host}/", headers={}, body=b"")


@pytest.fixture
def tls(tmp_path):
    """Of a server and of those who trust it, for the address 127.0.0.1."""
    files = certified(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    return server, ssl.create_default_context(cafile=files.certificate)


async def test_tls_is_verified_for_the_name_and_not_for_the_address(tls):
    ours, theirs = tls
    async with serving(ours) as server:
        asked = receivers(Names(["127.0.0.1"]), tls=theirs)

        assert await asked.post(f"https://127.0.0.1:{server.port}/", headers={}, body=b"") == ReceiverAnswer(204)
        with pytest.raises(ReceiverFailed, match="its certificate is not good"):
            await asked.post(f"https://hook.example:{server.port}/", headers={}, body=b"")

    assert len(server.requests) == 1


async def test_a_certificate_of_nobody_is_not_good(tls):
    ours, _ = tls
    async with serving(ours) as server:
        with pytest.raises(ReceiverFailed, match="its certificate is not good"):
            await receivers(Names(["127.0.0.1"])).post(f"https://127.0.0.1:{server.port}/", headers={}, body=b"")

    assert server.requests == []

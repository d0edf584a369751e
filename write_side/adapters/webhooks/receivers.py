"""
Requests to the servers behind webhooks: to public addresses alone, or to those that a setting allows.

A name is looked up at every attempt, all its addresses are checked, and the connection goes to one that was checked:
there is no second look-up, which could give another. No connection is kept for later, no redirect followed, no proxy
asked. TLS is verified for the name.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import httpcore

from shared.urls.addresses import Address, AllowedNetworks, is_public, parsed_address
from write_side.webhooks.limits import WebhookLimits
from write_side.webhooks.ports import ReceiverAnswer, ReceiverFailed

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Looks a name up; gives addresses as text."""

SETTING = "MUSTER_WEBHOOKS_ALLOW"
_SENT = (
    ("Content-Type", "application/cloudevents+json"),
    ("User-Agent", f"muster/{version('muster')}"),
    ("Connection", "close"),
)


class AddressForbidden(ReceiverFailed):
    """A receiver is at an address that is not connected to."""

    def __init__(self, address: Address, why: str) -> None:
        super().__init__(f"{address} {why}: {SETTING} can allow it")


class HttpReceivers:
    def __init__(
        self,
        *,
        allowed: AllowedNetworks,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        limits: WebhookLimits,
    ) -> None:
        """:param allowed: networks of which all addresses are good, also without TLS."""
        self._allowed = allowed
        self._resolve = resolve or ThreadedResolver()
        self._tls = tls or ssl.create_default_context()
        self._limits = limits

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> ReceiverAnswer:
        seconds = self._limits.answer_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._answer(url, headers, body)
        except TimeoutError:
            raise ReceiverFailed(f"no answer within {seconds:g} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise ReceiverFailed(_reason(error)) from error

    async def _answer(self, url: str, headers: Mapping[str, str], body: bytes) -> ReceiverAnswer:
        network = CheckedNetwork(
            self._resolve,
            self._allowed,
            has_tls=url.startswith("https:"),
            seconds=self._limits.answer_seconds,
        )
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=network) as pool,
            pool.stream("POST", url, headers=[*_SENT, *headers.items()], content=body) as response,
        ):
            await self._hear_out(response)
            return ReceiverAnswer(response.status, _header(response, b"retry-after"))

    async def _hear_out(self, response: httpcore.Response) -> None:
        """Read what a receiver says, as far as that is bounded: cut short, it would take it for an error."""
        left = self._limits.answer_bytes
        async for part in response.aiter_stream():
            left -= len(part)
            if left < 0:
                return


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to the addresses of a name if all of them may be connected to, and to no others."""

    def __init__(self, resolve: Resolve, allowed: AllowedNetworks, *, has_tls: bool, seconds: float) -> None:
        """:param seconds: for all addresses together."""
        self._resolve = resolve
        self._allowed = allowed
        self._has_tls = has_tls
        self._seconds = seconds
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        addresses = await self._addresses(host, port)
        seconds = self._seconds / (len(addresses) + 1)
        for each in addresses[:-1]:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._sockets.connect_tcp(str(each), port, seconds)
        return await self._sockets.connect_tcp(str(addresses[-1]), port, seconds)

    async def _addresses(self, host: str, port: int) -> Sequence[Address]:
        """:raises ReceiverFailed: there is none, or one that must not be connected to."""
        try:
            addresses = [parsed_address(each) for each in await self._resolve(host, port)]
        except OSError as error:
            raise ReceiverFailed(f"its name cannot be looked up ({error.strerror})") from error
        except UnicodeError as error:
            raise ReceiverFailed("its name cannot be looked up (a part of it is empty or too long)") from error
        if not addresses:
            raise ReceiverFailed("its name has no address")
        for each in addresses:
            self._require_good(each)
        return addresses

    def _require_good(self, address: Address) -> None:
        if self._allowed.have(address):
            return
        if not is_public(address):
            raise AddressForbidden(address, "is no public address")
        if not self._has_tls:
            raise AddressForbidden(address, "is to be reached by https alone")


class ThreadedResolver:
    """
    Looks names up as the system does, which blocks a thread for as long as a name server is silent.

    There are many threads, of its own: a receiver whose name server is silent holds up no other, nor anything else.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(256, thread_name_prefix="webhook-names")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _look_up(host: str, port: int) -> Sequence[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _header(response: httpcore.Response, wanted: bytes) -> str | None:
    return next((value.decode("latin-1") for name, value in response.headers if name.lower() == wanted), None)


def _reason(error: Exception) -> str:
    """Say why there is no answer, in words of ours and of this system: never in those of a receiver."""
    known = (words for each in _causes(error) if (words := _words(each)))
    return next(known, f"it cannot be reached ({type(error).__name__})")


def _words(cause: BaseException) -> str | None:
    """Return what an error says of a receiver; None if that is left to what caused it."""
    match cause:
        case httpcore.ProtocolError():
            return "it breaks off, or does not speak HTTP"
        case httpcore.TimeoutException():
            return "it cannot be reached in time"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not good ({cause.verify_message})"
        case ssl.SSLError():
            return "it does not speak TLS as we do"
        case OSError(strerror=str(said)):
            return f"it cannot be reached ({said})"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

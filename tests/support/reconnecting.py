"""A client as those are who mean it: what got no answer is sent once more, to the next address."""

import httpx


class OneMoreTry(httpx.AsyncBaseTransport):
    """Sends a request again, once, if its connection could not be made or was lost; counts how often."""

    def __init__(self, *urls: str) -> None:
        """:param urls: of instances that do the same; the first is asked first."""
        self._urls = [httpx.URL(url) for url in urls]
        self._inner = httpx.AsyncHTTPTransport()
        self.reconnects = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._inner.handle_async_request(self._to(self._urls[0], request))
        except httpx.TransportError:
            self.reconnects += 1
            return await self._inner.handle_async_request(self._to(self._urls[-1], request))

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _to(self, url: httpx.URL, request: httpx.Request) -> httpx.Request:
        there = request.url.copy_with(host=url.host, port=url.port)
        return httpx.Request(request.method, there, headers=request.headers, stream=request.stream)

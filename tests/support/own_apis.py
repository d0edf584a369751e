"""An API that a function answers, on a port of its own: who asks is told its address, and no more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx

Answer = Callable[[httpx.Request], httpx.Response | None]
"""None closes the connection: what was asked is away."""


class FakeApi(ThreadingHTTPServer):
    """Answers while it runs; `answer` may be set meanwhile."""

    answer: Answer

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        answering = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        answering.start()
        try:
            yield
        finally:
            self.shutdown()
            answering.join()


class _Handler(BaseHTTPRequestHandler):
    server: FakeApi

    def do_GET(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.server.answer(httpx.Request(self.command, f"{self.server.url}{self.path}", content=content))
        if answer is None:
            return
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_GET  # noqa: N815 - so the server calls it

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def fake_api() -> Iterator[FakeApi]:
    with FakeApi() as api, api.running():
        yield api

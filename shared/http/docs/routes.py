"""`/docs`: what a client developer works from, made of the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from shared.http.containers import Services
from shared.http.docs.curl import address_of, as_json, curl_line, examples_of
from shared.http.docs.operations import operations_of
from shared.http.docs.reader import DocsReader, reader_of
from shared.http.docs.trying import tried
from shared.http.middleware.auth import PagePolicy
from shared.http.pages.packaged import PackagedPages
from shared.http.pages.sign_in_answers import url_of
from shared.http.problems import NOT_FOUND, Rejection
from shared.http.requests import AnyRequest

UNCOMPRESSED = {"Cache-Control": "no-store, no-transform"}
"""Of pages that hold a secret beside what an address says: how small they become would tell of it (BREACH)."""


def prose(text: str) -> Markup:
    """Show what stands between backticks as code."""
    code = Markup("<code>{}</code>").format
    return Markup().join(code(each) if nth % 2 else each for nth, each in enumerate(text.split("`")))


PAGES = PackagedPages(__package__, "pages", "docs.css")
PAGES.templates.filters |= {"as_json": as_json, "prose": prose}


class Docs:
    """
    The pages of one service.

    :param pages: how browsers come to its pages; without it no reader is signed in.
    :param app: answers the reads that a page tries.
    """

    def __init__(self, document: Mapping[str, Any], pages: PagePolicy | None, app: ASGIApp) -> None:
        self._about, self._tags = document["info"], document["tags"]
        self._operations = operations_of(document)
        self._scopes = [*dict.fromkeys(scope for each in self._operations.values() for scope in each.scopes)]
        self._pages, self._app = pages, app
        self.handlers = (self._contents(), self._operation(), *PAGES.handlers)

    def _contents(self) -> Any:
        @get("/docs")
        async def docs(request: AnyRequest, services: Services) -> Response[bytes]:
            reader = await self._reader(request, services)
            return self._shown(request, "contents.html", reader, operation=None, scopes=self._scopes)

        return docs

    def _operation(self) -> Any:
        @get("/docs/{operation:str}")
        async def documented(operation: FromPath[str], request: AnyRequest, services: Services) -> Response[bytes]:
            if (shown := self._operations.get(operation)) is None:
                raise Rejection(NOT_FOUND, f"There is no operation {operation!r}")
            reader = await self._reader(request, services)
            sent = dict(request.query_params)
            answer = None
            if "try" in sent and shown.is_read and reader.may_try:
                answer = await tried(self._app, request.scope, address_of(shown, sent), token=reader.token)
            return self._shown(
                request,
                "operation.html",
                reader,
                operation=shown,
                curl=curl_line(shown, url=url_of(request, services), token=reader.token, own=reader.own),
                values=sent if "try" in sent else examples_of(shown, own=reader.own),
                tried=answer,
            )

        return documented

    async def _reader(self, request: AnyRequest, services: Services) -> DocsReader:
        return await reader_of(request.scope, services, self._pages)

    def _shown(self, request: AnyRequest, template: str, reader: DocsReader, **context: Any) -> Response[bytes]:
        return PAGES.answer(
            request,
            template,
            headers=None if reader.subject is None else UNCOMPRESSED,
            about=self._about,
            tags=self._tags,
            operations=self._operations.values(),
            reader=reader,
            **context,
        )

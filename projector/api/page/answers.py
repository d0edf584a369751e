"""How the pages of operators are sent, and what is said instead of one."""

from collections.abc import Mapping
from typing import Any

from litestar import Response

from projector.api.page.document import document
from shared.http.pages.answers import FORM_HEADERS
from shared.http.pages.documentation import linked
from shared.http.pages.site_map import site_map_of
from shared.http.parsing.negotiation import prefers_html
from shared.http.problems import answer_refusal, headers_of
from shared.http.requests import AnyRequest, root_of
from shared.problems import Refusal


def shown(
    request: AnyRequest,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response[bytes]:
    """Answer with a page."""
    about, page = {**FORM_HEADERS, **(headers or {})}, document(template, site=site_map_of(request), **context)
    return Response(linked(page, root_of(request.scope)), media_type="text/html", status_code=status, headers=about)


def on_refusal(path: str, text: str) -> Any:
    """
    Return the exception handlers of what answers browsers with pages, and programs with problems.

    :param path: where the page of a refusal leads back to.
    """

    def refused(request: AnyRequest, refusal: Refusal) -> Response[bytes]:
        if not prefers_html(request.scope):
            return answer_refusal(request, refusal)
        about: Any = {"status": refusal.problem.status, "headers": {**headers_of(refusal), "Vary": "accept"}}
        return shown(request, "refused.html", refusal=refusal, back=(path, text), **about)

    return {Refusal: refused}

"""What is said to a browser instead of a page of operators."""

from typing import Any

from litestar import Response

from projector.api.page.document import PAGES
from shared.http.parsing.negotiation import prefers_html
from shared.http.problems import answer_refusal, headers_of
from shared.http.requests import AnyRequest
from shared.problems import Refusal


def on_refusal(path: str, text: str) -> Any:
    """
    Return the exception handlers of what answers browsers with pages, and programs with problems.

    :param path: where the page of a refusal leads back to.
    """

    def refused(request: AnyRequest, refusal: Refusal) -> Response[bytes]:
        if not prefers_html(request.scope):
            return answer_refusal(request, refusal)
        about: Any = {"status_code": refusal.problem.status, "headers": {**headers_of(refusal), "Vary": "accept"}}
        return PAGES.answer(request, "refused.html", refusal=refusal, back=(path, text), **about)

    return {Refusal: refused}

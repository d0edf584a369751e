"""
What commands say to a projector over HTTP, and what is said of its answers.

Whatever is asked raises `httpx.HTTPError` if nothing answers, and `SystemExit` if we are not let in.
"""

from http import HTTPStatus
from typing import Any, TypeVar

import httpx
import msgspec

from projector.api.rebuilds import Arrangement
from projector.monitoring.status import Status
from shared.auth.local_access import require_let_in
from shared.http.problems import ProblemDetails

Told = TypeVar("Told")


class Ended(Exception):
    """There is nothing more to follow; the message says why."""


class NotPossible(Ended):
    """The projector refuses it as things are."""


def no_answer(url: httpx.URL | str, error: httpx.HTTPError) -> str:
    """What is the matter, and what to do."""
    return f"the projector does not answer at {url} ({error}): start `muster up`, or `muster project`"


def problem_of(answer: httpx.Response) -> ProblemDetails:
    """:raises Ended: what went wrong is not told as a projector tells it."""
    try:
        return msgspec.json.decode(answer.content, type=ProblemDetails)
    except msgspec.DecodeError as error:
        why = f"the projector answered {answer.status_code} at {answer.url}; its log may say more"
        raise Ended(why) from error


async def status_of(client: httpx.AsyncClient) -> Status:
    """:raises Ended: it is no projector that answers."""
    answer = await client.get("/status")
    require_let_in(answer)
    return _decoded(answer.raise_for_status(), Status)


async def post(client: httpx.AsyncClient, name: str, action: str, body: dict[str, Any]) -> Arrangement:
    """
    Have something done with the generations of a projection.

    :param action: the last part of the path: `rebuild`, `abort` or `rollback`.
    :raises NotPossible: as things are; the message says why.
    :raises Ended: it failed, or it is no projector that answers.
    """
    answer = await client.post(f"/projections/{name}/{action}", json=body)
    require_let_in(answer)
    if answer.status_code == HTTPStatus.CONFLICT:
        raise NotPossible(problem_of(answer).detail)
    if not answer.is_success:
        raise Ended(problem_of(answer).detail)
    return _decoded(answer, Arrangement)


def _decoded(answer: httpx.Response, type: type[Told]) -> Told:
    try:
        return msgspec.json.decode(answer.content, type=type)
    except msgspec.DecodeError as error:
        raise Ended(f"{answer.url} does not answer as a projector does ({error}): is it one?") from error

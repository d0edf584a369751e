"""The client of Muster's own APIs, which every command uses."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

import httpx
import msgspec

from shared.auth.bearer import bearer, is_near
from shared.cli.exit_codes import WRONG_USAGE, CommandFailed
from shared.errors import SettingsError
from shared.http_clients import Client, http_client
from shared.problems import FieldError
from shared.settings import Settings

ANSWER_SECONDS = 15.0
NOT_LET_IN = "does not let us in; set MUSTER_TOKEN to what `muster token --scope …` prints where the keys are"

Answered = TypeVar("Answered")


class Api(NamedTuple):
    """One of the three."""

    name: str
    setting: str
    """That holds its URL."""
    hint: str
    """What to do where it does not answer."""


WRITE_API = Api("write API", "write_url", "start `muster up`, or `muster write`")
READ_API = Api("read API", "read_url", "start `muster up`, or `muster read`")
PROJECTOR = Api("projector", "ops_url", "start `muster up`, or `muster project`")


class ApiProblem(msgspec.Struct, frozen=True):
    """The part of problem details (RFC 9457) that a command reads."""

    type: str
    detail: str
    errors: tuple[FieldError, ...] = ()

    @property
    def name(self) -> str:
        return self.type.rpartition("/")[2]


class _Head(msgspec.Struct):
    head: int | None = None


class ApiFailed(CommandFailed):
    """A request to an API failed."""


class ApiUnavailable(ApiFailed):
    """Nothing answers, or only what stands in front of the API."""


class ApiRefused(ApiFailed):
    """The API says what is wrong."""

    def __init__(self, problem: ApiProblem, *, status: int, hint: str = "") -> None:
        fields = "".join(f"\n    {each.pointer or 'the body'} {each.detail}" for each in problem.errors)
        super().__init__(f"{problem.detail} ({problem.name}){hint and ': '}{hint}{fields}")
        self.problem = problem
        self.status = status
        if problem.name == "projection-not-found":
            self.exit_code = WRONG_USAGE


class NotOurApi(ApiFailed):
    """The answer comes from another program."""


class ApiClient:
    """
    Asks one API on behalf of a command.

    Every request raises `ApiFailed`, whose message is a line for people.
    """

    def __init__(self, api: Api, http: httpx.AsyncClient) -> None:
        self._api = api
        self._http = http

    async def get(self, path: str, type: type[Answered]) -> Answered:
        """Return what GET answers; `bytes` stand for the body as it is."""
        return self._decoded(await self._sent("GET", path), type)

    async def position(self, path: str) -> int:
        """Return the position that an answer of the read API reflects."""
        return int((await self._sent("GET", path)).headers["Muster-Position"])

    async def post(
        self, path: str, body: Mapping[str, Any], type: type[Answered], *, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """Return what POST answers to a JSON body; `bytes` stand for the body of the answer as it is."""
        return self._decoded(await self._sent("POST", path, json=body, headers=headers), type)

    async def is_live(self) -> bool:
        """Whether anything listens there that calls itself live."""
        try:
            return (await self._http.get("/livez")).is_success
        except httpx.TransportError:
            return False

    async def _sent(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            why = f"at {error.request.url} ({str(error) or type(error).__name__}): {self._api.hint}"
            raise ApiUnavailable(f"the {self._api.name} does not answer {why}") from error
        if response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise not_let_in(response)
        if not response.is_success:
            raise refused(self._api, response)
        return response

    def _decoded(self, response: httpx.Response, type: type[Answered]) -> Answered:
        try:
            return response.content if type is bytes else msgspec.json.decode(response.content, type=type)  # type: ignore[return-value]
        except msgspec.DecodeError as error:
            text = f"{response.url} does not answer as a {self._api.name} does ({error}): is it one?"
            raise NotOurApi(text) from error


@asynccontextmanager
async def connected(api: Api, settings: Settings, *, timeout: float = ANSWER_SECONDS) -> AsyncIterator[ApiClient]:  # noqa: ASYNC109 - of each request
    """
    Give a client of one API.

    :raises SettingMissingError: its URL is not known.
    """
    async with httpx_client(api, settings, timeout=timeout) as http:
        yield ApiClient(api, http)


def ask(api: Api, path: str, body: Mapping[str, Any] | None = None) -> bytes:
    """Ask an API once, where the environment says that it is: GET without a body, POST with one."""

    async def answer() -> bytes:
        async with connected(api, Settings.here()) as client:
            return await (client.get(path, bytes) if body is None else client.post(path, body, bytes))

    return asyncio.run(answer())


def httpx_client(api: Api, settings: Settings, *, timeout: float) -> httpx.AsyncClient:
    """Return what httpx asks an API with: our token if it is for it, and no proxy to what is ours."""
    return _client(httpx.AsyncClient, api, settings, timeout=httpx.Timeout(timeout))


def blocking_httpx_client(api: Api, settings: Settings, *, timeout: httpx.Timeout) -> httpx.Client:
    """Return the same for commands that run no event loop."""
    return _client(httpx.Client, api, settings, timeout=timeout)


def head_of_log(settings: Settings) -> int | None:
    """Ask the projector beside the write API where the log ends; None where that cannot be found out."""
    if settings.ops_url is None or settings.sources["ops_url"] != settings.sources["write_url"]:
        return None  # the home's projector may not be that of another write API
    try:
        with blocking_httpx_client(PROJECTOR, settings, timeout=httpx.Timeout(ANSWER_SECONDS)) as http:
            return msgspec.json.decode(http.get("/status").raise_for_status().content, type=_Head).head
    except (httpx.HTTPError, msgspec.DecodeError, SettingsError):
        return None


def problem_of(response: httpx.Response) -> ApiProblem | None:
    """Return what is said to be wrong; None where it is not said as an API of ours says it."""
    try:
        return msgspec.json.decode(response.content, type=ApiProblem)
    except msgspec.DecodeError:
        return None


def refused(api: Api, response: httpx.Response) -> ApiFailed:
    """Say why an API has not done what it was asked for."""
    if problem := problem_of(response):
        return ApiRefused(problem, status=response.status_code)
    return ApiUnavailable(f"the {api.name} answered {response.status_code} at {response.url}; its log may say more")


def not_let_in(response: httpx.Response) -> ApiFailed:
    """Say what to do where a token is missing, or does not allow the request."""
    problem = problem_of(response)
    why = f"{problem.detail} ({problem.name})" if problem else f"it answers {response.status_code}"
    return ApiFailed(f"{response.url.copy_with(query=None)} {NOT_LET_IN}: {why}")


def _client(kind: type[Client], api: Api, settings: Settings, *, timeout: httpx.Timeout) -> Client:
    url = settings.required(api.setting)
    return http_client(kind, url, direct=is_near(settings, url), headers=bearer(settings, url), timeout=timeout)

"""What commands say where an API does not do what they want: one line, which says what to do."""

import socket

import httpx
import msgspec
import pytest

from shared.cli.api_client import (
    PROJECTOR,
    ApiClient,
    ApiFailed,
    ApiRefused,
    ApiUnavailable,
    NotOurApi,
    head_of_log,
    httpx_client,
)
from shared.cli.exit_codes import FAILED, WRONG_USAGE
from shared.errors import SettingsError
from shared.settings import ADDRESSES, Addresses, Settings


def problem(status: int, name: str, detail: str) -> httpx.Response:
    return httpx.Response(status, json={"type": f"/problems/{name}", "title": name, "status": status, "detail": detail})


def test_the_projector_of_another_write_api_is_not_asked_for_the_head(tmp_path):
    """The home's, say, where an option or a variable names a write API elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as projector:
        ops = f"http://127.0.0.1:{projector.getsockname()[1]}"
        here = Addresses(database_url="x", redis_url="x", write="http://127.0.0.1:1", read="x", ops=ops)
        (tmp_path / ADDRESSES).write_bytes(msgspec.json.encode(here))
        elsewhere = {"MUSTER_HOME": str(tmp_path), "MUSTER_WRITE_URL": "http://write.example"}

        assert head_of_log(Settings.load(elsewhere).with_addresses()) is None
        projector.settimeout(0)
        with pytest.raises(BlockingIOError):
            projector.accept()


async def failure(answer: httpx.Response | Exception) -> ApiFailed:
    def respond(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond), base_url="http://ops") as http:
        with pytest.raises(ApiFailed) as failed:
            await ApiClient(PROJECTOR, http).get("/status", dict[str, int])
    assert "\n" not in str(failed.value)
    return failed.value


async def test_an_api_that_is_away_is_named_with_what_to_do():
    """Also where the error itself says nothing."""
    error = await failure(httpx.ReadTimeout(""))

    assert isinstance(error, ApiUnavailable)
    assert str(error) == (
        "the projector does not answer at http://ops/status (ReadTimeout): start `muster up`, or `muster project`"
    )


async def test_a_refusal_is_its_sentence_and_the_name_of_its_problem():
    error = await failure(problem(409, "rebuild-under-way", "bob is at it"))

    assert isinstance(error, ApiRefused)
    assert (str(error), error.status, error.exit_code) == ("bob is at it (rebuild-under-way)", 409, FAILED)


async def test_a_name_that_is_unknown_is_wrong_usage():
    error = await failure(problem(404, "projection-not-found", "there is no projection 'people'"))

    assert error.exit_code == WRONG_USAGE


@pytest.mark.parametrize("status", [401, 403])
async def test_without_a_token_that_allows_it_the_way_to_one_is_said(status):
    error = await failure(problem(status, "forbidden", "the token lacks the scope ops"))

    assert str(error).startswith("http://ops/status does not let us in; set MUSTER_TOKEN")
    assert str(error).endswith(": the token lacks the scope ops (forbidden)")


async def test_what_stands_in_front_of_an_api_is_not_taken_for_it():
    error = await failure(httpx.Response(502, text="<h1>Bad Gateway</h1>"))

    assert isinstance(error, ApiUnavailable)
    assert str(error) == "the projector answered 502 at http://ops/status; its log may say more"


async def test_what_answers_something_else_is_no_api_of_ours():
    error = await failure(httpx.Response(200, text="<h1>Welcome</h1>"))

    assert isinstance(error, NotOurApi)
    assert "http://ops/status does not answer as a projector does" in str(error)


@pytest.mark.parametrize("token", ["s3cr3t\ns3cr3t", "", "s3cr3t \x00"])
def test_a_local_token_that_no_header_can_carry_is_refused_without_being_shown(tmp_path, token):
    (tmp_path / "token").write_text(token)
    settings = Settings.load({"MUSTER_HOME": str(tmp_path), "MUSTER_OPS_URL": "http://127.0.0.1:1"})

    with pytest.raises(SettingsError, match="token is no token: it holds blanks") as refused:
        httpx_client(PROJECTOR, settings, timeout=1)

    assert "s3cr3t" not in str(refused.value)

"""`muster rebuild` where the projector does not answer, or not as one does: it ends with a line, and no traceback."""

import re

import httpx
import msgspec
import pytest

from projector.cli import rebuild as rebuilding
from projector.monitoring.answers import ProjectionStatus, Status
from shared.cli.exit_codes import CommandFailed
from tests.support.projectors import being_rebuilt

COMMANDS = ({}, {"dry_run": True}, {"abort": True}, {"rollback": True})
HELD = being_rebuilt(position=40, held="it was to wait here")
LIVE = httpx.Response(200)
GATEWAY = httpx.Response(502, text="<h1>Bad Gateway</h1>")
ORDERED = httpx.Response(200, json={"projection": "profiles", "live": "g1", "building": "g2", "kept": None})
PORTAL = httpx.Response(200, text="<h1>Welcome</h1>")


def problem(status, detail):
    return httpx.Response(status, json={"type": "/problems/x", "title": "x", "status": status, "detail": detail})


def rebuilds_of(*names):
    """What /status answers while projections are."""
    return telling(*(projection(name, generation="g1", rebuild=HELD) for name in names))


def projection(name, **more):
    return ProjectionStatus(name=name, version=1, state="running", error=None, events_per_second=0, **more)


def telling(*projections, error=None):
    return httpx.Response(200, content=msgspec.json.encode(Status(projections=list(projections), error=error)))


@pytest.fixture
def answering(projector_api):
    """Have a projector answer so, by the last part of a request's path; what is not named finds it gone."""

    def answering(**answers):
        def handle(request):
            answer = answers.get(request.url.path.rsplit("/", 1)[-1])
            return answer(request) if callable(answer) else answer

        projector_api.answer = handle

    return answering


def message_of(capsys, **options):
    """What `muster rebuild profiles` says where it fails."""
    try:
        assert rebuilding.rebuild("profiles", **options) == 1
    except CommandFailed as error:
        return str(error)
    return capsys.readouterr().err


@pytest.mark.parametrize("options", COMMANDS, ids=str)
def test_a_projector_that_goes_away_is_said_as_by_muster_status(answering, projector_api, capsys, options):
    answering(livez=LIVE)

    said = message_of(capsys, **options)

    assert re.search(
        rf"the projector does not answer at {projector_api.url}/\S+ \(Server disconnected .*\): start `muster up`", said
    )


def test_a_projector_that_goes_away_before_it_is_asked_to_abort_is_said(answering, projector_api, capsys):
    answering(livez=LIVE, status=rebuilds_of("profiles"))

    assert rebuilding.rebuild("profiles", abort=True) == 1
    assert f"does not answer at {projector_api.url}/projections/profiles/abort" in capsys.readouterr().err


@pytest.mark.parametrize("options", COMMANDS, ids=str)
def test_what_answers_with_a_page_is_taken_for_no_projector(answering, capsys, options):
    answering(livez=PORTAL, status=PORTAL, rollback=PORTAL)

    assert "does not answer as a projector does" in message_of(capsys, **options)


@pytest.mark.parametrize(
    ("action", "options"), [("rebuild", {}), ("abort", {"abort": True}), ("rollback", {"rollback": True})]
)
def test_an_error_without_a_problem_is_told_by_its_status(answering, projector_api, capsys, action, options):
    """As a gateway in front of the projector answers."""
    answering(**{"livez": LIVE, "status": rebuilds_of("profiles"), action: GATEWAY})

    status = rebuilding.rebuild("profiles", **options)

    assert status == 1
    assert f"the projector answered 502 at {projector_api.url}/projections/profiles/{action}" in capsys.readouterr().err


@pytest.mark.parametrize("status", [409, 503])
def test_a_rebuild_that_cannot_be_aborted_any_more_does_not_keep_others_from_it(answering, capsys, status):
    """It may end after it was seen, or its Redis go away."""

    def abort(request):
        if "profiles" in request.url.path:
            return problem(status, "no rebuild is under way")
        return httpx.Response(200, json={"projection": "groups", "live": "g1", "building": None, "kept": None})

    answering(livez=LIVE, status=rebuilds_of("profiles", "groups"), abort=abort)

    ended = rebuilding.rebuild(abort=True)

    assert ended == 1
    assert capsys.readouterr().err.splitlines() == [
        "profiles: no rebuild is under way (x)",
        "groups: aborted; the live records are untouched",
    ]


def test_a_dry_run_gives_up_no_more_than_it_has_begun(answering):
    """It names its generation; that another operator has ordered it to go on is no failure of the dry run."""
    asked = []

    def abort(request):
        asked.append(msgspec.json.decode(request.content))
        return problem(409, "bob has ordered generation g2 to go on")

    answering(livez=LIVE, status=rebuilds_of("profiles"), rebuild=ORDERED, abort=abort)

    assert rebuilding.rebuild("profiles", dry_run=True) == 0
    assert asked == [{"dry_run": "g2"}]


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({"abort": True}, ["g2"]),
        ({"abort": True, "generation": ["g7"]}, ["g7"]),
        ({"rollback": True}, []),
        ({"rollback": True, "generation": ["g7", "g8"]}, ["g7", "g8"]),
        ({"dry_run": True}, ["g2"]),
        ({"dry_run": True, "generation": ["g7"]}, ["g7"]),
    ],
)
def test_each_order_says_what_was_seen(answering, options, seen):
    """When it was given; or before, if it names generations."""
    asked = []

    def refuse(request):
        asked.append(msgspec.json.decode(request.content)["generations"])
        return problem(409, "it is another one by now")

    orders = dict.fromkeys(("rebuild", "abort", "rollback"), refuse)
    answering(livez=LIVE, status=rebuilds_of("profiles"), **orders)

    assert rebuilding.rebuild("profiles", **options) == 1
    assert asked == [seen]


def test_a_dry_run_says_what_it_could_not_give_up(answering, capsys):
    """And how that is done, so that no second copy stays for ever."""
    answering(livez=LIVE, status=rebuilds_of("profiles"), rebuild=ORDERED, abort=problem(503, "Redis is away"))

    assert rebuilding.rebuild("profiles", dry_run=True) == 1
    assert (
        "profiles: generation g2 is still there (Redis is away (x)): `muster rebuild profiles --abort` gives it up"
        in capsys.readouterr().err
    )


def test_what_could_not_be_found_out_is_not_taken_for_nothing(answering, capsys):
    """While Redis is away, nobody knows whether a rebuild is under way."""
    answering(livez=LIVE, status=telling(projection("profiles"), error="Redis does not answer within 1.5 s"))

    assert rebuilding.rebuild(abort=True) == 1
    assert "as far as can be found out: Redis does not answer" in capsys.readouterr().err


def test_a_rebuild_is_not_taken_for_aborted_while_redis_is_away(answering, capsys):
    """Nobody knows then which generations there are; it goes on, and is followed, once it is back."""
    before, away, after = (projection("profiles", generation=name) for name in ("g1", None, "g2"))
    told, orders = iter([away, after]), []

    def order(request):
        orders.append(request)
        return ORDERED

    answering(livez=LIVE, status=lambda _: telling(next(told) if orders else before), rebuild=order)

    assert rebuilding.rebuild("profiles") == 0
    assert "generation g2 is live" in capsys.readouterr().err

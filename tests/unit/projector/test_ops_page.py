"""The ops page as it is served, and what may be seen and done from where."""

import asyncio
import dataclasses
import re
from datetime import timedelta
from http import HTTPStatus

import msgspec
import pytest

from projector.adapters.memory.timeline import MemoryTimelineStore
from projector.api.page.buttons import RECORDS_GO
from projector.api.page.document import PAGES, context_of, parts
from projector.api.page.figures import time_left
from projector.api.status_events import Frame, StreamLimits, Streams
from projector.main import projector_app
from projector.monitoring.answers import RebuildStatus, Status
from projector.monitoring.status_history import StatusHistory, StatusSnapshot
from projector.monitoring.timeline import LastHour
from projector.parked.answers import ParkedReport
from shared.auth.setup import admit_everyone
from shared.http.pages.site_map import SiteMap
from shared.http.pages.templating import ROOT
from shared.http.problems import Rejection
from tests.support.apps import app_client
from tests.support.patience import answered
from tests.support.showcase import (
    COMPARISON,
    ERROR,
    NOW,
    PARKED,
    STATUS,
    generation,
    projection,
    rebuild,
    shows_everything,
)

LOCAL = ("localhost", "localhost:8003", "127.0.0.1", "127.0.0.1:8003", "127.9.9.9:1", "[::1]", "[::1]:8003")
FOREIGN = (
    "evil.example",
    "evil.example:8003",
    "10.0.0.1:8003",
    "localhost.evil.example",
    "[2001:db8::1]:8003",
    "[",
)


@pytest.fixture
async def client():
    async with app_client(projector_app, admit_everyone, shows_everything()) as client:
        yield client


def snapshot(status=STATUS):
    return StatusSnapshot(NOW, msgspec.convert(status, Status), msgspec.convert(PARKED, ParkedReport))


def page(of):
    return PAGES.html("page.html", site=SiteMap(), **context_of(of)).decode()


async def test_the_page_keeps_everybody_else_out(client):
    """No script or style but our own, in nobody's frame, kept nowhere."""
    answer = await client.get("/")

    policy = dict(each.strip().split(" ", 1) for each in answer.headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        **dict.fromkeys(("script-src", "style-src", "connect-src", "img-src", "form-action"), "'self'"),
        **dict.fromkeys(("base-uri", "frame-ancestors"), "'none'"),
    }
    assert {
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Content-Type": "text/html; charset=utf-8",
    }.items() <= {name.title(): value for name, value in answer.headers.items()}.items()


async def test_nothing_on_the_page_is_inline_or_from_elsewhere(client):
    """The policy would have it left out."""
    text = (await client.get("/")).text

    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)|https?:", text)
    for path in re.findall(r'(?:src|href)="([^"#]+)"', text):
        assert path.startswith("./")
        assert (await client.get(path)).status_code == (404 if path.startswith("./events/") else 200)  # an empty log


@pytest.mark.parametrize(
    ("path", "kind"),
    [("page.css", "text/css"), ("page.js", "text/javascript"), ("copy.js", "text/javascript")],
)
async def test_what_the_page_is_made_of_is_small_and_says_what_it_is(client, path, kind):
    answer = await client.get(f"/ops/{path}")

    assert answer.headers["Content-Type"].partition(";")[0] == kind
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(answer.content) < 10_000


@pytest.mark.parametrize("path", ["/", "/status/events"])
@pytest.mark.parametrize("host", FOREIGN)
async def test_under_a_foreign_name_there_is_no_page(client, path, host):
    """A name that its owner has resolved to this machine is foreign still."""
    async with asyncio.timeout(5):  # a stream that is let in has no end
        answer = await client.get(path, headers={"Host": host})

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/foreign-host")


@pytest.mark.parametrize("host", LOCAL)
async def test_under_the_names_of_this_machine_there_is(client, host):
    answer = await client.get("/", headers={"Host": host})

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/status", "/metrics", "/livez", "/readyz"])
async def test_what_only_tells_answers_under_any_name(client, path):
    """Monitoring asks for it from elsewhere."""
    await answered(client, "/readyz", lambda answer: answer.status_code == HTTPStatus.OK)

    answer = await client.get(path, headers={"Host": "projector:8003"})

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/", "/status/events"])
async def test_looking_changes_nothing_and_nothing_else_can_be_done_there(client, path):
    answer = await client.post(path, json={})

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_the_page_says_what_status_says():
    """Without any script; figures as people read them."""
    text = page(snapshot())

    for part in ("1,041,380", "1,041,377", "812.5", "held at 1041378 by pid 77", "does not answer within 1.5 s"):
        assert part in text
    for part in ("replaying", 'max="1041377" value="412000"', "40%", "ada@example"):
        assert part in text
    for part in (
        "21,000 gone and 37 changed, 2 new",
        "<code><bdi>display_name</bdi></code>",
        "machine:77:abcdef01",
        "standby",
    ):
        assert part in text
    assert "<noscript>" in text


def test_what_is_status_stays_text():
    """An error, a name of an operator or of a record may say anything."""
    nasty = '"><script>alert(1)</script>'
    sample = {"kind": nasty, "id": nasty, "difference": "changed", "fields": [nasty]}
    rebuilt = rebuild(nasty, by=nasty, held=nasty, error=nasty, comparison={"records": 1, "samples": [sample]})
    status = projection("profiles", error=nasty, rebuild=rebuilt, generations=[generation(nasty, "live", state=nasty)])

    text = page(snapshot({**STATUS, "projections": [status], "error": nasty, "read_probe": nasty}))

    assert "<script>" not in text
    assert text.count("&lt;script&gt;") >= 10
    assert ERROR not in page(snapshot())


def button(status, action):
    """The data of a button; None if it is not there."""
    html = parts(snapshot({"projections": [status]}))["profiles-actions"]
    found = re.search(rf'<button[^>]* id="profiles-{action}"[^>]*>', html)
    return dict(re.findall(r'data-(\w+)="([^"]*)"', found[0])) if found else None


@pytest.mark.parametrize(
    ("status", "actions"),
    [
        (projection("profiles"), {"rebuild"}),
        (projection("profiles", rebuild=rebuild("replaying")), {"abort"}),
        (projection("profiles", rebuild=rebuild("held", held="wait")), {"switch", "abort"}),
        (
            projection("profiles", generations=[generation("a", "live"), generation("b", "kept")]),
            {"rebuild", "rollback"},
        ),
        (projection("profiles", generations=[generation("a", "filling")], rebuild=rebuild("replaying")), set()),
        (projection("profiles", generations=[]), set()),
    ],
)
def test_there_is_a_button_for_what_can_be_done(status, actions):
    known = ("rebuild", "switch", "abort", "rollback")

    assert {action for action in known if button(status, action)} == actions


def test_a_button_says_what_will_happen():
    status = projection("profiles", rebuild=rebuild("held", held="wait", comparison={"records": 9, "changed": 2}))

    data = button(status, "switch")

    assert data["path"] == "projections/profiles/rebuild"
    assert "of 9 records 0 gone and 2 changed, 0 new" in data["text"]
    assert (data["fields"], data["force"]) == ("by", "")


def test_a_switch_that_would_shrink_the_directory_is_confirmed_apart():
    status = projection("profiles", rebuild=rebuild("held", held="21000 gone", comparison=COMPARISON))

    data = button(status, "switch")

    assert (data["fields"], data["force"]) == ("by force", RECORDS_GO)


@pytest.mark.parametrize(
    ("position", "target", "spent", "left"),
    [(0, 100, 10, None), (50, 100, 10, 10), (25, 100, 1, 3), (100, 100, 10, None), (50, 100, 0, None)],
)
def test_the_time_left_follows_from_the_time_spent(position, target, spent, left):
    status = msgspec.convert(rebuild("replaying", position=position, target=target, since=NOW), RebuildStatus)

    expected = None if left is None else timedelta(seconds=left)
    assert time_left(status, now=NOW + timedelta(seconds=spent)) == expected


def test_a_page_is_sent_what_has_changed():
    """The time, and the time left of a rebuild."""
    before = snapshot()
    after = dataclasses.replace(before, at=NOW + timedelta(seconds=1))

    everything = Frame(before).changed_from({}).decode()
    changed = Frame(after).changed_from(parts(before)).decode()

    assert ROOT not in everything
    assert set(msgspec.json.decode(everything.split("event: page\ndata: ")[1])) == set(parts(before))
    assert set(msgspec.json.decode(changed.split("event: page\ndata: ")[1])) == {"seen", "rebuilds-shown"}


def test_there_are_no_more_streams_than_there_are_places():
    """And one that is left can be taken."""
    streams = Streams(
        StatusHistory(None, parked=None, deliveries=None, hour=None, clock=None), limits=StreamLimits(streams=2)
    )
    with streams.places.place():
        with streams.places.place(), pytest.raises(Rejection) as refused, streams.places.place():
            pass
        with streams.places.place():
            pass

    assert (refused.value.problem.name, refused.value.problem.status) == ("too-many-streams", 503)
    assert refused.value.headers == {"Retry-After": "10"}
    assert StreamLimits().streams == 50


@pytest.mark.parametrize("is_outdated", [True, False])
async def test_a_page_is_told_that_all_begins_anew(is_outdated):
    """With other layouts: it asks again at once. After any other end it waits, as ever."""
    outdated, hour = asyncio.Event(), LastHour(MemoryTimelineStore())
    history = StatusHistory(None, parked=None, deliveries=None, hour=hour, clock=None)
    events = Streams(history, outdated=outdated).events(lambda: True)
    beginning = await anext(events)
    if is_outdated:
        outdated.set()
    history.end()

    assert beginning.startswith(b"retry: 1000\n")
    assert [each async for each in events] == [b"retry: 50\n\nevent: anew\ndata: null\n\n"] * is_outdated


async def test_a_head_of_the_stream_ends(client):
    answer = await client.head("/status/events")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.content == b""


def test_a_comparison_is_status_in_words():
    status = projection(
        "profiles", generations=[generation("a", "live"), generation("b", "kept", comparison={"records": 3})]
    )

    html = parts(snapshot({"projections": [status]}))["generations"]

    assert "Of 3 records 0 gone and 0 changed, 0 new." in html

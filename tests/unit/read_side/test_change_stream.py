"""The change feed as server-sent events."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
import pytest

from read_side.http.feed.reading import FeedReader
from read_side.http.resources.change_stream import ChangeStreamLimits, ChangeStreams
from read_side.views import ChangeQuery
from shared.errors import Unavailable
from tests.support.directory import item
from tests.support.read_side import until_a_read_waits
from tests.unit.read_side.test_look_ups_over_http import problem

HASTY = ChangeStreamLimits(keep_alive=0.01, longest_pause=0.01)


class Follower:
    """A client of a stream, which keeps what it is sent."""

    def __init__(self, views, *, limits=None, **query):
        self._feed, self._query = FeedReader(views, None), ChangeQuery(limit=200, **query)
        self._streams = ChangeStreams(limits)
        self.may_go_on = True

    async def sent(self) -> AsyncGenerator[str, None]:
        """Give what comes, one piece after the other."""
        first = await self._feed.next(self._query)
        events = self._streams.events(self._feed, self._query, first, lambda: self.may_go_on)
        async with aclosing(events):
            async for each in events:
                yield each.decode()


def lines(sent):
    """The lines of all blocks, without those of changes."""
    return [line for line in sent.splitlines() if line and not line.startswith("data")]


async def test_each_change_comes_with_its_position(feed):
    """After the last an id says up to where was looked."""
    async with aclosing(Follower(feed).sent()) as sent:
        assert lines(await anext(sent)) == [
            "retry: 1000",
            *(f"id: {position}" for position in (1, 2, 3, 4)),
            ": looked up to here",
            "id: 5",
        ]
        feed.commit(item(6, "handle-changed"), position=6)
        event = await anext(sent)

    assert lines(event) == ["id: 6"]
    assert msgspec.json.decode(event.partition("data: ")[2])["sequence"] == 6


async def test_a_reader_with_a_filter_is_told_how_far_it_has_come(feed):
    """Or it would go on before what was trimmed meanwhile, though it has missed nothing."""
    async with aclosing(Follower(feed, limits=HASTY, types=frozenset({"group-deleted"})).sent()) as sent:
        await anext(sent)
        feed.commit(item(6, "handle-changed"), position=9)
        while "id: 9" not in lines(await anext(sent)):
            pass


async def test_while_nothing_happens_it_is_kept_alive(feed):
    async with aclosing(Follower(feed, limits=HASTY, after=5).sent()) as sent:
        assert [lines(await anext(sent))[-2:] for _ in range(3)] == 3 * [[": looked up to here", "id: 5"]]


async def test_a_read_model_that_does_not_answer_is_asked_again(feed, monkeypatch):
    """Nothing is lost, and nothing comes twice."""
    changes, failures = feed.changes, [Unavailable("away"), Unavailable("away")]

    async def sometimes(query):
        if failures:
            raise failures.pop()
        return await changes(query)

    async with aclosing(Follower(feed, limits=HASTY, after=4).sent()) as sent:
        await anext(sent)
        monkeypatch.setattr(feed, "changes", sometimes)
        feed.commit(item(6, "handle-changed"), position=6)
        pieces = [lines(await anext(sent)) for _ in range(3)]

    assert pieces == [[": not now"], [": not now"], ["id: 6"]]


async def test_a_reader_whose_changes_are_trimmed_has_to_come_again(feed):
    """Then it is answered 410."""
    follower = Follower(feed, limits=HASTY, after=5).sent()
    await anext(follower)

    feed.commit(position=90, trimmed=63)

    assert [lines(each) async for each in follower] == []


async def test_a_reader_whose_token_is_revoked_is_sent_no_more(feed):
    follower = Follower(feed, limits=HASTY)
    sent = follower.sent()
    await anext(sent)

    follower.may_go_on = False

    assert [each async for each in sent] == []


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ("?after=2", {}, ("changes-trimmed", [])),
        ("?after=4", {"Last-Event-ID": "2"}, ("changes-trimmed", [])),
        ("?limit=5", {}, ("invalid", ["?limit"])),
        ("", {"Last-Event-ID": "x"}, ("invalid", ["Last-Event-ID"])),
        ("", {"Accept": "application/json"}, ("not-acceptable", [])),
    ],
)
async def test_what_cannot_be_followed_is_refused_at_once(client, directory, query, headers, expected):
    directory["changes"].commit(position=5, trimmed=3)

    response = await client.get(f"/changes/stream{query}", headers=headers)

    assert problem(response) == expected


async def test_a_head_of_the_stream_ends(client, directory):
    answer = await client.head("/changes/stream")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")


async def test_a_stream_ends_when_the_process_is_to_stop(feed):
    """Also while nothing comes; granian waits for it."""
    streams, sent = ChangeStreams(), []
    reader, query = FeedReader(feed, None), ChangeQuery(after=5)
    stream = streams.stream(reader, query, await reader.next(query), may_go_on=lambda: True)

    async def send(message):
        sent.append(message)

    answering = asyncio.create_task(
        stream({"type": "http", "method": "GET", "headers": []}, asyncio.Event().wait, send)
    )
    await until_a_read_waits(feed)
    streams.places.ended.set()
    await answering

    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

"""
What the read API answers, compared with what the model says.

A projection may be behind, and a fan-out under way: then each document is to be as it was at one moment since the
position that the answer tells, and a list is to have everybody once who was in it at the same place ever since.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.contract.whole_directory.directory_lives import (
    EMAILS,
    EXTERNALS,
    HANDLES,
    NOBODY,
    PROJECTIONS,
    SLUGS,
    Look,
    Question,
)
from tests.contract.whole_directory.play import Play
from tests.support import directory_views as due
from tests.support.directory_model import State, group_of

MOST_PAGES = 200
_is_unreserved = re.compile(r"[A-Za-z0-9._~-]+").fullmatch


class Answer(NamedTuple):
    """`body` is None where there is nothing, `states` those that it may be of."""

    body: Any
    position: int
    states: Sequence[State]
    link: str | None


class Reading:
    """
    The read API of a play, with what holds of every answer.

    :param minimum: the position that is asked for; 0 takes what there is.
    """

    def __init__(self, play: Play) -> None:
        self._play = play
        self._reached: dict[str, int] = {}
        self.minimum = 0

    async def get(self, path: str, asked: Sequence[tuple[str, Any]] = ()) -> Answer:
        return self._answer(path, await self._play.stage.read.get(path, params=asked, headers=self._headers))

    async def one(self, path: str, show: Callable[[State], Any]) -> None:
        """Read one document: as it is shown of a moment that the answer may be of."""
        answer = await self.get(path)
        assert answer.body in [show(state) for state in answer.states], path

    async def batch(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Read many by many keys: each is missing or its holder's record is there."""
        path = "/profiles/batch-get"
        answer = self._answer(path, await self._play.stage.read.post(path, json=keys, headers=self._headers))
        found = {record["account_id"]: record for record in answer.body["found"]}
        assert len(found) == len(answer.body["found"]), "everybody once"
        for id_, record in found.items():
            assert record in [due.record(state, id_) for state in answer.states]
        for kind, values in keys.items():
            for value in values:
                holders = [due.holders(state, kind[:-1], value) for state in answer.states]
                if value in answer.body["missing"][kind]:
                    assert [] in holders, (kind, value)
                else:
                    assert any(holder and holder[0] in found for holder in holders), (kind, value)

    def since(self, position: int) -> Sequence[State]:
        return self._play.timeline.since(position)

    @property
    def _headers(self) -> Mapping[str, str]:
        return {"Muster-Min-Position": str(self.minimum)} if self.minimum else {}

    def _answer(self, path: str, response: Any) -> Answer:
        assert response.status_code in {200, 404}, response.text
        projection, position = _projection(path), int(response.headers["Muster-Position"])
        assert self._reached.get(projection, 0) <= position <= self._play.head, "a position does not fall"
        self._reached[projection] = position
        assert position >= self.minimum
        body = response.json() if response.status_code == 200 else None
        return Answer(body, position, self.since(position), response.headers.get("Link"))


def _projection(path: str) -> str:
    return "activity" if path.endswith("/activity") else path.split("/")[1]


class Walk:
    """
    A list, page by page.

    :param of: a group, for its members; an account, for its activity.
    """

    def __init__(self, reading: Reading, kind: str, asked: Mapping[str, Any], *, limit: int, of: str) -> None:
        self._reading, self._asked, self._of = reading, asked, of
        self._path, self._kind = _PATHS[kind].format(of), kind
        self._limit, self._cursor = limit, None
        self._pages: list[list[str]] = []
        self._from: int | None = None
        self.projection = _projection(self._path)
        self.is_over = False

    async def finish(self) -> None:
        while not self.is_over:
            await self.page()

    async def page(self) -> None:
        """Read a page; what is on it, and at the last one what was on all of them, is compared."""
        answer = await self._reading.get(self._path, self._parameters())
        assert answer.body is not None or any(self._listing(state) is None for state in answer.states), self
        if answer.body is None:
            self.is_over = True
            return
        self._take(answer)
        if self._cursor is None:
            self.is_over = True
            self._compare(self._reading.since(self._from or 0))

    def _parameters(self) -> list[tuple[str, Any]]:
        asked = {**self._asked, "limit": self._limit, "cursor": self._cursor}
        many = {name: value if isinstance(value, list) else [value] for name, value in asked.items()}
        return [(name, each) for name, values in many.items() for each in values if each is not None]

    def _take(self, answer: Answer) -> None:
        items, self._cursor = answer.body["items"], answer.body["next_cursor"]
        assert len(items) <= self._limit, self
        assert self._cursor is None or _is_unreserved(self._cursor), self
        assert (self._cursor is None) == (answer.link is None), self
        self._pages.append([self._compared(item, answer.states) for item in items])
        self._from = answer.position if self._from is None else min(self._from, answer.position)
        assert len(self._pages) < MOST_PAGES, self

    def _compared(self, item: Any, states: Sequence[State]) -> str:
        """The id of an item that is in the list, and is shown, as it is at some moment that the page may be of."""
        id_: str = item["group_id" if self._kind == "groups" else "account_id"]
        assert item in [self._shown(state, id_) for state in states], self
        assert any(id_ in (self._listing(state) or {}) for state in states), self
        return id_

    def _compare(self, states: Sequence[State]) -> None:
        """Who was there all the time, at the same place, is met once, in order."""
        first, *others = [self._listing(state) or {} for state in states]
        steady = {id_: key for id_, key in first.items() if all(other.get(id_) == key for other in others)}
        met = [id_ for page in self._pages for id_ in page]
        descending = self._asked.get("sort", "").startswith("-")
        expected, found = due.in_order(steady, descending=descending), [id_ for id_ in met if id_ in steady]
        assert expected == found, f"{self}: {steady}"
        if not others:
            assert all(len(page) == self._limit for page in self._pages[:-1]), self

    def _listing(self, state: State) -> due.Listing | None:
        match self._kind:
            case "profiles":
                return due.profiles(state, self._asked)
            case "groups":
                return due.groups(state, self._asked)
        group = group_of(state, self._of)
        return due.members(state, group.id, self._asked) if group else None

    def _shown(self, state: State, id_: str) -> Any:
        match self._kind:
            case "profiles":
                return due.record(state, id_)
            case "groups":
                return due.group_record(state, id_)
        group = group_of(state, self._of)
        return due.card(state, group.id, id_) if group else None

    def __repr__(self) -> str:
        return f"{self._path} {self._asked} limit={self._limit}: {self._pages}"


class ActivityWalk(Walk):
    """What happened to an account; what happens meanwhile is told to who begins anew."""

    def _compared(self, item: Any, states: Sequence[State]) -> str:
        return item

    def _take(self, answer: Answer) -> None:
        if not self._pages:
            self._beginnings = [due.activity(state, self._of) for state in answer.states]
        super()._take(answer)

    def _compare(self, states: Sequence[State]) -> None:
        met = [item for page in self._pages for item in page]
        positions = [item["position"] for item in met]
        assert sorted(set(positions), reverse=True) == positions, self
        told = [{name: item[name] for name in ("account_id", "type", "at")} for item in met]
        if all(due.activity(state, self._of) for state in states):
            assert told in self._beginnings, self
        else:  # the account was erased meanwhile, and the walk ends there
            assert told in [beginning[: len(told)] for beginning in self._beginnings], self

    def _listing(self, state: State) -> due.Listing | None:
        return {} if due.activity(state, self._of) else None


def walk(reading: Reading, kind: str, asked: Mapping[str, Any], *, limit: int, of: str) -> Walk:
    return (ActivityWalk if kind == "activity" else Walk)(reading, kind, asked, limit=limit, of=of)


_PATHS = {
    "profiles": "/profiles",
    "groups": "/groups",
    "members": "/groups/{}/members",
    "activity": "/profiles/{}/activity",
}


Show = Callable[[State], Any]


class Comparison:
    """Looks at what a play has brought about so far."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._reading = Reading(play)
        self._walks: list[Walk] = []

    async def look(self, look: Look) -> None:
        """Look at what the step says, and take all walks under way a page further."""
        for projection in PROJECTIONS:
            if projection in look.at and await self._fits_together(projection):
                await self._documents(projection)
        for question in look.questions:
            await self._ask(question, slowly=look.slowly)
        self._walks = [each for each in self._walks if await self._goes_on(each)]

    async def finish(self, questions: Iterable[Question]) -> None:
        """With everything projected, look at everything, and finish what is under way."""
        self._reading.minimum = self._play.head
        for each in self._walks:
            await each.finish()
        for projection in PROJECTIONS:
            assert await self._play.reached(projection) == self._play.head
            await self._documents(projection)
        for question in (*EVERYTHING, *questions):
            await self._ask(question, slowly=False)

    async def _ask(self, question: Question, *, slowly: bool) -> None:
        asked = self._walk(question)
        if not await self._fits_together(asked.projection):
            return
        if slowly:
            self._walks.append(asked)
        else:
            await asked.finish()

    async def _goes_on(self, slow: Walk) -> bool:
        if await self._fits_together(slow.projection):
            await slow.page()
        return not slow.is_over

    async def _fits_together(self, projection: str) -> bool:
        """Where a commit was torn, what was to change together has not, until it is done again."""
        return await self._play.reached(projection) >= self._play.torn.get(projection, 0)

    async def _documents(self, projection: str) -> None:
        match projection:
            case "profiles":
                await self._profiles()
            case "groups":
                await self._groups()
            case "activity":
                for account in (*self._play.timeline.now.accounts, NOBODY):
                    await self._walk(Question("activity", {}, 200, account)).finish()
            case "stats":
                await self._reading.one("/stats", due.stats)

    async def _profiles(self) -> None:
        accounts = (*self._play.timeline.now.accounts, NOBODY)
        for account in accounts:
            await self._reading.one(f"/profiles/{account.upper()}", _holder("id", account))
        for key, values in _KEYS.items():
            for value in values:
                path = f"/profiles/by-{key.replace('_', '-')}/{quote(value, safe='')}"
                await self._reading.one(path, _holder(key, value))
        await self._reading.batch({"ids": accounts, "handles": HANDLES, "emails": EMAILS, "external_ids": EXTERNALS})

    async def _groups(self) -> None:
        now = self._play.timeline.now
        for group in (*now.group_ids, *SLUGS, "NOBODYS"):
            await self._reading.one(f"/groups/{group}", _group(group))
        for group in (*now.groups, SLUGS[0]):
            await self._walk(Question("members", {}, 200, group)).finish()
            for account in (*now.accounts, NOBODY):
                await self._reading.one(f"/groups/{group}/members/{account}", _card(group, account))

    def _walk(self, question: Question) -> Walk:
        of = (
            question.of
            if isinstance(question.of, str)
            else self._play.id_of(question.of, "group" if question.kind == "members" else "account")
        )
        asked = self._play.resolved(question.asked)
        return walk(self._reading, question.kind, asked, limit=question.limit, of=of)


def _holder(key: str, value: str) -> Show:
    def show(state: State) -> Any:
        return next((due.record(state, id_) for id_ in due.holders(state, key, value)), None)

    return show


def _group(ref: str) -> Show:
    def show(state: State) -> Any:
        return due.group_record(state, group.id) if (group := group_of(state, ref)) else None

    return show


def _card(ref: str, account: str) -> Show:
    def show(state: State) -> Any:
        return due.card(state, group.id, account) if (group := group_of(state, ref)) else None

    return show


_KEYS: Mapping[str, tuple[str, ...]] = {"handle": HANDLES, "email": EMAILS, "external_id": EXTERNALS}
EVERYTHING = (
    Question("profiles", {"status": "any"}, 1),
    Question("profiles", {"status": "any", "sort": "-updated_at"}, 2),
    Question("profiles", {"status": "any", "q": "a"}, 2),
    Question("groups", {"sort": "-member_count"}, 1),
)

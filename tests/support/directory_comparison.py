"""
What the read API answers, compared with what the model says.

A projection may be behind, and a fan-out under way: then each document is to be as it was at one moment since the
position that the answer tells, and a list is to have everybody once who was in it at the same place ever since.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from tests.support import directory_views as due
from tests.support.directory_play import Play
from tests.support.directory_state import State, group_of
from tests.support.directory_steps import EMAILS, EXTERNALS, HANDLES, NOBODY, PROJECTIONS, SLUGS, Look, Question
from tests.support.directory_walks import Reading, Walk, walk

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

"""Erasing a person, and looking everywhere for what may be left of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec

from projector.audit.erasure.mails import kept_mails
from projector.audit.erasure.report import ErasureReport, SearchedPlace, SearchedPlaces
from projector.audit.erasure.search import PersonalSearch, values_of
from projector.audit.ports import DatabaseTraces, StoreTraces
from projector.store.generations import Survey
from projector.store.ports import ReadModel
from shared.errors import Unavailable
from shared.read_model.changes import ChangeBlock, ChangeItem
from shared.read_model.envelope import unseal
from shared.runtime.progress import Progress
from shared.runtime.retry import poll
from shared.wording import counted

FEED = ":changes:full"
"""How the key ends at which the blocks of the change feed are kept."""

NAMING = (":parked", ":answers")
"""
How the keys end at which an id may stand.

What is parked names documents by id, and what it was before is kept for one more commit. An answer of the bus says what
came of a message, as a repeated command is answered.
"""

PORTION = 1_000
"""Lines of a log that are searched together."""

T = TypeVar("T", bound=Sized)

Erase = Callable[[UUID], Awaitable[int]]
"""Has an account erased, and returns the position that reflects it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureLimits:
    """How long an erasure audit waits for the projector, in seconds."""

    patience: float = 60.0
    """For all generations to come to the erasure, and for those that leave to be removed."""
    pause: float = 0.2


class SearchedTexts(NamedTuple):
    """
    What stands somewhere, as texts.

    :param naming: those that name the account by one of the forms in which its id is written, and should not.
    """

    texts: Sequence[str]
    naming: Sequence[int]


class AccountNeverExisted(Exception):
    """No account ever had the id."""


@dataclass(eq=False, slots=True, kw_only=True)
class ErasureAudit:
    """
    Erases a person and looks for what is left.

    Once a person is erased nothing says what to look for, so their values are taken from the log before.

    :param stores: what is looked into besides, by the name of the server.
    :param models: of all projections, by name.
    :param logs: the files that the processes write.
    :param mails: the folder of mails, if there is any.
    :param progress: shows what is being done, and how many texts were read.
    """

    database: DatabaseTraces
    stores: Mapping[str, StoreTraces]
    models: Mapping[str, ReadModel]
    logs: Iterable[Path]
    mails: Path
    erase: Erase
    progress: Progress
    limits: ErasureLimits = field(default_factory=ErasureLimits)
    _read: int = field(default=0, init=False)

    async def run(self, account_id: UUID) -> ErasureReport:
        """
        Erase, unless that was done before, and look everywhere.

        :raises AccountNeverExisted: there is nothing to erase.
        :raises Unavailable: a server is away, or has something that may not be read: then nothing was erased.
        """
        # First: once a person is erased it is too late to find out that what is left may not be read.
        await self.database.require_readable()
        for store in self.stores.values():
            await store.require_readable()
        before, events = await self.database.erasure(account_id)
        if not events:
            raise AccountNeverExisted(f"no account ever had the id {account_id}")
        search = PersonalSearch(()) if before else await self._search(account_id)
        position = before or await self.erase(account_id)
        self.progress.say(f"erased at position {position}; waiting for all generations to come there")
        behind = await self._wait_for_generations(position)
        await self._wait_for_reactions(account_id, search)
        self.progress.say(f"looking for {counted(search.size, 'value')} and for the id")
        return ErasureReport(
            account_id=str(account_id),
            position=position,
            erased="before" if before else "now",
            sought=search.size,
            left_out=search.left_out,
            behind=behind,
            places=await self._searched(account_id, search),
        )

    async def _search(self, account_id: UUID) -> PersonalSearch:
        """Return what to look for; anew if more became known meanwhile, for reading the log takes minutes."""
        values = values_of(await self.database.events_about(account_id))
        while True:
            search, known = PersonalSearch(values), values
            self.progress.say(f"{counted(search.size, 'value')} to look for; leaving out what others have too")
            await search.leave_out_what_is_in(self._counted_each(self.database.events_about_others(account_id)))
            if (values := values_of(await self.database.events_about(account_id))) == known:
                return search

    async def _wait_for_generations(self, position: int) -> list[str]:
        """Wait for all generations, and name those that have not come far enough."""
        policy = poll(self.limits.pause, within=self.limits.patience)
        return await policy.until(lambda behind: not behind, lambda: self._behind(position))

    async def _behind(self, position: int) -> list[str]:
        surveys = {name: await model.survey() for name, model in self.models.items()}
        return [f"{name} {each}" for name, survey in surveys.items() for each in _behind(survey, position)]

    async def _wait_for_reactions(self, account_id: UUID, search: PersonalSearch) -> None:
        """Wait for `muster react` to forget mails and deliveries, where there are any; what is left is found later."""
        about = [each.path for each in kept_mails(self.mails) if each.is_about(account_id, search)]

        async def left() -> bool:
            return any(path.exists() for path in about) or await self.database.is_to_be_written_to(account_id)

        policy = poll(self.limits.pause, within=self.limits.patience)
        await policy.until(lambda left: not left, left)

    async def _searched(self, account_id: UUID, search: PersonalSearch) -> list[SearchedPlace]:
        places = SearchedPlaces(search)
        await self._search_database(account_id, places)
        for name, store in self.stores.items():
            await self._search_store(name, store, account_id, places)
        self._search_logs(places)
        self._search_mails(account_id, places)
        return places.sorted()

    async def _search_database(self, account_id: UUID, places: SearchedPlaces) -> None:
        async for place, texts in self.database.texts():
            places.search(f"postgresql {place}", self._counted(texts))
        async for place, found in self.database.mentions(account_id):
            places.note(f"postgresql {place}", checked=1, found=found, what=["account id"])
        left = await self.database.events_about(account_id)
        places.note("postgresql events not redacted", checked=1, found=len(left), what=["event"])

    async def _search_store(self, name: str, store: StoreTraces, account_id: UUID, places: SearchedPlaces) -> None:
        async for key, entries in store.contents():
            seen = _in_feed if key.endswith(FEED) else _as_stored
            texts, naming = seen(account_id, self._counted(entries))
            places.search(f"{name} {key}", texts, naming=() if key.endswith(NAMING) else naming)

    def _search_logs(self, places: SearchedPlaces) -> None:
        for path in self.logs:
            for lines in _lines(path):
                places.search(f"log {path.name}", self._counted(lines))

    def _search_mails(self, account_id: UUID, places: SearchedPlaces) -> None:
        """Search each mail, and name those in which something is left."""
        for mail in kept_mails(self.mails):
            place = f"mail {mail.path.name}" if mail.is_about(account_id, places.sought) else "mails"
            places.search(place, self._counted(mail.texts), naming=mail.naming(account_id))

    async def _counted_each(self, portions: AsyncIterator[T]) -> AsyncIterator[T]:
        async for portion in portions:
            yield self._counted(portion)

    def _counted(self, portion: T) -> T:
        """Return the same, having shown how much was read."""
        self._read += len(portion)
        self.progress.show(self._read)
        return portion


def _behind(survey: Survey, position: int) -> Iterator[str]:
    for pointer in survey.fed:
        checkpoint = survey.at(pointer).checkpoint
        if checkpoint is None or checkpoint.position < position or checkpoint.fan_outs:
            yield pointer.generation
    yield from (each.pointer.generation for each in survey.roster.leaving)


def _as_stored(account_id: UUID, entries: Sequence[bytes]) -> SearchedTexts:
    text, raw = str(account_id).encode(), account_id.bytes
    naming = [nth for nth, entry in enumerate(entries) if text in entry or raw in entry]
    return SearchedTexts([each.decode("utf-8", "replace") for each in entries], naming)


def _in_feed(account_id: UUID, entries: Sequence[bytes]) -> SearchedTexts:
    """Unpack blocks of the change feed, which goes on saying that the account was erased."""
    blocks = [_unpacked(entry) for entry in entries]
    naming = [nth for nth, items in enumerate(blocks) if any(each.still_names(account_id.bytes) for each in items)]
    texts = [" ".join(name for each in items for name in (each.type, *each.changed)) for items in blocks]
    return SearchedTexts(texts, naming)


def _unpacked(entry: bytes) -> Sequence[ChangeItem]:
    """:raises Unavailable: it is no block."""
    try:
        return msgspec.json.decode(unseal(entry.partition(b"\0")[2]).body, type=ChangeBlock).unpacked()
    except (ValueError, msgspec.MsgspecError) as error:
        raise Unavailable(f"a block of the change feed cannot be read ({type(error).__name__})") from error


def _lines(path: Path) -> Iterator[Sequence[str]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        while lines := list(islice(file, PORTION)):
            yield lines

"""`muster import --dry-run`: what would be refused, line by line; nothing is posted."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import httpx
import msgspec

from shared.cli.api_client import READ_API, ApiFailed, not_let_in, refused
from shared.cli.exit_codes import DONE, FAILED
from shared.cli.output import print_result
from shared.client.lines import Chunk, Line
from shared.client.run import failure
from shared.client.sender import LineResult, WrongField
from shared.problems import Refusal
from shared.runtime.progress import Progress
from shared.text import unique_email, unique_external_id, unique_handle
from shared.wording import counted
from write_side.domain.errors import EmailTaken, ExternalIdTaken, HandleTaken
from write_side.execution.messages import read_message
from write_side.execution.refusals import refusal_of
from write_side.use_cases.register_account import RegisterAccount


class _UniqueKey(NamedTuple):
    """A key that one account alone may have: its field, its name in a batch-get, its form, and who has it already."""

    field: str
    asked: str
    unique: Any
    taken: type[Exception]


KINDS = (
    _UniqueKey("handle", "handles", unique_handle, HandleTaken),
    _UniqueKey("email", "emails", unique_email, EmailTaken),
    _UniqueKey("external_id", "external_ids", unique_external_id, ExternalIdTaken),
)


class _Missing(msgspec.Struct):
    missing: dict[str, list[str]]


class DryRunResult(msgspec.Struct, frozen=True, kw_only=True):
    """How many lines there are, and how many of them would be refused."""

    lines: int
    refused: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{counted(self.lines, 'line')} in {self.seconds:.1f} s: {self.lines - self.refused:,} would be applied, "
            f"{self.refused:,} refused; nothing was posted"
        )


class DryRun:
    """
    Takes commands in place of the write API, and says what that would say of each.

    It checks every field, and that no other line and nobody in the directory has the handle, address or external id of
    a registration. What depends on other commands is not known: whether an account is closed, or a handle is free by
    then.

    :param client: of the read API.
    """

    def __init__(self, client: httpx.Client, *, as_json: bool) -> None:
        self._client, self._as_json = client, as_json
        self._lines: dict[tuple[str, str], int] = {}

    def post(self, chunks: Iterable[Chunk], *, progress: Progress) -> int:
        """
        Check everything, print how many would be refused, and return the exit status.

        :raises ApiFailed: the read API does not answer.
        """
        began, lines, refused = time.monotonic(), 0, 0
        with progress:
            for chunk in chunks:
                for line, refusal in self._checked(chunk):
                    lines += 1
                    if refusal is not None:
                        refused += 1
                        progress.say(failure(line, _result(refusal)))
                    progress.show(lines, reached=line.reached)
        outcome = DryRunResult(lines=lines, refused=refused, seconds=round(time.monotonic() - began, 3))
        print_result(outcome, outcome, as_json=self._as_json)
        return FAILED if refused else DONE

    def _checked(self, chunk: Chunk) -> Iterator[tuple[Line, Refusal | None]]:
        read = [(line, *_read(line)) for line in chunk]
        taken = self._taken([keys for _, keys, _ in read if keys])
        for line, keys, refusal in read:
            yield line, refusal or self._refusal(line, keys, taken)

    def _refusal(self, line: Line, keys: Mapping[str, str], taken: Mapping[str, set[str]]) -> Refusal | None:
        for kind in KINDS:
            key = keys.get(kind.field)
            if key is None:
                continue
            first = self._lines.setdefault((kind.field, key), line.number)
            if first != line.number:
                return _taken(kind, f"line {first} has it already")
            if key in taken[kind.field]:
                return _taken(kind, "an account in the directory has it")
        return None

    def _taken(self, registrations: Sequence[Mapping[str, str]]) -> Mapping[str, set[str]]:
        """Ask which keys accounts have; those of a kind in a chunk are fewer than a batch may have."""
        taken: dict[str, set[str]] = {}
        for kind in KINDS:
            keys = {each[kind.field] for each in registrations if kind.field in each}
            missing = self._missing({kind.asked: sorted(keys)}).get(kind.asked, ()) if keys else ()
            taken[kind.field] = keys.difference(missing)
        return taken

    def _missing(self, asked: Mapping[str, Sequence[str]]) -> Mapping[str, list[str]]:
        try:
            response = self._client.post("/profiles/batch-get", json=asked)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ApiFailed(f"the read API, which is asked who is there, does not answer ({reason})") from error
        if response.status_code in {401, 403}:
            raise not_let_in(response)
        if not response.is_success:
            raise refused(READ_API, response)
        return msgspec.json.decode(response.content, type=_Missing).missing


def _read(line: Line) -> tuple[Mapping[str, str], Refusal | None]:
    """Return the unique keys of a registration, and why the line would be refused by itself."""
    try:
        command = read_message(line.body, note=lambda _: None).command
    except Refusal as refusal:
        return {}, refusal
    if not isinstance(command, RegisterAccount):
        return {}, None
    written = {kind: getattr(command, kind.field) for kind in KINDS}
    return {kind.field: kind.unique(str(text)) for kind, text in written.items() if text is not None}, None


def _taken(kind: _UniqueKey, why: str) -> Refusal:
    return Refusal(refusal_of(kind.taken()).problem, why)


def _result(refusal: Refusal) -> LineResult:
    problem = refusal.problem
    errors = tuple(WrongField(each.pointer, each.detail) for each in refusal.errors)
    return LineResult(problem.status, type=problem.type, title=problem.title, detail=refusal.detail, errors=errors)

"""A table (CSV) whose rows are registrations, read as the commands that `muster import` posts."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice, zip_longest
from typing import Any, NamedTuple

import msgspec

from shared.cli.exit_codes import WrongUsage
from shared.client.lines import Source
from shared.wording import suggestion
from write_side.cli.fields import CommandField, fields_of
from write_side.use_cases import USE_CASES

REGISTER = next(each for each in USE_CASES if each.name == "register-account")
FIELDS: Mapping[str, CommandField] = fields_of(REGISTER)
SEPARATORS = (",", ";", "\t")
MARKED = ("'=", "'+", "'-", "'@", "'\t", "'\r")
"""What a cell begins with that `muster export` has marked as text, for spreadsheets."""

ROWS = 200

_encode = msgspec.json.Encoder().encode


class Column(NamedTuple):
    """
    Where the cells of a column go.

    :param field: of the registration; None for a column that is left out.
    :param label: the name in a field that has several, such as `office` of `attributes.office`.
    """

    title: str
    field: CommandField | None
    label: str


class Table:
    """
    A source of commands with a line for each line of the table, blank where no row begins.

    So the numbers of lines are those of the table, though cells may have several lines.

    :param fields: the field, or `field.label`, of columns that are not called like it; empty to leave one out.
    :raises WrongUsage: it is no table in UTF-8, a field is unknown, or one that is needed has no column.
    """

    def __init__(self, source: Source, fields: Mapping[str, str]) -> None:
        text = io.TextIOWrapper(io.BufferedReader(_RawSource(source)), encoding="utf-8-sig", newline="")
        first = _first_line(text)
        self._reader = csv.reader(chain([first], text), delimiter=_separator(first), strict=True)
        self._columns = _columns(next(self._reader, []), fields)
        self._commands = self._read()

    @property
    def left_out(self) -> Sequence[str]:
        """The columns that go nowhere."""
        return [column.title for column in self._columns if column.field is None]

    def read1(self, _: int, /) -> bytes:
        return b"".join(islice(self._commands, ROWS))

    def _read(self) -> Iterator[bytes]:
        reader = self._reader
        yield b"\n" * reader.line_num
        while True:
            line = reader.line_num
            try:
                row = next(reader, None)
            except (csv.Error, UnicodeDecodeError) as error:
                raise WrongUsage(f"line {line + 1} of the table cannot be read: {error}") from error
            if row is None:
                return
            yield (self._command(row) if any(row) else b"") + b"\n" * (reader.line_num - line)

    def _command(self, row: Sequence[str]) -> bytes:
        command: dict[str, Any] = {"command": REGISTER.name}
        for nth, (column, cell) in enumerate(zip_longest(self._columns, row, fillvalue=None), start=1):
            if column is None:
                command[f"column {nth}"] = (
                    cell  # refused as any field that is unknown, so it is not lost without a word
                )
            elif column.field is not None and cell:
                _put(command, column, cell[1:] if cell.startswith(MARKED) else cell)
        return _encode(command)


def _first_line(text: io.TextIOWrapper) -> str:
    try:
        return text.readline()
    except UnicodeDecodeError as error:
        raise WrongUsage("the table is not in UTF-8: pipe it through `iconv -f WINDOWS-1252 -t UTF-8`") from error


def _separator(header: str) -> str:
    return max(SEPARATORS, key=header.count)


def _columns(titles: Sequence[str], fields: Mapping[str, str]) -> Sequence[Column]:
    if unknown := fields.keys() - set(titles):
        raise WrongUsage(f"the table has no column {min(unknown)!r}: it has {', '.join(titles)}")
    columns = [_column(title, fields.get(title)) for title in titles]
    _require_one_for_each(Counter((column.field.name, column.label) for column in columns if column.field))
    return columns


def _require_one_for_each(filled: Counter[tuple[str, str]]) -> None:
    """:raises WrongUsage: a field that is needed has no column, or one has several."""
    names = {name for name, _ in filled}
    if missing := [field.name for field in FIELDS.values() if field.is_required and field.name not in names]:
        hint = ", ".join(f"--map COLUMN={name}" for name in missing)
        raise WrongUsage(f"no column is called {' or '.join(missing)}: say which it is with {hint}")
    if twice := [".".join(filter(None, target)) for target, count in filled.items() if count > 1]:
        raise WrongUsage(f"several columns go to {', '.join(twice)}: leave all but one out with --map COLUMN=")


def _column(title: str, given: str | None) -> Column:
    """Find where a column goes: as it is said, else by its title, in whatever case and with whatever between words."""
    name, _, label = (_as_field(title) if given is None else given).partition(".")
    if given and name not in FIELDS:
        raise WrongUsage(f"--map {title}={given}: a registration has no field {name!r}: {suggestion(name, FIELDS)}")
    field = FIELDS.get(name)
    if field and label and field.shape != "map":
        raise WrongUsage(f"--map {title}={given}: {name} is one value: leave {label!r} out")
    return Column(title, field, label)


def _as_field(title: str) -> str:
    name, dot, label = title.strip().partition(".")
    return f"{name.casefold().replace(' ', '_').replace('-', '_')}{dot}{label}"


def _put(command: dict[str, Any], column: Column, cell: str) -> None:
    assert column.field is not None  # noqa: S101 - others are left out
    name, shape = column.field.name, column.field.shape
    if column.label:
        command.setdefault(name, {})[column.label] = cell
    elif shape == "list" and not cell.startswith("["):
        command[name] = [each.strip() for each in cell.split(";") if each.strip()]
    elif shape == "text":
        command[name] = cell
    else:
        command[name] = _json(cell)


def _json(cell: str) -> Any:
    """Read JSON; what is none stays as it is, for the write API to say what it should be."""
    try:
        return msgspec.json.decode(cell)
    except msgspec.DecodeError:
        return cell


class _RawSource(io.RawIOBase):
    """A source as Python's own readers take it."""

    def __init__(self, source: Source) -> None:
        self._source, self._held = source, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        block = self._held or self._source.read1(len(buffer))
        self._held = block[len(buffer) :]
        taken = block[: len(buffer)]
        buffer[: len(taken)] = taken
        return len(taken)

"""What a shell completes in `muster run`: fields, and the accounts, groups and time zones that they name."""

from collections.abc import Iterable
from typing import Any

from shared.cli.references import Complete, accounts, groups
from write_side.cli.fields import CommandField, fields_of
from write_side.domain.references import AccountRef, GroupRef
from write_side.domain.values import TimeZone
from write_side.use_cases import UseCase


def complete_fields(use_case: UseCase) -> Complete:
    """Return what completes the fields of a command, for cyclopts."""

    def complete(context: Any) -> Iterable[str]:
        begun, before = str(context.incomplete), [token.value for token in context.argument.tokens][-2:]
        return [each for each in _candidates(fields_of(use_case), begun, before) if each.startswith(begun)]

    return complete


def _candidates(fields: dict[str, CommandField], begun: str, before: list[str]) -> Iterable[str]:
    name, is_value, text = begun.partition("=")
    if is_value and name in fields:
        return [f"{name}={value}" for value in _values(fields[name], text)]
    if before[1:] == ["="] and before[0] in fields:  # bash takes a word apart where it has a "="
        return _values(fields[before[0]], begun)
    return [f"{each}." if field.shape == "map" else f"{each}=" for each, field in fields.items()]


def _values(field: CommandField, begun: str) -> Iterable[str]:
    if field.kind is AccountRef:
        return accounts(begun)
    if field.kind is GroupRef:
        return groups(begun)
    if field.kind is TimeZone:
        from zoneinfo import available_timezones  # noqa: PLC0415 - it reads a directory

        return sorted(available_timezones())
    return ()

"""The fields of a command as a shell writes them: `name=value`, in lists `tags=a,b`, in maps `links.home=value`."""

from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, Union, get_args, get_origin
from uuid import UUID

import msgspec

from shared.cli.exit_codes import WrongUsage
from shared.wording import suggestion
from write_side.domain.values import Text
from write_side.use_cases import UseCase

Shape: TypeAlias = Literal["text", "list", "map", "json"]

NONE = "null"


class CommandField(NamedTuple):
    """
    A field of a command.

    :param kind: the value itself, or those in a list or a map.
    """

    name: str
    shape: Shape
    kind: type[Any]
    is_required: bool
    can_be_none: bool

    @property
    def usage(self) -> str:
        """How it is written."""
        return {"list": f"{self.name}=A,B", "map": f"{self.name}.NAME=VALUE"}.get(self.shape, f"{self.name}=VALUE")

    @property
    def help(self) -> str:
        """What it has to be."""
        rule = _rule(self.kind)
        return f"{rule}; needed" if self.is_required else f"{rule}; null for none" if self.can_be_none else rule


def fields_of(use_case: UseCase) -> dict[str, CommandField]:
    """Return the fields of a command by name, in their order."""
    return {field.encode_name: _field(field) for field in msgspec.structs.fields(use_case.command)}


def written(use_case: UseCase, words: Iterable[str]) -> dict[str, Any]:
    """
    Return the fields that are written, as JSON has them.

    :raises WrongUsage: one is no field of the command, is written in another way or twice, or is missing.
    """
    known, given = fields_of(use_case), dict[str, Any]()
    for word in words:
        name, is_field, text = word.partition("=")
        base, _, label = name.partition(".")
        if not is_field:
            raise WrongUsage(f"{word!r} is no field: write field=value, or - to read a JSON object from stdin")
        if base not in known:
            raise WrongUsage(f"{use_case.name} has no field {base!r}: {suggestion(base, known)}")
        _put(given, known[base], label, text)
    return given


def require_all(use_case: UseCase, given: dict[str, Any]) -> None:
    """:raises WrongUsage: a field is unknown, or one that is needed is missing."""
    known = fields_of(use_case)
    for name in given:
        if name not in known:
            raise WrongUsage(f"{use_case.name} has no field {name!r}: {suggestion(name, known)}")
    missing = [field.usage for field in known.values() if field.is_required and field.name not in given]
    if missing:
        raise WrongUsage(f"{use_case.name} needs {' '.join(missing)} as well: see --help")


def _rule(kind: type[Any]) -> str:
    rule = str(getattr(kind, "rule", ""))
    if issubclass(kind, Text) and rule == Text.rule:
        return f"text of {kind.shortest} to {kind.longest} characters, such as {kind.examples[0]}"
    return rule.removeprefix("must be ") or ("an id" if kind is UUID else "JSON")


def _put(given: dict[str, Any], field: CommandField, label: str, text: str) -> None:
    value, before = _value(field, label, text), given.get(field.name)
    if label and field.shape == "map" and (before is None or isinstance(before, dict)):
        given[field.name] = {**(before or {}), label: value}
    elif isinstance(before, list) and isinstance(value, list):
        before.extend(value)
    elif label or field.name in given:
        raise WrongUsage(f"{field.name} is written twice, or in parts: write {field.usage}")
    else:
        given[field.name] = value


def _value(field: CommandField, label: str, text: str) -> Any:
    if text == NONE and field.can_be_none and not label:
        return None
    if field.shape == "text" or label:
        return text
    if field.shape == "list" and not text.startswith("["):
        return text.split(",") if text else []
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise WrongUsage(f"{field.name} is neither JSON nor written as {field.usage}: {error}") from error


def _field(field: msgspec.structs.FieldInfo) -> CommandField:
    kinds = set(_kinds(field.type))
    shape, kind = _shape(kinds - {NoneType, msgspec.UnsetType})
    return CommandField(field.encode_name, shape, kind, field.required, NoneType in kinds)


def _kinds(hint: Any) -> Iterator[Any]:
    """Yield what a value may be, out of unions and annotations."""
    origin = get_origin(hint)
    if origin is Annotated:
        yield from _kinds(get_args(hint)[0])
    elif origin in {Union, UnionType}:
        for each in get_args(hint):
            yield from _kinds(each)
    else:
        yield hint


def _shape(kinds: set[Any]) -> tuple[Shape, Any]:
    kind = min(kinds, key=str)
    origin = get_origin(kind)
    if origin is dict:
        return "map", get_args(kind)[1]
    if origin in {tuple, list}:
        return "list", get_args(kind)[0]
    return ("json" if kind in {int, float, bool} else "text"), kind

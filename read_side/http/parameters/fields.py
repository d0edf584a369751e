"""`fields=handle,title`: only some fields of each record, cut out of its JSON as it is stored."""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, get_args

import msgspec
from litestar.types import Scope
from msgspec import Meta

from read_side.http.parameters.conditions import wanted_position
from read_side.views import Variant
from shared.auth.principal import PRIVATE
from shared.http.middleware.auth import require_scope
from shared.http.openapi.document import Parameter
from shared.http.parsing.parameters import Malformed, Parameters
from shared.http.requests import header

NAME = "fields"

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Selection(msgspec.Struct, frozen=True):
    """Fields of a record."""

    names: frozenset[str]

    def cut(self, body: bytes) -> bytes:
        """The JSON of a record with these fields alone, which stay as they are."""
        return _encode({name: value for name, value in _decode(body).items() if name in self.names})


@dataclass(frozen=True)
class RecordFields:
    """
    The fields that an answer's records have.

    :param record: as everything about it may be seen.
    :param public: as callers without the private scope may see it, if that is less.
    """

    record: type[msgspec.Struct]
    public: type[msgspec.Struct] | None = None

    @classmethod
    def of_answer(cls, answer: type[msgspec.Struct], public: type[msgspec.Struct] | None) -> "RecordFields":
        """Those of a record, or of the records in a page."""
        hints = {field.name: field.type for field in msgspec.structs.fields(answer)}
        items = get_args(hints.get("items", hints.get("found")))
        return cls(items[0] if items else answer, public)

    @cached_property
    def id(self) -> tuple[str, ...]:
        """The field that is always there; only what there is one of has none."""
        first = self.record.__struct_fields__[0]
        return (first,) if first.endswith("_id") else ()

    @cached_property
    def parameter(self) -> Parameter:
        name, names = f"{self.record.__name__}Field", self.record.__struct_fields__
        choice: Any = Enum(name, {each: each for each in names})  # type: ignore[misc] # it is made when the program runs
        id_too = f", and the `{self.id[0]}`" if self.id else ""
        return Parameter(
            name=NAME,
            place="query",
            type=Annotated[tuple[choice, ...], Meta(min_length=1)],
            text=f"Answer with only these fields of each record{id_too}; with commas in between.",
            explode=False,
        )

    def wanted(self, scope: Scope, variant: Variant) -> tuple[int, Selection | None]:
        """
        Return the position that an answer must have reached for which nothing else can be parameters, and its fields.

        :raises Rejection: 422, one is none, or the query says something else; 403, a field is for others.
        """
        if not scope["query_string"] and header(scope, b"muster-min-position") is None:
            return 0, None
        parameters = Parameters(scope)
        minimum, selection = wanted_position(parameters), self.selection(parameters)
        parameters.require_valid()
        self.require_visible(selection, scope, variant)
        return minimum, selection

    def selection(self, parameters: Parameters) -> Selection | None:
        """Take the fields from the parameters of a request; None stands for all."""
        named = parameters.many(NAME, self._names, most=len(self.record.__struct_fields__))
        return Selection(frozenset(self.id).union(*named)) if named else None

    def require_visible(self, selection: Selection | None, scope: Scope, variant: Variant) -> None:
        """:raises Rejection: 403, the caller may not see one of them."""
        visible = self.public if self.public and variant == "public" else self.record
        if selection and not selection.names <= set(visible.__struct_fields__):
            require_scope(scope, PRIVATE)

    def _names(self, text: str) -> tuple[str, ...]:
        names, known = tuple(text.split(",")), self.record.__struct_fields__
        if unknown := [name for name in names if name not in known]:
            raise Malformed(f"{unknown[0]!r} is none of {', '.join(known)}")
        return names

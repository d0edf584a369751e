"""How commands end, and how streams say it."""

from typing import Any, Self, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from shared.problems import FieldError, Refusal
from write_side.ports import Answer

Ending: TypeAlias = Answer | Refusal


class StreamedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """
    The answer to one message of many: its outcome if it was carried out, else what a problem says.

    :param line: of the message, where messages are lines.
    :param detail: the problem's sentence, where the answer is not kept: it may quote people's data.
    """

    line: int | UnsetType = UNSET
    status: int
    id: UUID | UnsetType = UNSET
    version: int | UnsetType = UNSET
    position: int | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET
    type: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    errors: tuple[FieldError, ...] | UnsetType = UNSET

    @classmethod
    def of(cls, ending: Ending, **more: Any) -> Self:
        """:param more: which only some streams say."""
        if isinstance(ending, Answer):
            id_, version, position = msgspec.structs.astuple(ending.outcome)
            return cls(status=200, id=id_, version=version, position=position, replayed=ending.replayed, **more)
        problem, errors = ending.problem, ending.errors or UNSET
        return cls(status=problem.status, type=problem.type, title=problem.title, errors=errors, **more)

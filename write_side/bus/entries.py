"""What stands in the streams of the bus: messages, answers and dead letters."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from shared.problems import INTERNAL_ERROR, FieldError, Refusal
from shared.redis.cluster import BUS_TAG
from write_side.execution.endings import Ending, StreamedAnswer
from write_side.ports import Answer

GROUP = "muster"
"""The consumer group of every shard."""

ANSWERS = f"muster:{{{BUS_TAG}}}:answers"
DEAD_LETTERS = f"muster:{{{BUS_TAG}}}:dead-letters"

_encode = msgspec.json.Encoder().encode


def commands(shard: int) -> str:
    """Name the stream of a shard."""
    return f"muster:{{{BUS_TAG}}}:commands:{shard}"


KILLS_CONSUMERS = msgspec.structs.replace(INTERNAL_ERROR, title="Consumers ended whenever they carried it out")


class Poison(Refusal):
    """A message that is no command, or that cannot be carried out, and never will be."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.problem, refusal.detail, errors=refusal.errors)


class Message(NamedTuple):
    """
    An entry of a shard.

    :param id: as Redis has it, unique in its shard.
    :param body: a line as `POST /commands` takes it.
    :param deaths: how many consumers ended that had taken it.
    """

    shard: int
    id: str
    body: bytes
    traceparent: str | None
    deaths: int = 0

    @property
    def key(self) -> str:
        """The idempotency key of a message that brings none."""
        return f"{self.shard}:{self.id}"

    @classmethod
    def of(cls, shard: int, id: bytes, entry: Sequence[bytes], deaths: int) -> "Message":
        """:param entry: its fields and their values in turn."""
        fields = dict(zip(entry[::2], entry[1::2], strict=True))
        trace = fields.get(b"traceparent")
        body = fields.get(b"command", b"")
        return cls(shard, id.decode(), body, trace.decode("latin-1") if trace else None, deaths)


class DeadLetter(msgspec.Struct, frozen=True):
    """Why a message was no command. Without its content, which may be about people: its sender has it."""

    type: str
    title: str
    bytes: int
    errors: tuple[FieldError, ...] = ()


class SettledMessage(NamedTuple):
    """
    A message with what is written as it goes.

    :param kind: applied, replayed, refused or poison.
    :param dead: its dead letter; empty if it was a command.
    """

    message: Message
    kind: str
    answer: bytes
    dead: bytes


def settled(message: Message, ending: Ending) -> SettledMessage:
    """Say how a message ended, without the sentence that HTTP answers: it may quote people's data, and this is kept."""
    answer = _encode(StreamedAnswer.of(ending))
    if isinstance(ending, Answer):
        return SettledMessage(message, "replayed" if ending.replayed else "applied", answer, b"")
    problem = ending.problem
    if isinstance(ending, Poison):
        dead = DeadLetter(problem.type, problem.title, len(message.body), ending.errors)
        return SettledMessage(message, "poison", answer, _encode(dead))
    return SettledMessage(message, "refused", answer, b"")

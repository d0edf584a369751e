"""A way in beside HTTP: a queue of messages in memory, which needs nothing but the execution layer."""

from typing import Any, NamedTuple

import msgspec
import pytest

from shared.auth.principal import Principal
from shared.ids import TimeOrderedIds
from shared.problems import INVALID, Refusal
from tests.support.clock import SettableClock
from tests.support.measures import counts, named
from tests.support.write_side import ANDRE
from write_side.adapters.memory import MemoryDatabase, MemoryTokenKey, MemoryUnitsOfWork
from write_side.domain.values import parse_value
from write_side.execution.executor import CommandExecutor
from write_side.execution.invocation import Channel, Invocation
from write_side.execution.limits import ExecutionLimits
from write_side.execution.observation import observed
from write_side.use_cases import USE_CASES

QUEUE = Channel("queue")
BY_NAME = {use_case.name: use_case for use_case in USE_CASES}


class Message(NamedTuple):
    id: str
    command: str
    fields: dict[str, Any]
    sender: str = "a-program"
    traceparent: str | None = None


class QueueConsumer:
    """Message → Invocation, Answer or Refusal → reply; nothing else."""

    def __init__(self, executor: CommandExecutor) -> None:
        self._executor = executor

    async def reply(self, message: Message) -> tuple[Any, ...]:
        try:
            with observed(QUEUE, traceparent=message.traceparent) as observation:
                answer = await self._executor.execute(self._invocation(message), observation)
        except Refusal as refusal:
            return "refused", refusal.problem.name, refusal.retry_after
        return "replayed" if answer.replayed else "done", answer.outcome.version, answer.outcome.position

    def _invocation(self, message: Message) -> Invocation:
        use_case = BY_NAME[message.command]
        try:
            command = msgspec.convert(message.fields, use_case.command, dec_hook=parse_value)
        except msgspec.ValidationError as error:
            raise Refusal(INVALID, str(error)) from error
        return Invocation(
            use_case=use_case,
            command=command,
            principal=Principal(message.sender, frozenset()),
            channel=QUEUE,
            key=message.id,
            correlation=message.id,
            traceparent=message.traceparent,
        )


@pytest.fixture
def store():
    return MemoryDatabase(clock=SettableClock())


@pytest.fixture
def executor(store):
    limits = ExecutionLimits()
    return CommandExecutor(
        units=MemoryUnitsOfWork(store),
        clock=store.clock,
        ids=TimeOrderedIds(),
        token_key=MemoryTokenKey(),
        limits=limits,
    )


@pytest.fixture
def consumer(executor):
    return QueueConsumer(executor)


async def test_a_message_is_carried_out_once(consumer, store):
    """Its id is the idempotency key, so that a message that is delivered again changes nothing."""
    message = Message("m-1", "register-account", ANDRE)

    replies = [await consumer.reply(message) for _ in range(2)]

    assert replies == [("done", 1, 2), ("replayed", 1, 2)]
    assert [(event.metadata.actor, event.metadata.correlation) for event in store.log.events] == [
        ("a-program", "m-1")
    ] * 2


async def test_a_refusal_carries_its_problem(consumer, store):
    """With the time after which to come again, where that helps."""
    await consumer.reply(Message("m-1", "register-account", ANDRE))

    taken = await consumer.reply(Message("m-2", "register-account", ANDRE))
    malformed = await consumer.reply(Message("m-3", "register-account", {"email": "nonsense"}))
    store.available = False
    away = await consumer.reply(Message("m-4", "register-account", ANDRE))

    assert taken == ("refused", "email-taken", None)
    assert malformed == ("refused", "invalid", None)
    assert away == ("refused", "storage-unavailable", 1)


async def test_messages_are_counted_and_traced_by_their_channel(consumer, spans):
    """As are those that hold no command that could be read."""
    message = Message("m-1", "register-account", ANDRE)

    with counts("muster_commands_total", 1, command="register-account", outcome="done"):
        await consumer.reply(message)
    with counts("muster_commands_total", 1, command="unknown", outcome="invalid"):
        await consumer.reply(message._replace(fields={}))

    [span] = named(spans, "register-account")
    assert (span.attributes["muster.channel"], span.attributes["muster.status"]) == ("queue", 200)
    assert not [name for name in span.attributes if name.startswith("http.")]


async def test_an_adapter_that_reads_nothing_by_itself_only_executes(executor, spans):
    """Then the observation is the executor's own, and it goes on with the client's trace."""
    sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    use_case = BY_NAME["register-account"]
    invocation = Invocation(
        use_case=use_case,
        command=msgspec.convert(ANDRE, use_case.command, dec_hook=parse_value),
        principal=Principal("a-program", frozenset()),
        channel=QUEUE,
        traceparent=sent,
    )

    with counts("muster_commands_total", 1, command="register-account", outcome="done"):
        await executor.execute(invocation)
    with counts("muster_commands_total", 1, command="register-account", outcome="email-taken"), pytest.raises(Refusal):
        await executor.execute(invocation)

    assert {f"{span.context.trace_id:032x}" for span in named(spans, "register-account")} == {sent[3:35]}

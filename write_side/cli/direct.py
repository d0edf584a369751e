"""A command carried out in this process, with the database."""

import svcs

from shared.auth.principal import COMMANDS, Principal
from shared.settings import Settings
from write_side.execution.executor import CommandExecutor
from write_side.execution.invocation import Channel, Invocation
from write_side.execution.messages import CommandMessage
from write_side.ports import Outcome
from write_side.services import register_postgres_of

CHANNEL = Channel("cli")
OPERATOR = Principal("operator", frozenset({COMMANDS}), is_limited=False)


async def carry_out(message: CommandMessage, settings: Settings) -> Outcome:
    """:raises Refusal: the command is not carried out."""
    async with svcs.Registry() as registry, svcs.Container(registry) as services:
        register_postgres_of(settings, registry)
        answer = await services.get(CommandExecutor).execute(
            Invocation(
                use_case=message.use_case,
                command=message.command,
                principal=OPERATOR,
                channel=CHANNEL,
                key=message.key,
                expected_version=message.expected_version,
            )
        )
    return answer.outcome

"""A use case as the generic adapters see it: HTTP, the stream of commands and the command line are derived from it."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from write_side.ports import Outcome
from write_side.use_cases.command import Command

Run = Callable[..., Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class UseCase:
    """A command's name, its type and the function that carries it out with the ports it asks for by keyword."""

    name: str
    command: type[Command]
    run: Run
    ports: frozenset[str]

    @property
    def summary(self) -> str:
        return inspect.getdoc(self.command) or self.name


def use_case(run: Run) -> UseCase:
    """Read name, command and ports off the function."""
    command, *ports = inspect.signature(run).parameters.values()
    command_type: Any = command.annotation
    return UseCase(run.__name__.replace("_", "-"), command_type, run, frozenset(port.name for port in ports))

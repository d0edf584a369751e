"""A use case as the generic adapters see it: HTTP, the stream of commands and the command line are derived from it."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from write_side.ports import Outcome
from write_side.use_cases.command import Command

Run = Callable[..., Awaitable[Outcome]]
R = TypeVar("R", bound=Run)


@dataclass(frozen=True, slots=True)
class UseCase:
    """A command's name, its type and the function that carries it out with the ports it asks for by keyword."""

    name: str
    command: type[Command]
    run: Run
    ports: frozenset[str]
    errors: frozenset[type[Exception]]
    """The rules of which it may find one broken."""

    @property
    def summary(self) -> str:
        return inspect.getdoc(self.command) or self.name


def raises(*errors: type[Exception]) -> Callable[[R], R]:
    """Say of a use case which rules it may find broken."""

    def mark(run: R) -> R:
        run.__dict__["errors"] = frozenset(errors)
        return run

    return mark


def use_case(run: Run) -> UseCase:
    """Read name, command, ports and errors off the function."""
    command, *ports = inspect.signature(run).parameters.values()
    command_type: Any = command.annotation
    return UseCase(
        run.__name__.replace("_", "-"),
        command_type,
        run,
        frozenset(port.name for port in ports),
        run.__dict__.get("errors", frozenset()),
    )

"""Transactions, and what ends them otherwise than by an outcome."""

from collections.abc import Callable
from typing import Protocol, Self

from write_side.domain.aggregate import Aggregate
from write_side.ports.commands import Answer, CommandContext, Outcome
from write_side.ports.repositories import Accounts, Groups, Memberships, Profiles


class NotYet(Exception):
    """The command must be carried out again, once those before it in its window are settled; nothing was stored."""


class AlreadyDone(Exception):
    """The key has an outcome already; nothing is done twice."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"The outcome is {answer.outcome}")
        self.answer = answer


class RunAgain(Exception):
    """
    The use case has to be run again, under another unit of work; nothing was stored, and no input was wrong.

    :param under: makes that unit of work.
    """

    def __init__(self, under: "Callable[[CommandContext], UnitOfWork]") -> None:
        super().__init__("The use case has to be run again")
        self.under = under


class UnitOfWork(Protocol):
    """One transaction: aggregates, their events and the command's outcome are stored together or not at all."""

    @property
    def accounts(self) -> Accounts: ...

    @property
    def profiles(self) -> Profiles: ...

    @property
    def groups(self) -> Groups: ...

    @property
    def memberships(self) -> Memberships: ...

    async def __aenter__(self) -> Self:
        """
        Begin. The command's key is claimed before anything is read or stored.

        By the first look into a repository, or by commit, at the latest:

        :raises AlreadyDone: the same command was carried out under this key.
        :raises IdempotencyMismatch: another command was.
        """

    async def __aexit__(self, *_: object) -> None:
        """Roll back, unless it was committed."""

    async def commit(self, of: Aggregate) -> Outcome:
        """
        Store what changed, append its events to the log and keep the outcome under the command's key.

        :returns: id and version of `of`, and the position of the last event appended (of its last one if none was).
        :raises VersionMismatch: the caller expected another version of `of`.
        :raises Conflict: something that must be unique is taken: the subclass says what.
        :raises StaleAggregate: an aggregate changed since it was read.
        :raises OutcomeUnknown: the connection was lost after COMMIT was sent; ask the key.
        """


class UnitsOfWork(Protocol):
    """
    A source of units of work. Everything in them can raise `Unavailable`, `Contention`, `RunAgain` or `NotYet`.

    :ivar keep_order: whether the units of work of a window may be under way at once.
    """

    keep_order: bool

    def under(self, context: CommandContext) -> UnitOfWork:
        """A unit of work for one command."""

    async def answer_to(self, context: CommandContext) -> Answer | None:
        """
        Return what was done under the key of a command, and whether for another request; None: certainly nothing.

        Waits for a transaction that holds the key.

        :raises IdempotencyMismatch: the key was used for another command.
        :raises Unavailable: it cannot be asked for now.
        """

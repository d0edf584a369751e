"""Commands that are kept, and answered as is said beforehand."""

from collections.abc import Callable

from read_side.commands import Done, SentCommand


class MemoryCommandSender:
    """
    Keeps what is sent, with the credential it came with.

    :param answer: makes the answer to each command, or raises what the port says.
    """

    def __init__(self, answer: Callable[[SentCommand], Done]) -> None:
        self._answer = answer
        self.sent: list[tuple[SentCommand, str | None]] = []

    async def send(self, command: SentCommand, *, credential: str | None, request_id: str) -> Done:  # noqa: ARG002
        self.sent.append((command, credential))
        return self._answer(command)

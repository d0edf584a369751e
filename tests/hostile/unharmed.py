"""Whether a stack has come through what was done to it."""

from tests.support.stack import Child, Stack


class Unharmed:
    """Remembers who is there when it is made."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._processes = self._running()

    async def require(self) -> None:
        """The same processes answer, none has met what it did not expect, and no line of a log is made up."""
        await self._stack.ready()
        assert self._running() == self._processes
        assert [line for line in self._log() if not line.isprintable() or "unexpected error" in line] == []

    def _running(self) -> dict[Child, int | None]:
        return {child: self._stack.pid(child) for child in Child}

    def _log(self) -> list[str]:
        logs = [self._stack.home / "logs" / f"{name}.log" for name in ("write", "read", "project")]
        return [line for log in logs for line in log.read_text().split("\n")]

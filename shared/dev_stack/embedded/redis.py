"""Valkey from its wheel, or a genuine Redis, for `muster up` and the tests."""

import os
import re
import secrets
import socket
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from shared.dev_stack.embedded.launched_program import ServerError
from shared.dev_stack.embedded.programs import ProgramMissingError, valkey_binary
from shared.dev_stack.embedded.server import EmbeddedServer, ServerState
from shared.private_files import write_private

ANSWER_SECONDS = 1.0


class EmbeddedRedis(EmbeddedServer):
    """
    A Redis or Valkey.

    :param binary: the server's program, instead of the first that is found.
    :param fsync: when the append-only file is synced to the disk.
    :param options: server settings beside or instead of ours.
    """

    name = "Redis"

    def __init__(
        self,
        directory: Path,
        *,
        binary: Path | None = None,
        port: int | None = None,
        log: Path | None = None,
        appendonly: bool = True,
        fsync: Literal["always", "everysec", "no"] = "everysec",
        options: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(directory, port=port, log=log)
        self._binary = binary
        self._options = {
            "appendonly": "yes" if appendonly else "no",
            "appendfsync": fsync,
            **_SETTINGS,
            **(options or {}),
        }

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def nodes(self) -> Sequence["EmbeddedRedis"]:
        """Return the servers that are to run: this one, where a cluster has several."""
        return [self]

    def form(self) -> None:
        """Return at once: it is ready when it runs, where nodes of a cluster are not."""

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def _password(self) -> str:
        return self._password_file.read_text()

    @property
    def _password_file(self) -> Path:
        return self.directory / "password"

    @property
    def _configuration(self) -> Path:
        return self.directory / "server.conf"

    def _make(self) -> None:
        self.data.mkdir(exist_ok=True)
        if not self._password_file.exists():
            write_private(self._password_file, secrets.token_urlsafe(24))
        # In a file, not on the command line: every account can read a command line.
        write_private(self._configuration, "".join(f"{key} {value}\n" for key, value in self._settings().items()))

    def _settings(self) -> Mapping[str, str]:
        """Return what the server is started with."""
        return {**self._options, "requirepass": self._password, "port": str(self.port), "dir": _quoted(self.data)}

    def _command(self) -> Sequence[str]:
        try:
            binary = self._binary or valkey_binary()
        except ProgramMissingError as error:
            raise ServerError(str(error)) from error
        return [str(binary), re.sub(r"([*?[\\])", r"\\\1", str(self._configuration))]  # a pattern to the server

    def _state(self) -> ServerState:
        answer = self._answer()
        if answer.startswith(b"-LOADING"):
            return ServerState.READING
        return ServerState.READY if answer == b"+PONG\r\n" else ServerState.SILENT

    def _answer(self) -> bytes:
        """Return the answer to PING after our password; nothing if the password is refused or no server listens."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answers = connection.makefile("rb")
                return answers.readline() if answers.readline() == b"+OK\r\n" else b""
        except OSError:
            return b""


def _quoted(path: Path) -> str:
    """Write a path so that a configuration can hold it, whatever it is made of."""
    return '"' + "".join(chr(each) if chr(each) in _PLAIN else f"\\x{each:02x}" for each in os.fsencode(path)) + '"'


_PLAIN = string.ascii_letters + string.digits + "/._-"
_SETTINGS = {
    "bind": "127.0.0.1",
    "maxmemory-policy": "noeviction",
    "save": '""',
    "set-proc-title": "no",
}

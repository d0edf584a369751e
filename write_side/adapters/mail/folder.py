"""Mails as files, where there is no mail server: one a mail, `<id>.eml`."""

import asyncio
from collections.abc import Collection
from email.headerregistry import Address
from pathlib import Path
from uuid import UUID

import structlog

from shared.errors import Unavailable
from shared.private_files import make_private_directory, unfinished_of, write_private
from write_side.adapters.mail.message import message_of
from write_side.ports import Mail

log = structlog.get_logger()


class FolderMailer:
    """Writes each mail whole or not at all; one that is sent again takes the place of the first."""

    def __init__(self, folder: Path, *, sender: Address) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        path = self._path(mail.id)
        text = message_of(mail, sender=self._sender).as_string()
        try:
            await asyncio.to_thread(self._write, path, text)
        except OSError as error:
            raise Unavailable(f"{path.parent} cannot be written: {error.strerror}") from error
        log.info("a mail was written", path=str(path))

    async def forget(self, ids: Collection[UUID]) -> None:
        try:
            await asyncio.to_thread(self._remove, ids)
        except OSError as error:
            raise Unavailable(f"mails in {self._folder} cannot be removed: {error.strerror}") from error

    async def aclose(self) -> None:
        """Do nothing: no file is kept open."""

    def _path(self, id: UUID) -> Path:
        return self._folder / f"{id}.eml"

    def _remove(self, ids: Collection[UUID]) -> None:
        for path in map(self._path, ids):
            path.unlink(missing_ok=True)
            unfinished_of(path).unlink(missing_ok=True)

    def _write(self, path: Path, text: str) -> None:
        make_private_directory(self._folder)
        write_private(path, text)

"""Mails as files, where there is no mail server: one a mail, `<id>.eml`."""

import asyncio
from email.headerregistry import Address
from pathlib import Path

import structlog

from shared.errors import Unavailable
from shared.private_files import make_private_directory, write_private
from write_side.adapters.mail.message import message_of
from write_side.ports import Mail

log = structlog.get_logger()


class FolderMailer:
    """Writes each mail whole or not at all; one that is sent again takes the place of the first."""

    def __init__(self, folder: Path, *, sender: Address) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        path = self._folder / f"{mail.id}.eml"
        text = message_of(mail, sender=self._sender).as_string()
        try:
            await asyncio.to_thread(self._write, path, text)
        except OSError as error:
            raise Unavailable(f"{path.parent} cannot be written: {error.strerror}") from error
        log.info("a mail was written", path=str(path))

    def _write(self, path: Path, text: str) -> None:
        make_private_directory(self._folder)
        write_private(path, text)

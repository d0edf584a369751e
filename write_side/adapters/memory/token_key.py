"""A key of mailed tokens for as long as this process lives."""

import secrets


class MemoryTokenKey:
    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    async def read(self) -> bytes:
        return self._key

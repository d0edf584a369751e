"""The key of mailed tokens, which the database makes and keeps."""

from sqlalchemy import select

from write_side.adapters.postgres.connections.failures import translated
from write_side.adapters.postgres.connections.transactions import PostgresTransactions
from write_side.adapters.postgres.tables import installation


class PostgresTokenKey:
    """Read once in the life of a process."""

    def __init__(self, transactions: PostgresTransactions) -> None:
        self._transactions = transactions
        self._key: bytes | None = None

    async def read(self) -> bytes:
        if self._key is None:
            self._key = await self._read()
        return self._key

    async def _read(self) -> bytes:
        session = await self._transactions.open()
        try:
            with translated():
                return bytes((await session.execute(select(installation.c.token_key))).scalar_one())
        finally:
            await self._transactions.end(session)

"""A mail server that goes away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.bench.bench import Bench
from tests.support.patience import until


@asynccontextmanager
async def lost_mail_server(bench: Bench) -> AsyncIterator[None]:
    """Nothing can be delivered, and at least one mail was tried."""
    await bench.mailbox.go()
    await bench.registered()
    await until(lambda: _is_felt(bench))
    yield
    await bench.mailbox.come()


def _is_felt(bench: Bench) -> bool:
    with bench.database() as database:
        [[felt]] = database.execute("select exists (select from deliveries where attempts > 0)").fetchall()
    return bool(felt)

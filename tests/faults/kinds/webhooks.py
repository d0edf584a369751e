"""A receiver of webhooks that goes away, fails or is silent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.bench.bench import RECEIVER, Bench
from tests.support.patience import until


@asynccontextmanager
async def lost_receiver(bench: Bench) -> AsyncIterator[None]:
    """Nothing listens where changes are to go."""
    await bench.receivers.go()
    await _is_felt(bench)
    yield
    await bench.receivers.come()


@asynccontextmanager
async def failing_receiver(bench: Bench) -> AsyncIterator[None]:
    """It answers, and takes nothing; it may say when it wants to be asked again."""
    failures = ("500 Internal Server Error", "503 Service Unavailable\r\nRetry-After: 1", "404 Not Found")
    bench.receivers.answers[RECEIVER] = bench.random.choice(failures)
    await _is_felt(bench)
    yield
    del bench.receivers.answers[RECEIVER]


@asynccontextmanager
async def silent_receiver(bench: Bench) -> AsyncIterator[None]:
    """It takes changes, and does not say so: they come again."""
    bench.receivers.silent.add(RECEIVER)
    await _is_felt(bench)
    yield
    bench.receivers.silent.remove(RECEIVER)


async def _is_felt(bench: Bench) -> None:
    """Return once a change was tried in vain."""
    await bench.registered()

    def has_failed() -> bool:
        with bench.database() as database:
            [[failed]] = database.execute("select exists (select from webhooks where failures > 0)").fetchall()
        return bool(failed)

    await until(has_failed)

"""An application that is started anew while it is served."""

import asyncio
from contextlib import asynccontextmanager

from shared.http.restarting import RestartedApp
from tests.support.patience import until_here


class App:
    """Takes note of what becomes of it."""

    def __init__(self):
        self.seen = []

    @asynccontextmanager
    async def lifespan(self):
        self.seen.append("begins")
        yield
        self.seen.append("ends")

    async def __call__(self, scope, receive, send):
        self.seen.append(scope["path"])


async def test_it_begins_again_whenever_it_is_outdated_and_all_who_ask_are_served():
    app, outdated, messages, sent = App(), asyncio.Event(), asyncio.Queue(), asyncio.Queue()
    prepared = asyncio.Semaphore(1)
    served = RestartedApp(app, prepare=prepared.acquire, outdated=outdated)
    messages.put_nowait({"type": "lifespan.startup"})
    life = asyncio.create_task(served({"type": "lifespan"}, messages.get, sent.put))
    assert await sent.get() == {"type": "lifespan.startup.complete"}
    await served({"type": "http", "path": "/first"}, None, None)

    outdated.set()
    await until_here(lambda: "ends" in app.seen)
    between = asyncio.create_task(served({"type": "http", "path": "/between"}, None, None))
    await asyncio.sleep(0)
    prepared.release()
    await between
    messages.put_nowait({"type": "lifespan.shutdown"})
    await life

    assert app.seen == ["begins", "/first", "ends", "begins", "/between", "ends"]
    assert [sent.get_nowait(), sent.empty()] == [{"type": "lifespan.shutdown.complete"}, True]

"""What the nodes of a cluster say to one another, on lines of which some can be cut."""

import asyncio
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.support.cluster import HASTE, FragileNode, ValkeyCluster
from tests.support.proxy import Proxy


class BusLine(Proxy):
    """Leads to one node; refuses those who come from some addresses."""

    def __init__(self, node: FragileNode) -> None:
        super().__init__(f"redis://127.0.0.1:{node.bus_port}")
        self._refused: Collection[str] = ()

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 0

    async def refuse(self, addresses: Collection[str]) -> None:
        self._refused = addresses
        for link in list(self._links.values()):
            if _came_from(link.client) in addresses:
                link.abort()

    async def _accept(self, client_says: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if _came_from(client) in self._refused:
            client.transport.abort()
        else:
            await super()._accept(client_says, client)


class SeparableCluster(ValkeyCluster):
    """One of which a node can be cut off from all others; clients still reach it."""

    lines: Mapping[str, BusLine]
    loop: asyncio.AbstractEventLoop

    @contextmanager
    def cut_off(self, node: FragileNode) -> Iterator[None]:
        self._refuse({each.host: {node.host} for each in self.nodes} | {node.host: {each.host for each in self.nodes}})
        try:
            yield
        finally:
            self._refuse(dict.fromkeys(self.lines, ()))

    def _refuse(self, of_each: Mapping[str, Collection[str]]) -> None:
        for host, refused in of_each.items():
            asyncio.run_coroutine_threadsafe(self.lines[host].refuse(refused), self.loop).result()


@contextmanager
def separable_cluster(home: Path) -> Iterator[SeparableCluster]:
    """Give three primaries with a replica each, whose lines are looked after by a thread: a test may block."""
    with ExitStack() as stack:
        loop = stack.enter_context(_running_loop())
        nodes = [FragileNode(home / f"node-{nth}", host=f"127.0.0.{10 + nth}", patience=HASTE) for nth in range(6)]
        cluster = SeparableCluster(home, nodes, primaries=3)
        cluster.lines, cluster.loop = {each.host: BusLine(each) for each in nodes}, loop
        opened = asyncio.run_coroutine_threadsafe(_open(list(cluster.lines.values())), loop).result()
        stack.callback(lambda: asyncio.run_coroutine_threadsafe(opened.aclose(), loop).result())
        for node in nodes:
            node.announce_bus(cluster.lines[node.host].port)
            stack.enter_context(node)
        cluster.form()
        yield cluster


async def _open(lines: Sequence[BusLine]) -> AsyncExitStack:
    opened = AsyncExitStack()
    for each in lines:
        await opened.enter_async_context(each.running())
    return opened


@contextmanager
def _running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _came_from(writer: asyncio.StreamWriter) -> str:
    host: str = writer.get_extra_info("peername")[0]
    return host

"""One trace from a command to the commit that made it visible, and nobody's data in it: on real servers."""

import json
from contextlib import AsyncExitStack

import httpx
import pytest

from projector.main import projector_app
from projector.services import register_redis
from read_side.http.app import read_api
from read_side.services import redis_views, register_views
from shared.auth.setup import admit_everyone
from shared.event_log.adapters.postgres import PostgresEventLog
from tests.support.apps import app_client
from tests.support.measures import every_attribute, named
from tests.support.patience import answers, patient_connector, until
from tests.support.read_side import PATIENCE
from write_side.http.app import write_api
from write_side.services import register_postgres

TRACE = "0af7651916cd43dd8448eb211c80319c"
SENT = f"00-{TRACE}-b7ad6b7169203331-01"
ADA = {
    "email": "countess@lovelace.example",
    "handle": "countess",
    "display_name": "Augusta Byron",
    "external_id": "books/notes",
    "tags": ["mathematician"],
    "attributes": {"team": "difference-engine"},
}
PRIVATE = ("countess", "lovelace", "augusta", "byron", "books", "mathematician", "difference-engine", "impostor")


class Muster:
    """The three services, each as its clients see it."""

    def __init__(self, write: httpx.AsyncClient, ops: httpx.AsyncClient, read: httpx.AsyncClient) -> None:
        self.write, self.ops, self.read = write, ops, read

    async def register(self, **headers: str) -> int:
        """Register Ada, and return the position once every projection has reached it."""
        answer = await self.write.post("/commands/register-account", json=ADA, headers=headers)
        position = answer.raise_for_status().json()["position"]
        for path in ("/profiles/by-handle/countess", "/groups", "/stats", f"/profiles/{answer.json()['id']}/activity"):
            (await self.read.get(path, headers={"Muster-Min-Position": str(position)})).raise_for_status()
        return position


@pytest.fixture
async def muster(database_url, redis_server):
    def write(registry):
        register_postgres(registry, url=database_url, allow_unsafe=True)

    def project(registry):
        register_redis(registry, url=redis_server.url, log=PostgresEventLog(database_url, allow_unsafe=True))

    def read(registry):
        register_views(registry, redis_views(patient_connector(redis_server.url), patience=PATIENCE))

    async with AsyncExitStack() as stack:
        services = ((write_api, write), (projector_app, project), (read_api, read))
        clients = [await stack.enter_async_context(app_client(make, admit_everyone, on)) for make, on in services]
        muster = Muster(*clients)
        await until(lambda: answers(muster.read, "/readyz"))
        yield muster


async def test_a_trace_leads_from_the_client_to_the_commit_of_every_projection(muster, spans):
    """Through the event's metadata: each commit's span links to the command's, which goes on with the client's."""
    position = await muster.register(traceparent=SENT)

    [command] = named(spans, "register-account")
    assert f"{command.context.trace_id:032x}" == TRACE
    for projection in ("profiles", "groups", "activity", "stats", "changes"):
        commits = [each for each in named(spans, f"project {projection}") if each.attributes["muster.position"] >= 1]
        links = [(link.context.trace_id, link.context.span_id) for each in commits for link in each.links]
        assert set(links) == {(command.context.trace_id, command.context.span_id)}
        assert max(int(each.attributes["muster.position"]) for each in commits) == position


async def test_neither_spans_nor_metrics_tell_of_anybody(muster, spans):
    """Whatever is done with a person's names and addresses, and whatever goes wrong with them."""
    await muster.register()
    impostor = ADA | {"handle": "impostor"}
    await muster.write.post("/commands/register-account", json=impostor)
    await muster.write.post("/commands/suspend-account", json={"account": "@countess", "reason": "Byron"})
    await muster.write.post("/commands/suspend-account", json={"account": "@impostor"})
    await muster.write.post("/commands/countess", json=ADA)
    await muster.write.post("/commands/change-email", json={"account": "@countess", "email": "byron"})
    lines = [json.dumps({"command": name, **impostor}).encode() for name in ("register-account", "countess")]
    ndjson = {"Content-Type": "application/x-ndjson"}
    await muster.write.post("/commands", content=b"\n".join(lines), headers=ndjson)
    await muster.read.get("/profiles/by-handle/impostor")
    await muster.read.get("/profiles/by-email/countess@lovelace.example")
    await muster.read.get("/profiles/by-external-id/books/notes")
    await muster.read.get("/profiles", params={"q": "byron", "tag": "mathematician"})
    await muster.read.get("/countess")
    await muster.read.post("/profiles/batch-get", json={"handles": ["countess", "impostor"]})

    told = [(await client.get("/metrics")).text for client in (muster.write, muster.ops, muster.read)]
    told.append(every_attribute(spans))

    assert len(named(spans, "suspend-account")) == 2
    for private in PRIVATE:
        assert [private in text.lower() for text in told] == [False] * 4, private

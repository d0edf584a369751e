"""Every command comes by every way in, because it stands in the list of use cases; nothing names it a second time."""

import json

import msgspec
import pytest

from shared.auth.principal import Principal
from shared.auth.setup import admit_everyone
from shared.cli.commands import application, call
from shared.cli.exit_codes import WrongUsage
from shared.http.in_process import in_process
from tests.support.write_side import memory_write_side
from write_side.adapters.memory.shard_locks import MemoryShardLocks, MemoryShards
from write_side.bus.entries import Message
from write_side.bus.limits import BusLimits
from write_side.bus.shard import ShardConsumer
from write_side.cli.fields import fields_of
from write_side.http.app import write_api
from write_side.use_cases import USE_CASES

EVERY = pytest.mark.parametrize("use_case", USE_CASES, ids=lambda each: each.name)


def needed(use_case):
    """Pointers to the fields without which it is refused."""
    return {f"/{field.name}" for field in fields_of(use_case).values() if field.is_required}


@pytest.fixture(scope="module")
async def client():
    async with in_process(write_api(admit_everyone, memory_write_side().register_on)) as client:
        yield client


@EVERY
async def test_it_has_a_route_and_says_what_it_needs(client, use_case):
    answer = await client.post(f"/commands/{use_case.name}", json={})

    assert answer.status_code == 422
    assert {each["pointer"] for each in answer.json()["errors"]} == needed(use_case)


@EVERY
async def test_it_comes_in_streams(client, use_case):
    """Which is how files are imported."""
    line = json.dumps({"command": use_case.name})
    answer = await client.post("/commands", content=line, headers={"Content-Type": "application/x-ndjson"})

    assert {each["pointer"] for each in json.loads(answer.text)["errors"]} == needed(use_case)


@EVERY
async def test_it_is_described(client, use_case):
    document = (await client.get("/openapi.json")).json()

    operation = document["paths"][f"/commands/{use_case.name}"]["post"]
    assert operation["operationId"] == use_case.name.replace("-", "_")
    assert use_case.command.__name__ in document["components"]["schemas"]


class OneMessage:
    """A shard that holds a message, and takes its answer."""

    def __init__(self, body):
        self.messages = [Message(0, "1-0", body, None)]
        self.answers = []

    async def open(self):
        pass

    async def take(self):
        return self.messages

    async def settle(self, messages):
        self.answers += [msgspec.json.decode(each.answer) for each in messages]


@EVERY
async def test_it_comes_by_the_bus(use_case):
    locks, stream = MemoryShardLocks(MemoryShards()), OneMessage(json.dumps({"command": use_case.name}).encode())
    await locks.consumers()
    executor, principal = memory_write_side().executor, Principal("erp", frozenset())
    shard = ShardConsumer(stream=stream, locks=locks, executor=executor, principal=principal, limits=BusLimits())

    await shard._turn()

    [answer] = stream.answers
    assert {each["pointer"] for each in answer["errors"]} == needed(use_case)


@EVERY
def test_it_is_run_from_the_shell(use_case):
    with pytest.raises(WrongUsage) as refused:
        call(["run", use_case.name])

    assert all(f" {pointer[1:]}" in str(refused.value) for pointer in needed(use_case))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_it(shell):
    script = application().generate_completion(shell=shell)

    assert [each.name for each in USE_CASES if each.name not in script] == []

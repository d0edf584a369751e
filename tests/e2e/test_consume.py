"""The producer of `docs/bus.md`, and `muster consume` beside a running stack."""

import asyncio
import json
import re
import subprocess
import sys

import httpx

from tests.support.pages import ROOT
from tests.support.patience import SECONDS, not_behind
from tests.support.stack import environment, service


def producer():
    [program] = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/bus.md").read_text(), re.MULTILINE | re.DOTALL)
    return program


def sent(settings):
    """What the program says as it ends."""
    command = [sys.executable, "-c", producer()]
    ran = subprocess.run(
        command, env=environment(**settings), capture_output=True, text=True, check=False, timeout=SECONDS
    )
    return ran.stderr


async def test_the_producer_of_the_page_registers_a_person(stack, tmp_path):
    """Twice it is refused; and the process says how it is."""
    addresses = stack.addresses
    settings = {"MUSTER_DATABASE_URL": addresses.database_url, "MUSTER_REDIS_URL": addresses.redis_url}

    async with service("consume", tmp_path / "consume.log", **settings) as (url, _):
        first, second = [await asyncio.to_thread(sent, settings) for _ in range(2)]
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
            metrics = (await client.get(f"{url}/metrics")).text
            ready = (await client.get(f"{url}/readyz")).json()

    answer = json.loads(first)
    assert (answer["status"], answer["version"]) == (200, 1)
    assert json.loads(second)["type"] in {"/problems/email-taken", "/problems/handle-taken"}
    assert 'muster_bus_messages_total{ending="refused"} 1.0' in metrics
    assert 'muster_bus_backlog_messages{shard="0"} 0.0' in metrics
    assert ready["checks"] == {"AsyncEngine": "ok", "Backlog": "ok"}
    async with stack.client(addresses.read) as client:
        headers = {"Muster-Min-Position": str(answer["position"])}
        shown = await not_behind(lambda: client.get("/profiles/by-handle/ines", headers=headers))
    assert shown.json()["display_name"] == "Ines Berger"

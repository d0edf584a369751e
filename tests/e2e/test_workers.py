"""An API with several workers is one to its clients, whichever of them they meet."""

import asyncio
from collections import Counter

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.patience import SECONDS, not_behind
from tests.support.people import registration

REQUESTS = 24
"""Each on a connection of its own: the kernel gives it to one of two workers by chance."""


def strangers(stack):
    """A client that is known everywhere, and keeps no connection."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(headers=stack.headers, limits=limits, timeout=SECONDS, trust_env=False)


async def registrations_by_outcome(client, stack):
    """How many the write API has counted, as one of its workers says."""
    shown = (await client.get(f"{stack.addresses.write}/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(shown)}
    samples = families["muster_commands"].samples
    return Counter(
        {each.labels["outcome"]: int(each.value) for each in samples if "register" in each.labels["command"]}
    )


async def test_workers_carry_a_key_out_once_and_are_read_alike(stack):
    """One waits for the other, which has the key; all count together, and every reader sees what was answered."""
    person, key = registration("p1960.0.1"), {"Idempotency-Key": "p1960"}
    write, read = stack.addresses.write, stack.addresses.read
    async with strangers(stack) as client:
        before = await registrations_by_outcome(client, stack)

        sent = [client.post(f"{write}/commands/register-account", json=person, headers=key) for _ in range(REQUESTS)]
        answers = await asyncio.gather(*sent)
        [(status, body)] = {(each.status_code, each.text) for each in answers}
        counts = [await registrations_by_outcome(client, stack) for _ in range(REQUESTS)]
        path = f"{read}/profiles/{answers[0].json()['id']}?min_position={answers[0].json()['position']}"
        await not_behind(lambda: client.get(path))
        found = await asyncio.gather(*(client.get(path) for _ in range(REQUESTS)))

    assert status == httpx.codes.OK, body
    assert {each.status_code for each in found} == {httpx.codes.OK}
    assert all(each == before + Counter(done=1, replayed=REQUESTS - 1) for each in counts)

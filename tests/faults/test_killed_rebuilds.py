"""A rebuild whose projector is killed with -9 again and again, while people write and read: it ends right."""

import asyncio
from random import Random
from typing import Any, Self

import httpx
import pytest

from tests.faults.test_killed_processes import under_load
from tests.support.stack import Child, Stack, until

ROUNDS = 2


class Operator:
    """Orders rebuilds of profiles, and looks how far they are."""

    def __init__(self, stack: Stack) -> None:
        self._client = stack.client(stack.addresses.ops)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def post(self, action: str, **body: Any) -> dict[str, Any]:
        answer = await self._client.post(f"/projections/profiles/{action}", json=body)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def told(self) -> dict[str, Any]:
        """What status says of profiles; nothing while there is no projector."""
        try:
            answer = await self._client.get("/status")
        except httpx.TransportError:
            return {}
        projections: list[dict[str, Any]] = answer.json().get("projections", [{}])
        return projections[0]

    async def is_live(self, generation: str) -> bool:
        told = await self.told()
        return told.get("generation") == generation and told["rebuild"] is None


@pytest.mark.parametrize("latest", [0.1, 0.6])
async def test_a_rebuild_is_taken_up_by_the_next_projector(mortal_stack, latest):
    """
    Killed in replay, comparison and switch, at random moments.

    No answer is wrong or from before what was promised; one that asks for more than is projected may be refused.
    """
    random = Random(latest)
    async with (
        Operator(mortal_stack) as operator,
        under_load(mortal_stack, seed=int(700 + 100 * latest)) as (load, readers),
    ):
        for _ in range(ROUNDS):
            await load.grown(by=20)
            ordered = await operator.post("rebuild", keep_old=3600)
            await asyncio.sleep(random.uniform(0, latest))
            killed = mortal_stack.kill(Child.PROJECT)
            await mortal_stack.back(Child.PROJECT, instead_of=killed)
            await until(lambda ordered=ordered: operator.is_live(ordered["building"]))

    assert set(readers.answers) <= {200, 503}
    assert readers.answers[200] > 50


async def test_nobody_notices_a_rebuild(mortal_stack):
    """
    Nor a switch back: each reader gets what it asked for, however often the generation changes meanwhile.

    One that asks for the newest may be told to come again where the machine is too busy to project it in time.
    """
    async with Operator(mortal_stack) as operator, under_load(mortal_stack, seed=790) as (load, readers):
        for _ in range(ROUNDS):
            await load.grown(by=20)
            ordered = await operator.post("rebuild", keep_old=3600)
            await until(lambda ordered=ordered: operator.is_live(ordered["building"]))
            back = await operator.post("rollback")
            await until(lambda back=back: operator.is_live(back["live"]))
        await load.grown(by=20)

    assert load.troubles == {}
    assert set(readers.refusals) <= {"/problems/projection-behind"}
    assert readers.answers[200] > 50
    assert readers.taken_back == []

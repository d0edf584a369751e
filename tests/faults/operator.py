"""An operator at the ops API."""

from typing import Any, Self

import httpx

from tests.support.patience import until
from tests.support.stack import Stack


class Operator:
    """Orders rebuilds, and looks how far the projections are."""

    def __init__(self, stack: Stack) -> None:
        self._client = stack.client(stack.addresses.ops)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def post(self, action: str, *, projection: str = "profiles", **body: Any) -> dict[str, Any]:
        answer = await self._client.post(f"/projections/{projection}/{action}", json=body)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def rebuild(self, *names: str) -> None:
        """Have projections rebuilt one after the other, whatever they have lost."""
        for name in names:
            ordered = await self.post("rebuild", projection=name, force=True, keep_old=0)
            await until(lambda generation=ordered["building"]: self.is_live(generation))

    async def projections(self) -> dict[str, dict[str, Any]]:
        """What status says of each; nothing while there is no projector."""
        try:
            answer = await self._client.get("/status")
        except httpx.TransportError:
            return {}
        return {each["name"]: each for each in answer.json().get("projections", ())}

    async def is_in(self, *phases: str | None) -> bool:
        """Whether there is a projector, and its rebuild of profiles is in one of these phases; None is none."""
        profiles = (await self.projections()).get("profiles")
        return profiles is not None and (profiles["rebuild"] and profiles["rebuild"]["phase"]) in phases

    async def is_live(self, generation: str) -> bool:
        told = await self.projections()
        return any(each["generation"] == generation and each["rebuild"] is None for each in told.values())

    async def are_stopped(self, *names: str) -> bool:
        told = await self.projections()
        return all(name in told and told[name]["state"] == "stopped" for name in names)

    async def have_reached(self, position: int) -> bool:
        """Whether all projections have come so far."""
        told = await self.projections()
        return bool(told) and all((each["checkpoint"] or 0) >= position for each in told.values())

"""An operator at the ops API."""

from typing import Any, Self

import httpx

from tests.support.stack import Stack


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

    async def is_in(self, *phases: str | None) -> bool:
        """Whether there is a projector, and its rebuild is in one of these phases; None is none."""
        told = await self.told()
        return bool(told) and (told["rebuild"] and told["rebuild"]["phase"]) in phases

    async def is_live(self, generation: str) -> bool:
        told = await self.told()
        return told.get("generation") == generation and told["rebuild"] is None

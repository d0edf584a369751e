"""How a shell names people and groups, and what it completes."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec

from shared.cli.api_client import READ_API, blocking_httpx_client
from shared.errors import SettingsError
from shared.settings import Settings

MOST = 50
PATIENCE = 1.0
"""Seconds for which a shell waits for what it may complete."""

_LOOK_UPS = {"@": "by-handle", "ext:": "by-external-id"}
"""Where the read API finds an account, by how a reference to it begins."""

Complete = Callable[[Any], Iterable[str]]


def profile_path(reference: str) -> str | None:
    """Return where the read API has a person named by id, @handle or ext:<external id>; None for any other text."""
    if id_ := uuid_of(reference):
        return f"/profiles/{id_}"
    for begin, way in _LOOK_UPS.items():
        if reference.startswith(begin):
            return f"/profiles/{way}/{segment(reference.removeprefix(begin))}"
    return None


def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def segment(text: str) -> str:
    """Return text as one segment of a path."""
    return quote(text, safe="")


def accounts(begun: str) -> Iterable[str]:
    """Return people whose handle or name begins so, as @handle."""
    return [f"@{handle}" for handle in _listed("/profiles", "handle", begun.removeprefix("@"))]


def groups(begun: str) -> Iterable[str]:
    """Return slugs of groups that begin so, or whose name does."""
    return _listed("/groups", "slug", begun)


def completing(values: Callable[[str], Iterable[str]]) -> Complete:
    """Return what completes a whole word, for cyclopts."""
    return lambda context: [each for each in values(context.incomplete) if each.startswith(context.incomplete)]


def _listed(path: str, name: str, begun: str) -> Iterable[str]:
    """Ask the read API for what begins so; nothing where it does not answer."""
    import httpx  # noqa: PLC0415 - nor a client to explain a command

    query = httpx.QueryParams(limit=MOST, fields=name)
    try:
        settings = Settings.here()
        with blocking_httpx_client(READ_API, settings, timeout=httpx.Timeout(PATIENCE)) as client:
            answer = client.get(path, params=query.set("q", begun) if begun else query).raise_for_status()
        return [each[name] for each in msgspec.json.decode(answer.content)["items"]]
    except (httpx.HTTPError, msgspec.DecodeError, SettingsError):
        return ()

"""No proxy that the environment names comes between a machine and itself, and no variable breaks how it is asked."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("write_side", "read_side", "projector", "shared")
ASKS = {"AsyncClient", "Client", "delete", "get", "patch", "post", "put", "request", "stream"}
DECIDES = {"transport"}
"""What says that httpx goes nowhere; all else is made by `shared.http_clients`."""


def undecided(source: str) -> Iterator[int]:
    """The lines in which httpx goes as the environment says, to whatever host."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="httpx"), attr=name)) if name in ASKS:
                if not DECIDES & {keyword.arg for keyword in node.keywords}:
                    yield node.lineno


def test_a_client_reaches_its_own_machine_directly():
    sources = {path: path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    asking = {path: text for path, text in sources.items() if "httpx." in text}

    assert len(asking) > 5
    assert {str(path.relative_to(ROOT)): lines for path, text in asking.items() if (lines := [*undecided(text)])} == {}


@pytest.mark.parametrize("planted", ["httpx.get(url, timeout=5)", "client = httpx.AsyncClient(base_url=url)"])
def test_who_does_not_is_found(planted):
    assert [*undecided(planted)] == [1]

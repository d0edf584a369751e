"""compose.yaml as Docker Compose reads it: variables filled in, their defaults where they are not set."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PASSWORDS = {"POSTGRES_PASSWORD": "secret", "VALKEY_PASSWORD": "secret"}


def composed(**variables: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the services, with passwords and these variables."""
    services: Mapping[str, Mapping[str, Any]] = yaml.safe_load(_filled((ROOT / "compose.yaml").read_text(), variables))[
        "services"
    ]
    return services


def on_a_cluster() -> Mapping[str, str]:
    """Return the variables that the page about clusters has an operator set."""
    page = (ROOT / "docs/operations/cluster.md").read_text()
    [block] = re.findall(r"^```sh\n(COMPOSE_PROFILES=cluster\n.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return dict(line.split("=", 1) for line in _filled(block, {}).splitlines())


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """Fill in what is required first: it may stand in a default."""
    required = re.sub(r"\$\{(\w+)(?::\?[^}]*)?\}", lambda found: PASSWORDS[found[1]], text)
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: variables.get(found[1]) or found[2], required)

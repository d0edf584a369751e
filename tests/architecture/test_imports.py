"""The import contracts of pyproject.toml hold, and each was seen to break."""

import re
import shutil
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS_OF_SHARED = "What is shared has leaves, a kit, and two rooms above it"
LAYERS_OF_HTTP = "What speaks HTTP has one direction"
PACKAGES = ("write_side", "read_side", "projector", "shared")


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    return subprocess.run([program, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold():
    linted = lint(ROOT)

    assert linted.returncode == 0, linted.stdout


PLANTED = (
    (
        "projector/rebuilding/reconciler.py",
        "import write_side.domain.account",
        "The three processes never import one another",
    ),
    ("shared/text.py", "import read_side.views", "What is shared knows none of the three"),
    ("shared/settings/limits.py", "import shared.redis.sentinels", LAYERS_OF_SHARED),
    ("shared/http_clients.py", "import shared.settings", LAYERS_OF_SHARED),
    ("shared/urls/servers.py", "import shared.text", LAYERS_OF_SHARED),
    ("shared/redis/client.py", "import shared.auth.principal", LAYERS_OF_SHARED),
    ("shared/http/app.py", "import shared.dev_stack.embedded.programs", LAYERS_OF_SHARED),
    ("shared/client/lines.py", "import shared.dev_stack.embedded.programs", LAYERS_OF_SHARED),
    ("shared/new_room.py", "import shared.text", LAYERS_OF_SHARED),
    ("shared/decoding/objects.py", "import shared.http.problems", LAYERS_OF_SHARED),
    ("shared/http/parsing/bodies.py", "import shared.http.middleware.cors", LAYERS_OF_HTTP),
    ("shared/http/pages/templating.py", "import shared.http.openapi.examples", LAYERS_OF_HTTP),
    ("shared/http/new_room.py", "import shared.text", LAYERS_OF_HTTP),
    ("write_side/use_cases/command.py", "import write_side.execution.executor", "The write side is a hexagon"),
    ("write_side/adapters/memory/database.py", "import write_side.http.stream", "The write side is a hexagon"),
    (
        "write_side/execution/admission.py",
        "import shared.http.problems",
        "Commands are executed alike, whichever way they came",
    ),
    ("write_side/bus/shard.py", "import shared.http.problems", "A way in beside HTTP needs nothing of it"),
    ("write_side/bus/shard.py", "import write_side.http.stream", "The write side is a hexagon"),
    (
        "write_side/adapters/memory/database.py",
        "import write_side.execution.limits",
        "What stores knows not what executes",
    ),
    ("write_side/domain/values.py", "import sqlalchemy", "What decides knows no technology"),
    ("shared/client/lines.py", "import write_side.domain.values", "What is shared knows none of the three"),
    ("read_side/http/lists.py", "import read_side.adapters.memory.pages", "The read side has one direction"),
    ("read_side/adapters/memory/pages.py", "import read_side.http.lists", "The read side has one direction"),
    ("read_side/freshness.py", "import read_side.views", "The read side has one direction"),
    ("read_side/new_room.py", "import shared.text", "The read side has one direction"),
    ("projector/services.py", "import projector.api.app", "The projector has one direction"),
    ("projector/folding/fold.py", "import projector.store.ports", "The projector has one direction"),
    ("projector/projections/profiles.py", "import redis", "What decides knows no technology"),
    ("write_side/use_cases/command.py", "import opentelemetry", "What decides knows no technology"),
    ("write_side/domain/values.py", "import shared.observability.tracing", "What decides knows no technology"),
    ("projector/rebuilding/reconciler.py", "import opentelemetry.trace", "Two places know OpenTelemetry"),
    (
        "projector/audit/drift.py",
        "import projector.projections.profiles",
        "What compares with the state knows no projection",
    ),
)
"""A place, what is imported there, and the contract that it breaks."""


def rounds() -> list[list[tuple[str, str, str]]]:
    """Shared out so that a module imports one of them in a round: it is linted once for many of them."""
    by_place = [[each for each in PLANTED if each[0] == place] for place in dict.fromkeys(each[0] for each in PLANTED)]
    return [list(filter(None, one)) for one in zip_longest(*by_place)]


@pytest.mark.parametrize("planted", rounds(), ids=len)
def test_a_planted_import_breaks_its_contract(copy, planted):
    """And is named as what breaks it."""
    for place, line, _ in planted:
        with (copy / place).open("a") as module:
            module.write(f"\n{line}\n")

    broken = broken_contracts(lint(copy).stdout)

    assert [each for each in planted if not is_named(each[0], broken.get(each[2], ""))] == []


def broken_contracts(said: str) -> dict[str, str]:
    """What is said of each, by its name."""
    _, *parts = re.split(r"\n(.+)\n-+\n", said.partition("Broken contracts")[2])
    return dict(zip(parts[::2], parts[1::2], strict=True))


def is_named(place: str, reasons: str) -> bool:
    """Whether a module imports what it may not, or is where none may be."""
    module = place.removesuffix(".py").replace("/", ".")
    return re.search(rf"^- +{re.escape(module)}( -> |$)", reasons, re.MULTILINE) is not None

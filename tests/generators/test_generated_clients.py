"""
Generators take the three documents, what they make compiles, and it registers, reads, pages and misses people.

The description of the change feed is taken by the parser of AsyncAPI.

Takes minutes, npm, java and PyPI: `HYPOTHESIS_PROFILE=nightly ./muster test tests/generators`.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from projector.api.app import _document as ops_document
from read_side.http.documentation import document as read_document
from read_side.http.feed.asyncapi import asyncapi
from read_side.http.resources.change_stream import PATH
from tests.support.examples import at_night
from tests.support.locked_venv import python_with
from write_side.http.documentation import document as write_document

HERE = Path(__file__).parent
DOCUMENTS = {"write": write_document(), "read": read_document(), "ops": ops_document()}
MISSING = [each for each in ("npm", "java") if shutil.which(each) is None]

pytestmark = [
    pytest.mark.skipif(not at_night(), reason="takes minutes: ask for it with HYPOTHESIS_PROFILE=nightly"),
    pytest.mark.skipif(bool(MISSING), reason=f"not on PATH: {', '.join(MISSING)}"),
]


class Workshop:
    """A folder with the documents, the generators, and all that they make."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shutil.copytree(HERE, path, dirs_exist_ok=True)
        for name, document in DOCUMENTS.items():
            (path / f"{name}.json").write_bytes(msgspec.json.encode(document))
        self.run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        python_with(HERE / "requirements.lock", venv=path / "venv")

    @property
    def python(self) -> str:
        return str(self.path / "venv/bin/python")

    @property
    def jar(self) -> str:
        """That the package on PyPI wraps: its own wrapper takes options for those of Python."""
        [jar] = (self.path / "venv").glob("lib/python3*/site-packages/openapi_generator_cli/openapi-generator.jar")
        return str(jar)

    def run(self, *command: str, **variables: str) -> str:
        """Return what a program says, having seen that it was content."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env={**os.environ, "PYTHONPATH": "clients", "CI": "1", **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("generators"))


def openapi_python_client(workshop, name):
    options = ("--config", "openapi_python_client.yaml", "--meta", "none", "--overwrite")
    output = f"clients/opc_{name}"
    workshop.run(
        *(workshop.python, "-m", "openapi_python_client", "generate", "--path", f"{name}.json"),
        *("--output-path", output, "--fail-on-warning", *options),
    )
    workshop.run(workshop.python, "-m", "compileall", "-q", output)


def python(workshop, name):
    options = ("--package-name", f"muster_{name}", "-o", f"made/{name}")
    workshop.run("java", "-jar", workshop.jar, "generate", "-i", f"{name}.json", "-g", "python", *options)
    shutil.copytree(workshop.path / f"made/{name}/muster_{name}", workshop.path / f"clients/muster_{name}")
    workshop.run(workshop.python, "-m", "compileall", "-q", f"clients/muster_{name}")


def typescript_fetch(workshop, name):
    output = f"clients/typescript_fetch/{name}"
    workshop.run("java", "-jar", workshop.jar, "generate", "-i", f"{name}.json", "-g", "typescript-fetch", "-o", output)


def openapi_typescript(workshop, name):
    workshop.run("npx", "openapi-typescript", f"{name}.json", "-o", f"clients/openapi_typescript/{name}.ts")


def hey_api(workshop, name):
    workshop.run("npx", "openapi-ts", "-i", f"{name}.json", "-o", f"clients/hey_api/{name}")


PYTHON = (openapi_python_client, python)
TYPESCRIPT = (typescript_fetch, openapi_typescript, hey_api)


@pytest.mark.parametrize("generate", [*PYTHON, *TYPESCRIPT], ids=lambda each: each.__name__)
def test_what_a_generator_makes_compiles_and_works(workshop, stack, generate):
    """Three people are registered once, read as of the last command, paged through by two; another is missing."""
    shutil.rmtree(workshop.path / "clients", ignore_errors=True)
    (workshop.path / "clients").mkdir()
    for name in DOCUMENTS:
        generate(workshop, name)
    script = f"use/{generate.__name__}"
    if generate in TYPESCRIPT:
        (workshop.path / "used.json").write_text(
            json.dumps({"extends": "./tsconfig.json", "include": ["clients/**/*.ts", f"{script}.ts"]})
        )
        workshop.run("npx", "tsc", "-p", "used.json")
    command = ["npx", "tsx", f"{script}.ts"] if generate in TYPESCRIPT else [workshop.python, f"{script}.py"]
    name = f"made-{uuid4().hex[:8]}"

    said = json.loads(workshop.run(*command, **environment(stack), NAME=name))

    people = [f"{name}-{nth}" for nth in (1, 2, 3)]
    assert said["read"] == people[0]
    assert said["paged"] == people
    assert said["missing"] == "/problems/profile-not-found"
    assert "profiles" in said["projections"]


def environment(stack):
    addresses = stack.addresses
    token = stack.headers["Authorization"].removeprefix("Bearer ")
    return {"WRITE_URL": addresses.write, "READ_URL": addresses.read, "OPS_URL": addresses.ops, "TOKEN": token}


def test_the_parser_of_asyncapi_takes_the_description_of_the_feed(workshop):
    (workshop.path / "asyncapi.json").write_bytes(msgspec.json.encode(asyncapi(DOCUMENTS["read"], stream=PATH)))

    said = json.loads(workshop.run("node", "parse_asyncapi.mjs", "asyncapi.json"))

    assert said == {"wrong": [], "messages": ["change"]}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_linters_have_nothing_to_say(workshop, name):
    """By their recommended rules, but for those that the configurations give a reason for."""
    workshop.run("npx", "redocly", "lint", "--config", "redocly.yaml", f"{name}.json")
    workshop.run("npx", "spectral", "lint", "-r", "spectral.yaml", "--fail-severity", "hint", f"{name}.json")

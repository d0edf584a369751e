"""The first call of a clone says how far its installation is, and nothing of the environment leads it astray."""

import subprocess
import sys

import pytest

from shared.dev_stack import bootstrap

LOCK = """\
alembic==1.20.1 \\
    --hash=sha256:0
anyio[trio]==4.16.0 ; python_version >= "3"
colorama==0.4.6 ; sys_platform == "win32"
    # via click
"""
INSTALLER = """
import pathlib, sys, time
print("Ignoring colorama: markers do not match", flush=True)
print("Collecting alembic==1.20.1 (from -r lock)")
print("WARNING: the cache is not used", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
"""


@pytest.fixture
def how_far(tmp_path):
    (tmp_path / "lock").write_text(LOCK)
    return bootstrap._packages(bootstrap.Environment(tmp_path / "venv"), tmp_path / "lock")


def test_an_installation_says_how_far_it_is(how_far, tmp_path, capsys):
    """Also where its output is no terminal; not what the installer itself says, as long as it works."""

    def heard(said):
        (tmp_path / "heard").touch()
        return how_far(said)

    bootstrap._run(sys.executable, "-c", INSTALLER, tmp_path / "heard", how_far=heard)

    first, *_ = capsys.readouterr().err.splitlines()
    assert first == "muster: 1 of 2 packages are fetched: Collecting alembic==1.20.1 (from -r lock) (3 s)"


def test_while_packages_are_unpacked_they_are_counted(how_far, tmp_path):
    """The installers say nothing then."""
    (tmp_path / "venv/lib/python3.11/site-packages/alembic-1.20.1.dist-info").mkdir(parents=True)

    assert how_far(["Ignoring colorama: markers do not match"]) == "1 of 2 packages are installed"


def test_what_an_installer_said_is_shown_if_it_fails(capsys):
    with pytest.raises(subprocess.CalledProcessError):
        bootstrap._run(sys.executable, "-c", "import sys; print('No matching distribution'); sys.exit(1)")

    assert capsys.readouterr().err == "No matching distribution\n"


@pytest.mark.parametrize(
    "name", ["PIP_TARGET", "PIP_USER", "PIP_DRY_RUN", "PIP_REQUIRE_HASHES", "UV_PYTHON", "PYTHONHOME"]
)
def test_a_variable_that_installs_elsewhere_or_otherwise_is_left_out(monkeypatch, name):
    monkeypatch.setenv(name, "x")

    assert name not in bootstrap._variables()


@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "PIP_NO_CACHE_DIR", "UV_DEFAULT_INDEX", "HTTPS_PROXY", "PIP_CERT"])
def test_a_variable_that_says_how_packages_are_reached_counts(monkeypatch, name):
    monkeypatch.setenv(name, "x")

    assert bootstrap._variables()[name] == "x"

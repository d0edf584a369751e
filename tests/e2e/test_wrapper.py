"""
The wrapper at the root of a clone, with an installer that takes no time.

The installers themselves are proven by each run of this suite with `./muster test`: it would not run without one.
"""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 300
"""Whatever takes longer has failed."""

UV = """#!/bin/sh
echo "uv $*" >> "$INSTALLS"
echo "noise of the installer"
for last; do :; done
case "$1 $3" in
    "venv "*) mkdir -p "$last/bin" && exec ln -s "$PYTHON" "$last/bin/python" ;;
esac
[ -z "$DIE" ] || kill -9 $PPID
[ -z "$FAIL" ] || exit 1
python="$4"; bin="$(dirname "$python")"
for tool in muster pytest ruff mypy lint-imports; do
    printf '#!%s\\nimport sys, os\\nprint("%s", *sys.argv[1:], "in", os.getcwd(), flush=True)\\n' "$python" "$tool" \\
        > "$bin/$tool"
    echo 'sys.exit(3 if "mypy" not in sys.argv[0] else 0)' >> "$bin/$tool"
    chmod +x "$bin/$tool"
done
"""


@pytest.fixture
def place():
    """A directory that other accounts may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="muster-wrapper-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture
def clone(place):
    """What the wrapper needs of a clone, and no environment yet."""
    clone = place / "clone"
    for name in ("muster", "pyproject.toml", "requirements-clone.lock", "requirements-dev.lock"):
        clone.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    for name in ("__init__.py", "dev_stack/__init__.py", "dev_stack/bootstrap.py"):
        (clone / "shared" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "shared" / name, clone / "shared" / name)
    return clone


@pytest.fixture
def environ(place):
    """An environment with nothing on PATH but our uv and the system's programs."""
    programs = place / "programs"
    programs.mkdir()
    (programs / "uv").write_text(UV)
    (programs / "uv").chmod(0o755)
    return {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(place / "home"),
        "INSTALLS": str(place / "installs"),
        "PYTHON": sys.executable,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture
def call(clone, environ, place):
    """Call the wrapper from some other directory."""

    def call(*arguments, **variables):
        return subprocess.run(
            [sys.executable, clone / "muster", *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            cwd=place,
            env={**environ, **variables},
        )

    return call


def installs(environ):
    path = Path(environ["INSTALLS"])
    return path.read_text().splitlines() if path.exists() else []


def test_the_first_call_installs_and_becomes_the_command(call, environ, clone, place):
    """The status is the command's, and stdout carries nothing but what it says."""
    ran = call("status", "--json")

    assert (ran.returncode, ran.stdout) == (3, f"muster status --json in {place}\n")
    assert "installing" in ran.stderr
    assert f"--require-hashes -r {clone}/requirements-clone.lock" in installs(environ)[1]
    assert f"--no-deps --no-build-isolation -e {clone}" in installs(environ)[2]


def test_the_second_call_installs_nothing(call, environ):
    """What stands is used as it is, without a word."""
    call("status")
    before = installs(environ)

    again = call("status")

    assert (again.returncode, again.stderr) == (3, "")
    assert before == installs(environ)


def test_other_requirements_are_installed_into_what_stands(call, environ, clone):
    """A pull may have changed the lock."""
    call("status")
    with (clone / "requirements-clone.lock").open("a") as lock:
        lock.write("# changed\n")

    call("status")

    assert [line.split()[1] for line in installs(environ)] == ["venv", "pip", "pip", "pip", "pip"]


def test_test_installs_what_tests_need_and_runs_pytest_in_the_clone(call, environ, clone):
    """Wherever it is called from; the other commands need no second install after it."""
    ran = call("test", "-k", "a name")
    before = installs(environ)
    call("status")

    assert (ran.returncode, ran.stdout) == (3, f"pytest -k a name in {clone}\n")
    assert any("requirements-dev.lock" in line for line in before)
    assert before == installs(environ)


def test_all_tests_are_shared_out_among_processes(call, clone):
    """Named tests run in one process, where a debugger can stop."""
    ran = call("test")

    assert ran.stdout == f"pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder in {clone}\n"


def test_bench_runs_in_the_clone_with_what_tests_need(call, environ, clone):
    """There it finds its programs, which no wheel has."""
    ran = call("bench", "--help")

    assert "No module named 'tests'" in ran.stderr  # this clone has none
    assert any("requirements-dev.lock" in line for line in installs(environ))


def test_check_runs_every_linter_in_the_clone(call, clone):
    """Also after one has found something; the status says that one has."""
    ran = call("check")

    tools = ("ruff check .", "ruff format --check .", "mypy", "lint-imports --no-cache")
    assert (ran.returncode, ran.stdout) == (1, "".join(f"{tool} in {clone}\n" for tool in tools))


def test_a_call_that_was_killed_while_installing_is_made_up_for(call, environ):
    """What it left is not taken for an environment."""
    killed = call("status", DIE="1")
    ran = call("status")

    assert killed.returncode == -9
    assert ran.returncode == 3
    assert [line.split()[1] for line in installs(environ)] == ["venv", "pip", "venv", "pip", "pip"]


def test_two_calls_at_once_install_once(clone, environ):
    """One installs, the other waits for it."""
    command = [sys.executable, str(clone / "muster"), "status"]
    calls = [subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for each in calls:
        each.communicate(timeout=SECONDS)

    assert [each.returncode for each in calls] == [3, 3]
    assert len(installs(environ)) == 3


def test_an_environment_whose_python_is_gone_is_made_again(call, environ, clone):
    """An upgrade of the system may have removed the Python it was made of."""
    call("status")
    (clone / ".venv" / "bin" / "python").unlink()

    assert call("status").returncode == 3
    assert len(installs(environ)) == 6


def test_a_clone_that_was_moved_gets_another_environment(call, clone, environ, place):
    """The old one points to where the code was."""
    call("status")
    moved = clone.rename(place / "moved")

    subprocess.run([sys.executable, moved / "muster", "status"], env=environ, check=False, capture_output=True)

    assert f"-e {moved}" in installs(environ)[-1]


@pytest.fixture
def without_ensurepip(place):
    """A directory on Python's path that hides it: what it makes costs as much as all other tests here."""
    (place / "hiding").mkdir()
    (place / "hiding" / "sitecustomize.py").write_text("import sys; sys.modules['ensurepip'] = None\n")
    return str(place / "hiding")


def test_an_installer_that_fails_is_not_the_last_word(call, environ, clone, without_ensurepip):
    """The next one is tried; with none left the reason is shown, and nothing half-made is used."""
    (clone / "requirements-clone.lock").write_text("no-such-package==0 --hash=sha256:" + 64 * "0" + "\n")

    ran = call("status", FAIL="1", PYTHONPATH=without_ensurepip, PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)

    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "uv did not manage" in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("what Muster needs could not be installed")
    assert call("status").returncode == 3


def test_a_clone_that_cannot_be_written_uses_the_users_cache(clone, environ, place):
    """And leaves no trace in the clone."""
    as_other_user = _as_other_user()
    cache = place / "cache"
    cache.mkdir()
    installs = Path(environ["INSTALLS"])
    installs.touch()
    for each in (cache, installs):
        each.chmod(0o777)
    clone.chmod(0o555)
    before = sorted(clone.rglob("*"))

    ran = subprocess.run(
        [*as_other_user, clone / "muster", "status"],
        env={**environ, "PYTHON": as_other_user[-1], "XDG_CACHE_HOME": str(cache)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout) == (3, "muster status in /\n"), ran.stderr
    assert list(cache.glob("muster/*/venv/muster-installed"))
    assert before == sorted(clone.rglob("*"))


def _as_other_user():
    """How to run Python as a user who may not write everywhere, as root may."""
    if os.geteuid() != 0:
        return [sys.executable]
    switch = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3"]
    new_enough = "import sys; sys.exit(sys.version_info < (3, 11))"
    if not shutil.which("setpriv") or subprocess.run([*switch, "-c", new_enough], check=False).returncode:
        pytest.skip("root may write everywhere, and there is no Python 3.11 that another account could run")
    return switch


def test_an_old_python_is_told_so():
    """In one line, by a file that it can parse."""
    wrapper = (ROOT / "muster").read_text()
    program = "import sys; sys.version_info, sys.version = (3, 7, 9), '3.7.9 (old)'; exec(sys.stdin.read())"

    ran = subprocess.run([sys.executable, "-c", program], input=wrapper, capture_output=True, text=True, check=False)

    assert ast.parse(wrapper, feature_version=(3, 4))
    assert ran.returncode == 1
    assert ran.stderr.startswith("Muster needs Python 3.11 or newer, and this is 3.7.9: ")
    assert ran.stderr.count("\n") == 1

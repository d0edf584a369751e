"""
From a fresh clone to a running command, with nothing but the standard library.

The environment stands in `.venv` beside the code, or in the user's cache where the clone cannot be written. Two files
beside it keep it whole: one is locked while it is made, the other exists while it is not finished.

As a program, `python3 -m shared.dev_stack.bootstrap TOOL …` runs one development tool (ruff, mypy, …) from it.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parents[2]
COMMANDS, DEVELOPMENT = "requirements-clone.lock", "requirements-dev.lock"
"""What every command of a clone needs, `up` and `seed` among them; what its tests and its linters need besides."""
SHARED_OUT = ("--numprocesses=4", "--dist=loadfile", "--no-loadscope-reorder")
"""In how many processes pytest runs all tests: two a core of two, as tests often wait, each with its own servers."""
LINTERS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports", "--no-cache"))
REPORT_SECONDS = 3.0
"""The pause between two lines about an installation."""
STEERS = re.compile(r"(PIP|UV)_|PYTHON.").match
REACHES = re.compile(r"(PIP|UV)_.*(INDEX|FIND_LINKS|HOST|CERT|TLS|PROXY|TIMEOUT|RETRIES|CACHE|CONFIG|PROVIDER)").match
"""Variables of installers and of Python, and those that say how to get at packages."""
HowFar = Callable[[Sequence[str]], str]
"""Says how far an installer is, by the lines that it has said."""
HINT = (
    "Muster cannot install what it needs: there is neither uv, nor pip, nor Python's ensurepip. "
    "On Debian and Ubuntu: apt install python3-venv. Elsewhere: install pip or uv for this Python."
)


class InstallError(Exception):
    """The environment could not be made; the text says why and what to do."""


class Environment(NamedTuple):
    """The place of the environment, with the files that keep it whole."""

    venv: Path

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """The fingerprint of the packages that were installed."""
        return self.venv / "muster-installed"

    @property
    def lock(self) -> Path:
        return self.venv.with_name(f"{self.venv.name}.lock")

    @property
    def unfinished(self) -> Path:
        return self.venv.with_name(f"{self.venv.name}.unfinished")

    def has(self, requirements: str) -> bool:
        """Whether the environment is whole and holds these requirements."""
        if self.unfinished.exists() or not self.python.exists() or not self.stamp.exists():
            return False
        return fingerprint(requirements, self.venv) in self.stamp.read_text().splitlines()


def main(arguments: Sequence[str]) -> NoReturn:
    """Become `muster` with these arguments; `check`, `test` and `bench` exist only in a clone."""
    match arguments:
        case ["check"]:
            check()
        case ["test", *chosen]:
            run_tool(["pytest", *(chosen or SHARED_OUT)])
        case ["bench", *chosen]:
            run_tool(["python", "-m", "tests.benchmarks.run", *chosen])
        case _:
            _become(_ready_environment(COMMANDS), "muster", arguments)


def check() -> NoReturn:
    """Run every linter in the clone, also after one has found something."""
    environment = _ready_environment(DEVELOPMENT)
    runs = [_called(environment, *linter) for linter in LINTERS]
    sys.exit(int(any(runs)))


def run_tool(command: Sequence[str]) -> NoReturn:
    """Become a development tool, in the clone."""
    environment = _ready_environment(DEVELOPMENT)
    os.chdir(ROOT)
    tool, *arguments = command
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each process of the suite would compile all tests anew
    if tool == "pytest" and not os.access(ROOT, os.W_OK):
        arguments = ["-p", "no:cacheprovider", *arguments]
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(environment.venv.with_name("hypothesis"))
    _become(environment, tool, arguments)


def _called(environment: Environment, program: str, *arguments: str) -> int:
    """Run an installed program in the clone and return its exit status."""
    return subprocess.run([environment.venv / "bin" / program, *arguments], check=False, cwd=ROOT).returncode


def _become(environment: Environment, program: str, arguments: Sequence[str]) -> NoReturn:
    """Turn into an installed program, so that signals and the exit status are its own."""
    path = str(environment.venv / "bin" / program)
    os.execv(path, [path, *arguments])  # noqa: S606 - no shell is wanted in between


def fingerprint(requirements: str, venv: Path) -> str:
    """Name what an environment is made from; moving either directory makes it useless."""
    digest = hashlib.sha256(f"{ROOT}\0{venv}\0".encode())
    for name in (requirements, "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return f"{requirements} {digest.hexdigest()}"


def _ready_environment(requirements: str) -> Environment:
    try:
        return ready_environment(requirements)
    except InstallError as error:
        sys.exit(str(error))


def ready_environment(requirements: str) -> Environment:
    """
    Return the environment with these requirements; make or mend it if need be.

    :raises InstallError: that is not possible.
    """
    beside = Environment(ROOT / ".venv")
    if beside.has(requirements):
        return beside
    environment = beside if os.access(ROOT, os.W_OK) else _cached_environment()
    if not environment.has(requirements):
        with _locked(environment):
            if not environment.has(requirements):  # another call may have made it meanwhile
                _install(environment, requirements)
    return environment


def _cached_environment() -> Environment:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    directory = cache / "muster" / hashlib.sha256(str(ROOT).encode()).hexdigest()[:16]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InstallError(
            f"neither {ROOT} nor {directory} can be written ({error.strerror}): name a directory in XDG_CACHE_HOME"
        ) from error
    return Environment(directory / "venv")


@contextmanager
def _locked(environment: Environment) -> Iterator[None]:
    with environment.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another call of muster is installing; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(environment: Environment, requirements: str) -> None:
    if environment.unfinished.exists() or not environment.python.exists():
        shutil.rmtree(environment.venv, ignore_errors=True)  # what a killed call has left
    environment.unfinished.touch()
    _first_that_works(environment, requirements)
    done = {COMMANDS, requirements}  # the environment for development has what the commands need, too
    environment.stamp.write_text("".join(fingerprint(each, environment.venv) + "\n" for each in done))
    environment.unfinished.unlink()


def _first_that_works(environment: Environment, requirements: str) -> None:
    installers = list(_installers())
    if not installers:
        raise InstallError(HINT)
    for name, install in installers:
        _say(f"installing into {environment.venv} with {name}; this happens once")
        try:
            return install(environment, ROOT / requirements)
        except subprocess.CalledProcessError as error:
            _say(f"{name} did not manage ({error})")
            shutil.rmtree(environment.venv, ignore_errors=True)
    raise InstallError("what Muster needs could not be installed: see above; is PyPI, or a mirror of it, within reach?")


def _installers() -> Iterator[tuple[str, Callable[[Environment, Path], None]]]:
    """Yield the ways there are on this machine, the fastest first."""
    if uv := shutil.which("uv"):
        yield "uv", lambda environment, lock: _with_uv(uv, environment, lock)
    if find_spec("ensurepip"):
        yield "venv and pip", _with_ensurepip
    if find_spec("pip"):  # Debian leaves ensurepip to a package of its own, and forbids pip outside of environments
        yield "pip", _with_this_pip


def _with_uv(uv: str, environment: Environment, lock: Path) -> None:
    if not environment.python.exists():
        _run(uv, "venv", "--quiet", "--no-project", "--python", sys.executable, environment.venv)
    install = (uv, "pip", "install", "--python", environment.python)
    # Compiled once here, not by three processes at once when they start, or at every start where they may not write.
    _run(*install, "--compile-bytecode", "--require-hashes", "-r", lock, how_far=_packages(environment, lock))
    _run(*install, "--no-deps", "--no-build-isolation", "-e", ROOT)


def _with_ensurepip(environment: Environment, lock: Path) -> None:
    _run(sys.executable, "-I", "-m", "venv", environment.venv)
    _with_pip(environment.python, "-I", "-m", "pip", environment=environment, lock=lock)


def _with_this_pip(environment: Environment, lock: Path) -> None:
    _run(sys.executable, "-I", "-m", "venv", "--without-pip", environment.venv)
    pip = (sys.executable, "-I", "-m", "pip", "--python", environment.python)
    _with_pip(*pip, environment=environment, lock=lock)


def _with_pip(*pip: str | Path, environment: Environment, lock: Path) -> None:
    install = (*pip, "install", "--progress-bar=off", "--no-input", "--disable-pip-version-check")
    _run(*install, "--require-hashes", "-r", lock, how_far=_packages(environment, lock))
    _run(*install, "--no-deps", "--no-build-isolation", "-e", ROOT)


def _packages(environment: Environment, lock: Path) -> HowFar:
    """Return what says how many of the packages are fetched or installed; installers say nothing while they install."""
    wanted = len(re.findall(r"^[\w.\[\]-]+==", lock.read_text(), re.MULTILINE))
    before = _installed(environment)

    def how_far(said: Sequence[str]) -> str:
        needed = wanted - _begin(said, "Ignoring ")
        if installed := _installed(environment) - before:
            return f"{installed} of {needed} packages are installed"
        fetched = _begin(said, "Collecting ", "Processing ", "Requirement already satisfied")
        doing = [line for line in said if not line.startswith("WARNING")]
        return f"{fetched} of {needed} packages are fetched" + (f": {doing[-1].strip()[:100]}" if doing else "")

    return how_far


def _begin(lines: Sequence[str], *words: str) -> int:
    return sum(line.startswith(words) for line in lines)


def _installed(environment: Environment) -> int:
    return sum(1 for _ in environment.venv.glob("lib/python*/site-packages/*.dist-info"))


def _environment(_: Sequence[str]) -> str:
    return "the environment is being made"


def _run(*command: str | Path, how_far: HowFar = _environment) -> None:
    """
    Run a part of an installation; say on stderr every few seconds how far it is, and all that it said if it fails.

    :raises subprocess.CalledProcessError: it failed.
    """
    said: list[str] = []
    started = time.monotonic()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=_variables(),
    ) as process:
        listener = threading.Thread(target=_listen, args=(process.stdout, said), daemon=True)
        listener.start()
        try:
            while (status := _ended(process)) is None:
                _say(f"{how_far(said)} ({time.monotonic() - started:.0f} s)")
        except BaseException:
            process.kill()
            raise
        listener.join()
    if status:
        sys.stderr.writelines(said)
        raise subprocess.CalledProcessError(status, command)


def _listen(lines: Iterable[str] | None, said: list[str]) -> None:
    for line in lines or ():
        said.append(line)  # noqa: PERF402 - one by one, as they come


def _ended(process: subprocess.Popen[str]) -> int | None:
    """Return the status of a process that ends soon, None if it does not."""
    try:
        return process.wait(REPORT_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _variables() -> dict[str, str]:
    """Return the environment without what would install otherwise, or somewhere else: how PyPI is reached remains."""
    return {name: text for name, text in os.environ.items() if not STEERS(name) or REACHES(name)}


def _say(line: str) -> None:
    print(f"muster: {line}", file=sys.stderr, flush=True)  # noqa: T201 - there is nothing to log with yet


if __name__ == "__main__":
    run_tool(sys.argv[1:])

"""
The how-tos do what they say: their steps are applied to one copy of the repository, and everything stays green.

A step is a code block below a line such as "New file `path`:" or "In `path`, after `line`:"; it may also stand at the
end, before a line, instead of it, or after each. Lines are compared without the blanks around them, and stand once in
their file unless each is meant.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis.configuration import storage_directory

from tests.support.pages import ROOT, Example, examples_of, is_as_shown, outputs
from tests.support.stack import environment, running_stack

PAGES = (
    "add-a-command",
    "add-an-event",
    "change-an-event",
    "add-a-projection",
    "add-an-inbound-adapter",
    "add-an-outbound-adapter",
)
"""In the order in which they are followed: a later page may build on an earlier one."""
MOST_FILES = {
    "add-a-command": 3,
    "add-an-event": 7,
    "change-an-event": 4,
    "add-a-projection": 8,
    "add-an-inbound-adapter": 5,
    "add-an-outbound-adapter": 3,
}
"""Files of the product that a page may touch, its tests and docs left out."""
STEP = re.compile(
    r"^(?P<how>New file|In) `(?P<path>[^`]+)`(?:, (?P<where>at the end|before|after|after each|instead of)"
    r"(?: `(?P<line>[^`]+)`)?)?:\n\n"
    r"```\w+\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
AROUND = {
    "before": lambda line, text: text + line,
    "after": lambda line, text: line + text,
    "after each": lambda line, text: line + text,
    "instead of": lambda _, text: text,
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change of one file."""

    how: str
    path: str
    where: str | None
    line: str | None
    text: str

    def take(self, code: Path) -> None:
        file = code / self.path
        assert file.exists() == (self.how == "In"), self
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            "".join(self._changed(file.read_text().splitlines(keepends=True)) if file.exists() else self.text)
        )

    def _changed(self, lines: list[str]) -> list[str]:
        if self.where == "at the end":
            return [*lines, self.text]
        places = [nth for nth, line in enumerate(lines) if line.strip() == self.line]
        assert len(places) == 1 or (self.where == "after each" and places), self
        for place in places:
            lines[place] = AROUND[self.where](lines[place], self.text)
        return lines


def page(name):
    return ROOT / f"docs/howto/{name}.md"


def steps_of(name):
    return [Step(**found.groupdict()) for found in STEP.finditer(page(name).read_text())]


PRODUCT = ("write_side", "read_side", "shared", "projector")
TESTS = sorted({step.path for name in PAGES for step in steps_of(name) if step.path.startswith("tests/")})
"""Those of the pages."""
NEW = "clear-profile or not test_every_way_in"
"""Of the ways in, those of the command that a page adds; our own commands are tried without the copy."""
TOOLS = {
    "ruff": ("ruff", "check", "."),
    "format": ("ruff", "format", "--check", "."),
    "types": ("mypy", "--cache-dir", str(ROOT / ".mypy_cache"), *PRODUCT, *TESTS),
    "imports": ("lint-imports", "--no-cache"),
}


class Copy:
    """A copy of the repository in which pages are followed one after the other."""

    def __init__(self, code: Path) -> None:
        self.code = code
        self._git("init", "--quiet")
        self._commit("what there is")
        self.touched = {name: self._follow(name) for name in PAGES}

    def _follow(self, name):
        """Apply the page; return the paths it touched, and how much, as `git diff --stat` has them."""
        for step in steps_of(name):
            step.take(self.code)
        self._git("add", "--all")
        stat = self._git("diff", "--cached", "--stat=200")
        self._commit(name)
        return stat

    def _commit(self, message):
        self._git("add", "--all")
        self._git("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "--message", message)

    def _git(self, *arguments):
        return subprocess.run(["git", *arguments], cwd=self.code, check=True, capture_output=True, text=True).stdout

    def run(self, *command):
        """Run a tool of ours in the copy; returns its status and what it printed."""
        ours = str(storage_directory().path)  # with the tables of Unicode, or hypothesis would make them anew for 2 s
        run = subprocess.run(
            [sys.executable, "-m", *command] if command[0] == "pytest" else [_tool(command[0]), *command[1:]],
            cwd=self.code,
            env=environment(PYTHONPATH=str(self.code), HYPOTHESIS_STORAGE_DIRECTORY=ours),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return run.returncode, run.stdout


def _tool(name):
    return str(Path(sys.executable).parent / name)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The copy with all pages applied."""
    code = tmp_path_factory.mktemp("copy")
    ours = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(ours, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, listed):
        if (ROOT / name).exists():
            (code / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, code / name)
    for compiled in ROOT.glob("[!.]*/**/__pycache__"):  # valid, as sources keep their times
        to = code / compiled.relative_to(ROOT)
        shutil.copytree(compiled, to, ignore=shutil.ignore_patterns("*.pyc.*"))  # others write meanwhile
    return Copy(code)


@pytest.fixture(scope="module")
def followed(copy):
    """Every example with its output, by page; their stack is one, on which a later page finds what earlier ones did."""
    if shutil.which("curl") is None:
        pytest.skip("the pages use curl, and there is none")
    with running_stack(is_forked=True, PYTHONPATH=str(copy.code)) as stack, stack.database() as database:

        def follow(name):
            [[head]] = database.execute("select coalesce(max(position), 0) from event_log").fetchall()
            examples = [_further_on(each, by=head) for each in examples_of(page(name))]
            return list(zip(examples, outputs(examples, stack, code=copy.code), strict=True))

        return {name: follow(name) for name in PAGES}


def _further_on(example, *, by):
    """Give an example the positions that it has on a log that is not empty."""

    def moved(text):
        return re.sub(r'((?:position|events)["=: ]+)(\d+)', lambda found: f"{found[1]}{int(found[2]) + by}", text)

    return Example(command=moved(example.command), output=moved(example.output))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_touches_few_files(copy, name):
    """As `git diff --stat` of the copy counts them; `-rP` shows it."""
    stat = copy.touched[name]
    sys.stdout.write(stat)
    files = [line.split("|")[0].strip() for line in stat.splitlines()[:-1]]
    product = [file for file in files if not file.startswith(("tests/", "docs/"))]

    assert len(product) <= MOST_FILES[name], stat


@pytest.mark.parametrize("tool", TOOLS)
def test_the_copy_is_as_clean_as_ours(copy, tool):
    status, said = copy.run(*TOOLS[tool])

    assert status == 0, said


def test_the_copy_passes_the_tests_of_the_pages(copy):
    """A new command comes by every way in, too: by HTTP and its document, in streams, by the bus and from the shell."""
    files = {*TESTS, "tests/architecture/test_contract.py", "tests/contract/test_every_way_in.py"}
    status, said = copy.run("pytest", "-q", "-rp", "-p", "no:cacheprovider", "-k", NEW, *sorted(files))

    assert status == 0, said
    assert len(re.findall(r"^PASSED .*test_every_way_in.*\[clear-profile\]$", said, re.MULTILINE)) == 5


@pytest.mark.parametrize("name", PAGES)
def test_the_examples_print_what_the_page_shows(followed, name):
    assert followed[name]
    for example, output in followed[name]:
        assert is_as_shown(output, example.output), f"{example.command}\n{output}"


def test_every_page_is_followed():
    assert sorted(PAGES) == sorted(each.stem for each in (ROOT / "docs/howto").glob("*.md"))

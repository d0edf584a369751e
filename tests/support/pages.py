"""The examples of a documentation page, and a shell that follows them."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.dev_stack.supervisor import console_script
from tests.support.stack import Stack, environment

ROOT = Path(__file__).parents[2]
MARKER = "--- the next example ---"
VOLATILE = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "<uuid>",
    r"\b[0-9a-f]{32}\b": "<id>",
    r"\d{4}-\d\d-\d\d": "<day>",
    r"\d\d:\d\d:\d\d(\.\d+)?": "<time>",
    r"(\d+\.\d+)( s\b)": r"<number>\2",
    r'("seconds":)\d+\.\d+': r"\1<number>",
    r'etag: "[\w-]{20}"': 'etag: "<tag>"',
    r"\b\d+(\.\d+)? [kM]?B\b": "<size>",
    r"\s+": " ",
}
"""What differs from run to run, and what stands for it."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A command of a `console` block, and the output that the page shows for it."""

    command: str
    output: str


def examples_of(page: Path) -> list[Example]:
    consoles = re.findall(r"^```console\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [each for console in consoles for each in _examples(console)]


def _examples(text: str) -> Iterator[Example]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, output = re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*)\n(.*)", part, re.DOTALL).groups()
        yield Example(command=command, output=output)


def outputs(examples: Iterable[Example], stack: Stack, *, code: Path = ROOT) -> list[str]:
    """
    Run the examples in one shell against a stack, with `code` as the clone; return what each printed to stdout.

    Progress goes to stderr, and comes only where the machine is slow.
    """
    script = "".join(f"echo '{MARKER}'\n{_at(stack, each.command)}\n" for each in examples)
    run = subprocess.run(
        ["bash", "-c", script],
        env=environment(MUSTER_HOME=str(stack.home), PYTHONPATH=str(code), PATH=os.environ["PATH"]),
        cwd=code,
        stdout=subprocess.PIPE,
        timeout=600,
        check=False,
    )
    return run.stdout.decode().split(f"{MARKER}\n")[1:]


def _at(stack: Stack, command: str) -> str:
    """Lead a command to the stack instead of the default ports and home."""
    instead = {
        "localhost:8001": stack.addresses.write.removeprefix("http://"),
        "localhost:8002": stack.addresses.read.removeprefix("http://"),
        "localhost:8003": stack.addresses.ops.removeprefix("http://"),
        "./muster": shlex.join([sys.executable, console_script()]),
        ".muster/": f"{stack.home}/",
    }
    for written, meant in instead.items():
        command = command.replace(written, meant)
    return command


def is_as_shown(output: str, shown: str) -> bool:
    """Compare, whatever ids, times and sizes there are; `…` stands for anything."""
    pattern = re.escape(_steady(shown)).replace("…", ".*")
    return re.fullmatch(pattern, _steady(output)) is not None


def _steady(text: str) -> str:
    for pattern, instead in VOLATILE.items():
        text = re.sub(pattern, instead, text)
    return text.strip()

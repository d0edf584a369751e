"""Every promise names the tests that hold it, and they are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLES = [line for line in (ROOT / "docs/guarantees.md").read_text().splitlines() if line.startswith("| ")]
PROMISES = [line for line in TABLES if not line.startswith("| promise ")]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def functions_of(path):
    """By their names, with what they are marked by, as their module is."""
    tree = ast.parse((ROOT / path).read_text())
    assigned = [ast.unparse(each) for each in tree.body if isinstance(each, ast.Assign)]
    of_all = [each for each in assigned if each.startswith("pytestmark")]
    functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {each.name: [*of_all, *map(ast.unparse, each.decorator_list)] for each in functions}


def is_tried_at_night_alone(path, name):
    marks = [each for each in functions_of(path)[name] if "parametrize" not in each]
    return any(re.search(r"\b(soak|at_night)\b", mark) for mark in marks)


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_is_held_by_tests(promise):
    named = NAMED.findall(promise)

    assert named != []
    assert [(path, name) for path, name in named if name not in functions_of(path)] == []
    assert ("† |" in promise) == all(is_tried_at_night_alone(*each) for each in named)


def test_promises_are_found():
    """Otherwise the test above would prove nothing."""
    assert len(PROMISES) > 20

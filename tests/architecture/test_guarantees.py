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
def functions_in(path):
    return {each.name for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, FUNCTIONS)}


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def is_tried_at_night_alone(path, name):
    tree = ast.parse((ROOT / path).read_text())
    assigned = [each for each in tree.body if isinstance(each, ast.Assign)]
    marks = [ast.unparse(each) for each in assigned if ast.unparse(each).startswith("pytestmark")]
    tests = [each for each in ast.walk(tree) if isinstance(each, FUNCTIONS) and each.name == name]
    marks += [mark for each in tests for mark in map(ast.unparse, each.decorator_list) if "parametrize" not in mark]
    return any(re.search(r"\b(soak|at_night)\b", mark) for mark in marks)


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_is_held_by_tests(promise):
    named = NAMED.findall(promise)

    assert named != []
    assert [(path, name) for path, name in named if name not in functions_in(ROOT / path)] == []
    assert ("† |" in promise) == all(is_tried_at_night_alone(*each) for each in named)


def test_promises_are_found():
    """Otherwise the test above would prove nothing."""
    assert len(PROMISES) > 20

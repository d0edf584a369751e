"""Tests in a browser wait for what a page is to show: a look that is taken once may come before it."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
WITHOUT_WAITING = {
    *("all", "bounding_box", "content", "count", "evaluate", "evaluate_all", "get_attribute", "input_value", "title"),
    *("all_inner_texts", "all_text_contents", "inner_html", "inner_text", "text_content"),
    *("is_checked", "is_disabled", "is_editable", "is_enabled", "is_hidden", "is_visible"),
}
"""Of playwright's pages and locators; what is done by `evaluate`, and gives nothing back, is no look."""


def looks(source):
    """The lines on which a page is looked at once."""
    tree = ast.parse(source)
    done = {each.value for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    calls = {each: each.value for each in ast.walk(tree) if isinstance(each, ast.Await) and each not in done}
    names = {
        each.lineno: getattr(call.func, "attr", None) for each, call in calls.items() if isinstance(call, ast.Call)
    }
    return [line for line, name in names.items() if name in WITHOUT_WAITING]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("assert await page.locator('h1').is_visible()", [1]),
        ("texts = (await page.locator('p').all_inner_texts())[:2]", [1]),
        ("await expect(page.locator('h1')).to_be_visible()", []),
        ("await page.evaluate('setTimeout = () => 0')", []),
    ],
)
def test_looks_are_found(line, found):
    assert looks(line) == found


def test_no_test_looks_once():
    """But by what `tests/support/browser.py` has, which waits before it measures."""
    in_browsers = [each for each in TESTS.rglob("test_*.py") if "from tests.support.browser import" in each.read_text()]

    assert len(in_browsers) >= 4
    assert {each.name: found for each in in_browsers if (found := looks(each.read_text()))} == {}

"""
The tutorial does what it says: every command of `docs/quickstart.md` is run, and prints what the page shows.

It begins with an empty log, so it is followed before all else that is done on the stack.
"""

import shutil

import pytest

from tests.support.pages import ROOT, examples_of, is_as_shown, outputs

EXAMPLES = examples_of(ROOT / "docs/quickstart.md")


@pytest.fixture(scope="module")
def printed(stack):
    """The output of each example, of all in their order."""
    if shutil.which("curl") is None:
        pytest.skip("the tutorial uses curl, and there is none")
    return outputs(EXAMPLES, stack)


def test_examples_are_found(printed):
    assert len(printed) == len(EXAMPLES) > 15


@pytest.mark.parametrize("nth", range(len(EXAMPLES)), ids=lambda nth: EXAMPLES[nth].command[:40])
def test_an_example_prints_what_the_page_shows(printed, nth):
    assert is_as_shown(printed[nth], EXAMPLES[nth].output), printed[nth]

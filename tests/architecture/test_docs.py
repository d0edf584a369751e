"""The pages of the documentation: short where promised, linked to what is there, decisions dated."""

import re

from tests.support.pages import ROOT, examples_of

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
ROOMS = "write_side|projector|read_side|shared|tests|docs"
MADE_BY_HOWTOS = {
    name
    for page in (ROOT / "docs/howto").glob("*.md")
    for name in re.findall(r"^New file `([^`]+)`", page.read_text(), re.MULTILINE)
}
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))


def anchors(page):
    """Those that a Markdown page gives its headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere():
    links = [(page, link) for page in PAGES for link in links_in(page)]

    assert [(str(page), link) for page, link in links if not is_there(page, link)] == []


def links_in(page):
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\((?!https?:)([^)]*)\)", prose)


def is_there(page, link):
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def test_named_files_are_there():
    """A path in code style names a file or folder of the repository."""
    text = "\n".join(page.read_text() for page in PAGES)
    named = set(re.findall(rf"`((?:{ROOMS})/[\w./-]*\w/?)(?:::\w+)?`", text))

    assert {name for name in named - MADE_BY_HOWTOS if not (ROOT / name).exists()} == set()


def test_the_readme_is_short():
    assert len(README.read_text().split()) <= 700


def test_the_readme_shows_examples_of_the_tutorial():
    """Which are run by `tests/e2e/test_quickstart.py`."""
    tutorial = examples_of(ROOT / "docs/quickstart.md")

    assert [each for each in examples_of(README) if each not in tutorial] == []
    assert len(examples_of(README)) == 3


def test_a_decision_has_number_date_and_status():
    for decision in DECISIONS:
        title, _, status, *_ = decision.read_text().splitlines()

        assert title.startswith(f"# {decision.name[:3]} ")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d · (accepted|superseded by \[\d{3}\]\(.*\)).*", status), title

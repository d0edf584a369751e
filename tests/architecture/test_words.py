"""One word for one thing: what the glossary marks † stands in no code, test or page, and a class name stands once."""

import re
import subprocess
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs/glossary.md"
HASHES = ROOT / "tests/generators/package-lock.json"
WRITTEN = {".py", ".md", ".toml", ".yaml", ".yml", ".html", ".js", ".css", ".json", ".sql", ".acl", ".c"}
PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
"""The words of prose and of identifiers, which are split at underscores and humps."""
CLASS = re.compile(r"^ *class (\w+)[(:]", re.MULTILINE)

NO_SUBJECTS = {"he", "him", "his", "himself", "whoever", "somebody", "someone"}
"""A sentence has a subject that does something: the caller, the account, the processor, they."""
ALLOWED = {
    "CHANGELOG.md": {"canary", "sheet", "swept"},  # says what they are called now
    "docs/decisions/010-lists-are-ordered-bytes.md": {"sheet"},  # as in the key
    "projector/folding/parking.py": {"swept"},  # a field as it is stored
    "read_side/adapters/redis/transport/batcher.py": {"sweeps"},  # likewise
    "shared/client/groups.py": {"whoever"},  # a text of seeded groups: keys of lines are made of it
    "shared/client/people.py": {"he"},  # a locale
    "shared/read_model/keys.py": {"sheet"},  # the key changes with the layout
    "shared/read_model/positions.py": {"sweeps"},  # a field as it is stored
    "tests/faults/test_killed_fan_outs.py": {"sweeps"},  # looks for that field
    "tests/unit/projector/test_fan_outs.py": {"sweeps"},  # likewise
}
"""Names that are stored, and words that are no names of ours."""

SEEN_IN_LAYERS = {
    "Membership",  # the aggregate, and half of a member's card
}


def files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    ours = [ROOT / name for name in listed if Path(name).suffix in WRITTEN]
    return [each for each in ours if each.exists() and each not in {GLOSSARY, Path(__file__), HASHES}]


def words(text: str) -> set[str]:
    return {word.lower() for word in PARTS.findall(text)}


def gone() -> set[str]:
    """The words that stand before a † in a cell of the glossary, in both numbers."""
    cells = re.findall(r"\| ([\w, ]+) †", GLOSSARY.read_text())
    named = {word for cell in cells for word in words(cell)}
    return named | {f"{word}s" for word in named} | {word.removesuffix("s") for word in named}


def test_the_glossary_marks_words():
    """Otherwise the next test would prove nothing."""
    assert gone() >= {"steward", "arranging", "feeder", "crew", "tenure", "duty", "brake", "chronicle", "canary"}
    assert gone() >= {"perseverance", "sheet", "shelf", "shelves", "remedies", "sweep", "journey", "tether", "keyring"}


def test_what_is_gone_stays_gone():
    unwanted = gone() | NO_SUBJECTS
    names = {each: str(each.relative_to(ROOT)) for each in files()}
    found = {name: words(f"{name}\n{each.read_text()}") & unwanted for each, name in names.items()}

    left = {name: some for name, each in found.items() if (some := each - ALLOWED.get(name, set()))}

    assert left == {}


def test_a_class_name_stands_once():
    """In the four packages, but for one thing that is seen in several layers."""
    modules = [each for each in files() if each.suffix == ".py" and each.relative_to(ROOT).parts[0] != "tests"]
    counts = Counter(name for each in modules for name in CLASS.findall(each.read_text()))

    assert {name for name, count in counts.items() if count > 1} <= SEEN_IN_LAYERS

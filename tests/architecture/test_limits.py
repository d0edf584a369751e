"""Limits that no setting could change would be constants again."""

import re
from pathlib import Path

from shared.settings.limits import COMPONENTS

ROOT = Path(__file__).parents[2]


def test_the_limits_of_every_component_are_listed():
    """In `shared/settings/limits.py`, where `muster config --limits` finds them."""
    defined = {
        f"{'.'.join(path.relative_to(ROOT).with_suffix('').parts)}:{name}"
        for package in ("shared", "write_side", "projector", "read_side")
        for path in (ROOT / package).rglob("*.py")
        for name in re.findall(r"^class (\w+Limits)\b", path.read_text(), re.MULTILINE)
    } - {"shared.settings.limits:ChangedLimits"}

    assert defined == set(COMPONENTS)

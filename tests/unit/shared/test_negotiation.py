"""What a client accepts (RFC 9110, section 12.5.1)."""

import pytest

from shared.http.parsing.negotiation import require_acceptable
from shared.problems import Refusal


def accepts(*values):
    """Whether Accept headers with these values let an answer of JSON pass."""
    try:
        require_acceptable({"headers": [(b"accept", each.encode()) for each in values]}, "application/json")
    except Refusal:
        return False
    return True


@pytest.mark.parametrize(
    "accept",
    [
        [],
        [""],
        ["*/*"],
        ["application/json"],
        ["APPLICATION/JSON"],
        ["text/html, application/*;q=0.1"],
        ["text/html", "application/json"],
    ],
    ids=str,
)
def test_json_is_accepted(accept):
    """By name or by a range, in one header or in several."""
    assert accepts(*accept)


@pytest.mark.parametrize(
    "accept", ["text/html", "image/*", "*/*;q=0", "nonsense", "application/json;q=0, */*", "application/json;q=0.0"]
)
def test_json_is_left_out(accept):
    """The most specific range that covers it counts."""
    assert not accepts(accept)

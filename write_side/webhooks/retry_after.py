"""When a receiver wants to be asked again, as its `Retry-After` has it (RFC 9110, section 10.2.3)."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_is_seconds = re.compile(r"[0-9]{1,9}").fullmatch


def retry_after(text: str, *, now: datetime) -> float:
    """Return for how many seconds it asks; 0 if for none, or in words that are no seconds and no date."""
    if _is_seconds(text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    return (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()

"""Figures as people read them."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from rich.filesize import decimal

from projector.monitoring.answers import RebuildStatus
from projector.store.generations import Comparison
from shared.wording import counted

UNKNOWN = "unknown"


def as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def number(value: float | None) -> str:
    """Group digits; one decimal place, unless it is a whole number."""
    if value is None:
        return UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def size(octets: int | None) -> str:
    """Give bytes in the unit that fits."""
    return UNKNOWN if octets is None else decimal(octets)


def part_done(rebuild: RebuildStatus) -> str:
    """Give the part of the log that a rebuild has replayed, in per cent."""
    return f"{rebuild.done:.0%}"


def time_left(rebuild: RebuildStatus, *, now: datetime) -> timedelta | None:
    """Extrapolate from the time since the rebuild was ordered; None while that is impossible, or nothing is left."""
    spent, left = now - rebuild.since, 1 - rebuild.done
    if rebuild.done <= 0 or left <= 0 or spent <= timedelta():
        return None
    return timedelta(seconds=round(spent.total_seconds() * left / rebuild.done))


def tally(comparison: Comparison) -> str:
    """Say how many records differ."""
    gone, changed, new = (f"{count:,}" for count in (comparison.gone, comparison.changed, comparison.new))
    return f"of {counted(comparison.records, 'record')} {gone} gone and {changed} changed, {new} new."

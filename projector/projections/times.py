"""When things happened, in the one form that records have."""

from datetime import UTC, datetime

from shared.event_log import RecordedEvent


def moment_of(recorded: RecordedEvent) -> datetime:
    """When it happened, in UTC, whatever time zone the database's session has: the record's bytes depend on it."""
    return recorded.occurred_at.astimezone(UTC)

"""The event log: append-only, read in the order of positions, nothing skipped."""

from shared.event_log.log import (
    EventLog,
    EventLogUnavailable,
    EventLogUnsound,
    EventReader,
    Holder,
    Identity,
    Metadata,
    RecordedEvent,
    UnknownEvent,
)
from shared.event_log.memory import MemoryEventLog

__all__ = [
    "EventLog",
    "EventLogUnavailable",
    "EventLogUnsound",
    "EventReader",
    "Holder",
    "Identity",
    "MemoryEventLog",
    "Metadata",
    "RecordedEvent",
    "UnknownEvent",
]

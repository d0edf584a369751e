"""The event log: append-only, read in the order of positions, nothing skipped."""

from shared.event_log.adapters.memory import MemoryEventLog
from shared.event_log.ports import (
    EventFollower,
    EventLog,
    EventLogUnsound,
    EventReader,
    Holder,
    LogIdentity,
    Metadata,
    RecordedEvent,
    UnknownEvent,
)

__all__ = [
    "EventFollower",
    "EventLog",
    "EventLogUnsound",
    "EventReader",
    "Holder",
    "LogIdentity",
    "MemoryEventLog",
    "Metadata",
    "RecordedEvent",
    "UnknownEvent",
]

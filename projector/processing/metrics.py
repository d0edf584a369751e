"""The projector's metrics; every name carries its unit."""

from prometheus_client import Counter, Gauge, Histogram

_BY = ("projection", "partition")
"""The partition is empty where there is one; Prometheus takes it for a label that is not there then."""
_BY_WHOLE = ("projection",)

LAG_EVENTS = Gauge("muster_projection_lag_events", "Events committed and not yet projected.", _BY)
LAG_SECONDS = Gauge("muster_projection_lag_seconds", "Age of the oldest event not yet projected.", _BY)
CHECKPOINT_POSITION = Gauge("muster_projection_checkpoint_position", "Position of the last event projected.", _BY)
HEAD_POSITION = Gauge("muster_event_log_head_position", "Highest committed position of the event log.")
HELD_SECONDS = Gauge(
    "muster_event_log_held_seconds", "Age of the transaction that keeps the event log from being read further, else 0."
)
STATE = Gauge("muster_projection_state", "1 for the state the projection is in, 0 for the others.", (*_BY, "state"))
PARKED = Gauge(
    "muster_projection_parked_documents", "Documents that are behind because an event of theirs is parked.", _BY
)
EVENTS = Counter("muster_projection_events", "Events projected by this process.", _BY)
FANNED_OUT = Counter("muster_projection_fanned_out_documents", "Documents that a fan-out revised or dropped.", _BY)
SUPERSEDED = Counter("muster_projection_superseded_commits", "Commits that the compare-and-set refused.", _BY)
REBUILD_POSITION = Gauge("muster_rebuild_position", "Position that the generation being built reflects.", _BY)
REBUILD_PROGRESS = Gauge("muster_rebuild_progress_ratio", "Part of the log that it reflects; none without one.", _BY)
REBUILD_HELD = Gauge("muster_rebuild_held", "1 while a rebuild waits to be ordered again or aborted, else 0.", _BY)
READ_PROBE_SECONDS = Gauge(
    "muster_read_probe_seconds", "Time in which the read API last answered for all of the log.", _BY_WHOLE
)
READ_PROBE_FAILURES = Counter(
    "muster_read_probe_failures", "Questions for all of the log that were not answered.", _BY_WHOLE
)
BATCH_EVENTS = Histogram(
    "muster_projection_batch_events", "Events in one commit.", _BY, buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
COMMIT_SECONDS = Histogram(
    "muster_projection_commit_seconds",
    "Time to prefetch, fold and store one commit.",
    _BY,
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
DRIFT = Gauge(
    "muster_drift_records",
    "Records known to differ from PostgreSQL's state; found by sampling, gone once they do not differ any more.",
    _BY_WHOLE,
)
COUNTED = (EVENTS, FANNED_OUT, SUPERSEDED, BATCH_EVENTS, COMMIT_SECONDS)
"""What each projection counts, from nothing on."""


def labels_of(part: str) -> tuple[str, str]:
    """Return the projection and the partition of a part by its label, such as `profiles.3`."""
    projection, _, partition = part.partition(".")
    return projection, partition

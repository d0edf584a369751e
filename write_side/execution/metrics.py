"""What the write side counts and measures; every name carries its unit, and no label is made of what a client sent."""

from prometheus_client import Counter, Histogram

COMMANDS = Counter(
    "muster_commands_total",
    "Commands answered: done, replayed, cancelled, or the problem they met.",
    ("command", "outcome"),
)
COMMAND_SECONDS = Histogram(
    "muster_command_seconds",
    "Time from reading a command to its outcome, further attempts included.",
    ("command",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
RETRIES = Counter(
    "muster_command_retries_total",
    "Units of work that were begun anew, because another attempt could settle what the last one met.",
    ("command",),
)

"""
Baseline: read the log by COPY, decode each event, and do nothing with it.

    python -m tests.benchmarks.baselines.copy_decode < /dev/null

Runs with Muster's own Python, as it decodes Muster's events. MUSTER_DATABASE_URL names the log. Prints the events, the
seconds, and the seconds of CPU.
"""

import json
import os
import time
from typing import Union

import msgspec
import psycopg

from shared.events import EVENTS, Redacted

READ = """
copy (select position, event_id, aggregate, aggregate_id, version, type, schema, data::text, occurred_at
        from event_log order by position) to stdout (format binary)"""
TYPES = ("int8", "uuid", "text", "uuid", "int4", "text", "int4", "text", "timestamptz")


def main() -> None:
    decode = msgspec.json.Decoder(Union[(*EVENTS, Redacted)]).decode
    began, used, count = time.perf_counter(), time.process_time(), 0
    with psycopg.connect(os.environ["MUSTER_DATABASE_URL"]) as connection, connection.cursor().copy(READ) as copy:
        copy.set_types(TYPES)
        for row in copy.rows():
            decode(row[7])
            count += 1
    took, cpu = time.perf_counter() - began, time.process_time() - used
    print(json.dumps({"events": count, "seconds": took, "cpu": cpu}))


if __name__ == "__main__":
    main()

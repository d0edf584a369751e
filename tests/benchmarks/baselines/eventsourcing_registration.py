"""
Baseline: registration with `eventsourcing`, in process: 8 threads, the same two events in one transaction.

    python eventsourcing_registration.py

Its PostgreSQL recorder as it comes, a pool of 10 connections; no HTTP, no state tables, no uniqueness, no idempotency.
Reads from stdin for how many seconds to register, and prints the latencies in milliseconds, an answer a line.
"""

import json
import os
import statistics
import sys
import threading
import time
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

THREADS = 8
at = urlsplit(os.environ["DATABASE_URL"])
os.environ |= {
    "PERSISTENCE_MODULE": "eventsourcing.postgres",
    "POSTGRES_DBNAME": at.path.strip("/"),
    "POSTGRES_HOST": str(at.hostname),
    "POSTGRES_PORT": str(at.port),
    "POSTGRES_USER": str(at.username),
    "POSTGRES_PASSWORD": str(at.password),
    "POSTGRES_POOL_SIZE": "10",
    "POSTGRES_MAX_OVERFLOW": "0",
}


class Account(Aggregate):
    @event("Registered")
    def __init__(self, email: str, handle: str, external_id: str) -> None:
        self.email, self.handle, self.external_id, self.status = email, handle, external_id, "active"


class Profile(Aggregate):
    @event("Created")
    def __init__(self, account_id: UUID, shown: dict) -> None:
        self.account_id, self.shown = account_id, shown


class EventSourcedDirectory(Application):
    def register(self, command: dict) -> UUID:
        account = Account(command.pop("email"), command.pop("handle"), command.pop("external_id"))
        self.save(account, Profile(account.id, command))
        return account.id


def command(name: str) -> dict:
    return json.loads(TEMPLATE.replace("{n}", name))


def register_until(deadline: float, directory: EventSourcedDirectory, taken: list[float]) -> None:
    while (began := time.perf_counter()) < deadline:
        directory.register(command(uuid4().hex[:16]))
        taken.append(1e3 * (time.perf_counter() - began))


def measured(seconds: float, directory: EventSourcedDirectory) -> dict:
    taken: list[float] = []
    began = time.perf_counter()
    threads = [
        threading.Thread(target=register_until, args=(began + seconds, directory, taken)) for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(taken, n=100)
    took = time.perf_counter() - began
    return {"operations": len(taken), "seconds": took, "p50": cuts[49], "p99": cuts[98], "errors": 0}


if __name__ == "__main__":
    TEMPLATE = sys.stdin.readline()
    application = EventSourcedDirectory()
    for line in sys.stdin:
        print(json.dumps(measured(float(line), application)), flush=True)
    application.close()

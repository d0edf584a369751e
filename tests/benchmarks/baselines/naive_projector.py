"""
Baseline: the projector most people write, for the profiles alone.

Rows of the log through the ORM of SQLAlchemy, 500 at a time; for each event the document is read, changed and written
in one MULTI together with index entries and the checkpoint. redis-py with hiredis, one process.

    python naive_projector.py EVENTS

DATABASE_URL names the log, REDIS_URL an empty database. Prints events, seconds, and seconds of CPU.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from redis import Redis
from sqlalchemy import JSON, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

BATCH = 500


class Base(DeclarativeBase):
    pass


class Event(Base):
    __tablename__ = "event_log"

    position: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    aggregate: Mapped[str]
    aggregate_id: Mapped[UUID]
    version: Mapped[int]
    type: Mapped[str]
    schema: Mapped[int]
    data: Mapped[dict] = mapped_column(JSON)
    event_metadata: Mapped[dict] = mapped_column("metadata", JSON)
    occurred_at: Mapped[datetime]


class NaiveProjector:
    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def project(self, event: Event) -> None:
        data, at = event.data, event.occurred_at.isoformat()
        match event.type:
            case "group-created":
                with self.redis.pipeline(transaction=True) as pipe:
                    pipe.set(f"group:{data['group_id']}", json.dumps(data)).set("checkpoint", event.position)
                    pipe.execute()
            case "account-registered":
                document = {**data, "status": "active", "groups": [], "created_at": at}
                self._save({}, document, event)
            case "member-added":
                group = json.loads(self.redis.get(f"group:{data['group_id']}") or "{}")
                self._change(event, lambda old: {"groups": [*old["groups"], {**group, "role": data["role"]}]})
            case "handle-changed":
                self._change(event, lambda _: {"handle": data["new"]})
            case "account-suspended":
                self._change(event, lambda _: {"status": "suspended"})
            case "account-reinstated":
                self._change(event, lambda _: {"status": "active"})
            case _:
                self._change(event, lambda _: {name: text for name, text in data.items() if name != "type"})

    def _change(self, event: Event, change) -> None:
        old = json.loads(self.redis.get(f"profile:{event.data['account_id']}") or "{}")
        self._save(old, {**old, **change(old), "updated_at": event.occurred_at.isoformat()}, event)

    def _save(self, old: dict, new: dict, event: Event) -> None:
        id_ = new["account_id"]
        with self.redis.pipeline(transaction=True) as pipe:
            for entry in set(entries(old)) - set(entries(new)):
                pipe.zrem(entry[0], entry[1])
            for entry in set(entries(new)) - set(entries(old)):
                pipe.zadd(entry[0], {entry[1]: 0})
            if old and old["handle"] != new["handle"]:
                pipe.delete(f"by-handle:{old['handle']}")
            pipe.set(f"by-handle:{new['handle']}", id_)
            pipe.set(f"by-email:{new['email']}", id_)
            pipe.set(f"profile:{id_}", json.dumps(new))
            pipe.set("checkpoint", event.position)
            pipe.execute()


def entries(document: dict) -> Iterator[tuple[str, str]]:
    """Where a person stands in lists: everybody, each tag, each group, each word of the name; sorted by name."""
    if not document or document["status"] != "active" or "display_name" not in document:
        return
    place = f"{document['display_name'].lower()}:{document['account_id']}"
    yield "people", place
    yield from ((f"tag:{tag}", place) for tag in document["tags"])
    yield from ((f"in:{group.get('group_id')}", place) for group in document["groups"])
    yield from (("words", f"{word}:{place}") for word in document["display_name"].lower().split())


def main(limit: int) -> None:
    engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))
    projector = NaiveProjector(Redis.from_url(os.environ["REDIS_URL"]))
    began, used, done, position = time.perf_counter(), time.process_time(), 0, 0
    while done < limit:
        with Session(engine) as session:
            found = session.scalars(
                select(Event).where(Event.position > position).order_by(Event.position).limit(BATCH)
            )
            events = found.all()
            for event in events:
                projector.project(event)
                position = event.position
        if not events:
            break
        done += len(events)
    took, cpu = time.perf_counter() - began, time.process_time() - used
    print(json.dumps({"events": done, "seconds": took, "cpu": cpu}))


if __name__ == "__main__":
    main(int(sys.argv[1]))

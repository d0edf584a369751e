"""Pages of the event log in PostgreSQL, by the indexes that it has: none of them costs an append anything."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, LiteralString, TypeAlias

from projector.monitoring.log_pages import AGGREGATES, SEARCHED, LogPage, LogQuery
from shared.event_log import RecordedEvent
from shared.event_log.adapters.postgres import COLUMNS, recorded_in_row
from shared.postgres.arguments import POSTGRES_LIMITS, PostgresLimits
from shared.postgres.connection import connected, reachable
from shared.postgres.terminate import answered_within

Ask: TypeAlias = Callable[[LiteralString, Mapping[str, Any]], Awaitable[list[Any]]]

_WANTED = """
     where position < %(before)s and position >= %(since)s
       and (%(type)s::text is null or type = %(type)s)
       and (%(correlation)s::text is null or metadata ->> 'correlation' = %(correlation)s)
     order by position desc limit %(limit)s"""
_BY_POSITION: LiteralString = f"select {COLUMNS} from event_log {_WANTED}"  # noqa: S608 - of constants
# Materialized: a planner that expects many events of an aggregate would walk the whole log backwards for them.
_BY_AGGREGATE: LiteralString = f"""
    with found as materialized (
        select position from event_log where aggregate = any(%(aggregates)s) and aggregate_id = %(aggregate)s
         union
        select position from event_log
         where aggregate = 'membership' and data ->> 'account_id' = %(aggregate)s::text)
    select {COLUMNS} from found join event_log using (position) {_WANTED}"""  # noqa: S608
_ONE: LiteralString = f"select {COLUMNS} from event_log where position = %(position)s"  # noqa: S608
_END: LiteralString = "select coalesce(max(position), 0) + 1 from event_log"


class PostgresLogPages:
    """Opens a connection for each question: they are asked while a page is looked at."""

    def __init__(self, url: str, *, postgres: PostgresLimits = POSTGRES_LIMITS) -> None:
        self._url = url
        self._postgres = postgres

    async def page(self, query: LogQuery) -> LogPage:
        async with self._connected() as ask:
            [(end,)] = await ask(_END, {})
            before = end if query.before is None else min(end, query.before)
            since = max(0, before - SEARCHED) if query.is_search else 0
            more = {"before": before, "since": since, "aggregates": list(AGGREGATES), "limit": query.limit + 1}
            rows = await ask(_BY_AGGREGATE if query.aggregate else _BY_POSITION, {**query._asdict(), **more})
        events = [recorded_in_row(each) for each in rows[: query.limit]]
        return LogPage(events, events[-1].position if len(rows) > query.limit else since or None)

    async def event(self, position: int) -> RecordedEvent | None:
        async with self._connected() as ask:
            rows = await ask(_ONE, {"position": position})
        return recorded_in_row(rows[0]) if rows else None

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Ask]:
        async with connected(self._url, autocommit=True, limits=self._postgres) as connection:

            async def ask(query: LiteralString, parameters: Mapping[str, Any]) -> list[Any]:
                with reachable(), answered_within(connection, seconds=self._postgres.answer_seconds):
                    return await (await connection.execute(query, parameters)).fetchall()

            yield ask

"""Pages of any event log, which is read whole for each: for tests, and for trying things out."""

from projector.monitoring.log_pages import LogPage, LogQuery, type_in_log
from shared.event_log import EventLog, RecordedEvent


class MemoryLogPages:
    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def page(self, query: LogQuery) -> LogPage:
        found = [each for each in reversed(await self._events()) if _is_wanted(each, query)]
        page = found[: query.limit]
        return LogPage(page, page[-1].position if len(found) > query.limit else None)

    async def event(self, position: int) -> RecordedEvent | None:
        return next((each for each in await self._events() if each.position == position), None)

    async def _events(self) -> list[RecordedEvent]:
        async with self._log.connect() as reader:
            portions = [portion async for portion in reader.replay(after=0, until=await reader.head())]
        return [each for portion in portions for each in portion]


def _is_wanted(each: RecordedEvent, query: LogQuery) -> bool:
    ids = {each.aggregate_id, getattr(each.event, "account_id", None)}
    return (
        (query.before is None or each.position < query.before)
        and (query.aggregate is None or query.aggregate in ids)
        and query.type in {None, type_in_log(each)}
        and query.correlation in {None, each.metadata.correlation}
    )

"""What fills the generations of each projection of a process, of which the parts share readings of the log."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

from projector.declaring.partitioning import RouteToLabels
from projector.processing.filling import Filler, Reading
from projector.processing.limits import BreakerLimits
from projector.rebuilding.filling.log_filler import FillingLimits, LogFiller
from projector.rebuilding.filling.range_filler import FoldingReading
from projector.rebuilding.filling.shared_reading import LoneReading, SharedReading, SharingFiller
from projector.store.ports import ProjectionStore
from shared.event_log import EventLog
from shared.event_log.adapters.shared_session import SharedSessionLog


class Fillers:
    """Makes one for each store."""

    def __init__(
        self,
        stores: Sequence[ProjectionStore],
        log: EventLog,
        *,
        elsewhere: Reading | None,
        route: RouteToLabels | None,
        limits: FillingLimits,
        breaker: BreakerLimits,
    ) -> None:
        """
        :param elsewhere: reads a long log in another process.
        :param route: the parts that an event concerns, where there are any.
        """
        self._log = log
        self._parts = Counter(each.projection.whole for each in stores)
        self._asked = SharedSessionLog(log)
        self._elsewhere = elsewhere
        self._limits = limits
        self._breaker = breaker
        by_label = {each.projection.label: each for each in stores}
        here = FoldingReading(by_label, log, piece=limits.piece, route=route, breaker=breaker)
        self._here = SharedReading(here, events=limits.events)
        self._shared_elsewhere = (
            SharedReading(elsewhere, events=limits.events, gather=limits.gather) if elsewhere else None
        )

    def of(self, store: ProjectionStore) -> Filler:
        label = store.projection.label
        if store.projection.concerns is None:
            elsewhere = LoneReading(label, self._elsewhere) if self._elsewhere else None
            return LogFiller(store, self._log, elsewhere=elsewhere, limits=self._limits, breaker=self._breaker)
        count = self._parts[store.projection.whole]
        sharing = partial(SharingFiller, label, partitions=count, asked=self._asked)
        return LogFiller(
            store,
            self._asked,
            here=sharing(self._here),
            elsewhere=sharing(self._shared_elsewhere) if self._shared_elsewhere else None,
            partitions=count,
            limits=self._limits,
            breaker=self._breaker,
        )

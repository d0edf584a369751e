"""A projector of many parts that cannot fold some things, for `serve` in a process of its own."""

import svcs

from projector.main import projector_app
from projector.projections.profiles import profiles
from projector.projections.registry import PROJECTIONS
from projector.services import register_redis, register_services
from shared.auth.setup import admit_everyone
from shared.event_log import RecordedEvent
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.read_model.layouts import Layouts
from shared.settings import Settings
from tests.support.bugs import poisoned

UNFOLDABLE = "Cannot be folded"


def create():
    """One on the servers of the settings: a title or a group that is called so is parked."""
    planted = [poisoned(profiles, _is_unfoldable), *PROJECTIONS[1:]]

    def register(registry: svcs.Registry) -> None:
        settings = Settings.here()
        url, log = settings.required("redis_url"), PostgresEventLog.from_settings(settings)
        layouts = Layouts(live=settings.partitions or 1)
        register_services(registry, layouts=layouts)
        register_redis(registry, url=url, log=log, settings=settings, projections=planted, layouts=layouts)

    return projector_app(register, admit_everyone)


def _is_unfoldable(recorded: RecordedEvent) -> bool:
    told = (getattr(recorded.event, field, None) for field in ("title", "name"))
    return UNFOLDABLE in told

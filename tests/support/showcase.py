"""Ops pages with what seldom happens, on adapters in memory, for `serve` in a process of their own."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec

from projector.adapters.memory.deliveries import MemoryGivenUpDeliveries
from projector.adapters.memory.timeline import MemoryTimelineStore
from projector.main import projector_app
from projector.monitoring.answers import Status
from projector.monitoring.deliveries import GivenUpDelivery, WebhookStatus
from projector.monitoring.status_history import StatusHistory
from projector.monitoring.timeline import MINUTES, Figures, LastHour, Point
from projector.parked.answers import ParkedReport
from projector.projections.groups import groups
from projector.projections.stats import stats
from shared.auth.setup import admit_everyone
from shared.clock import SystemClock
from shared.settings import Settings
from tests.support.bugs import of_account, poisoned
from tests.support.folding import PROFILES
from tests.support.histories import nth_id
from tests.support.projectors import HASTE, Surroundings, register_on, with_people

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
AS_SERVED = {
    "clock": SystemClock(),
    "limits": replace(HASTE, poll=0.05),
    "settings": Settings.load({"MUSTER_LIMITS": "monitoring.interval=0.1"}),
}
"""At rest while nothing happens: else a page is shown anew a hundred times a second."""
LIVE, NEW, OLD = (f"01a2{number}e9251a837456a37e46f1d484711c" for number in (1, 2, 3))
SAMPLES = [
    {"kind": "profile", "id": f"01a2{n:04}-1a83-7456-a37e-46f1d484711c", "difference": difference, "fields": fields}
    for n, (difference, fields) in enumerate(
        [("changed", ["display_name", "updated_at", "groups"]), ("gone", []), ("new", []), ("changed", ["tags"])]
    )
]
ERROR = "event 1042 (account-enchanted) is not known to this release: deploy the one that wrote it <b>&amp;</b>"


def generation(name: str, role: str, **more: object) -> dict[str, object]:
    fields = {
        "name": name,
        "role": role,
        "version": 2,
        "checkpoint": 1_041_377,
        "events": 1_041_377,
        "state": "running",
    }
    return {**fields, **more}


def projection(name: str, **more: object) -> dict[str, object]:
    fields = {"name": name, "version": 2, "generation": LIVE, "checkpoint": 1_041_377, "lag_events": 3}
    fields |= {"lag_seconds": 0.4, "state": "running", "error": None, "events_per_second": 812.5}
    return {**fields, "generations": [generation(LIVE, "live")], **more}


def rebuild(phase: str, **more: object) -> dict[str, object]:
    fields = {"generation": NEW, "version": 2, "phase": phase, "position": 1_041_377, "target": 1_041_377}
    fields |= {"events_per_second": 23_410.0, "by": "ada@example", "since": NOW - timedelta(seconds=40)}
    fields |= {"held": None, "comparison": None, "error": None, **more}
    return {**fields, "done": fields["position"] / fields["target"]}


COMPARISON = {"records": 100_000, "new": 2, "gone": 21_000, "changed": 37, "samples": SAMPLES}
STATUS = {
    "head": 1_041_380,
    "projections": [
        projection(
            "profiles",
            rebuild=rebuild("replaying", position=412_000),
            generations=[generation(LIVE, "live"), generation(NEW, "building", state="filling", checkpoint=412_000)],
        ),
        projection(
            "groups",
            rebuild=rebuild("held", held="21000 of 100000 records would be gone", comparison=COMPARISON),
            generations=[generation(LIVE, "live"), generation(NEW, "building", state="filling")],
        ),
        projection("activity", state="stopped", error=ERROR, lag_events=1_000, lag_seconds=75.0, parked=2),
        projection(
            "stats",
            generations=[
                generation(LIVE, "live"),
                generation(OLD, "kept", kept_until=NOW + timedelta(hours=1), comparison={"records": 1, "changed": 1}),
            ],
        ),
    ],
    "held_by": {"position": 1_041_378, "pid": 77, "since": NOW, "text": "held at 1041378 by pid 77 since 12:00"},
    "projectors": [
        {"id": "machine:77:abcdef01", "role": "holder", "since": NOW.isoformat()},
        {"id": "machine:78:abcdef02", "role": "standby", "since": NOW.isoformat()},
    ],
    "error": "Redis does not answer within 1.5 s",
}


PARKED = {
    "parked": [
        {
            "projection": "activity",
            "kind": "activity",
            "id": "01a20000-1a83-7456-a37e-46f1d484711c",
            "stale_since": NOW,
            "waiting": [1_040_002, 1_040_077],
            "failed": [{"position": 1_040_002, "error": "ValueError", "code": "b2c5a3f09d11"}],
        },
        {
            "projection": "activity",
            "kind": "activity",
            "id": "01a20001-1a83-7456-a37e-46f1d484711c",
            "stale_since": NOW,
            "waiting": [1_040_077],
            "failed": [],
        },
    ],
    "skipped": [
        {
            "projection": "activity",
            "position": 977,
            "documents": [["activity", "01a20002-1a83-7456-a37e-46f1d484711c"]],
            "error": "KeyError",
            "reason": "Registered twice by the import of 24 November; see the ticket",
            "by": "ada@example",
            "at": NOW,
        }
    ],
}

DELIVERIES = MemoryGivenUpDeliveries(
    GivenUpDelivery(
        id=nth_id(7),
        reaction="send-verification-mail",
        account_id=nth_id(1),
        position=4_242,
        attempts=82,
        error="the mail server is away (SMTPConnectError)",
        given_up_at=NOW,
    ),
    webhooks=[
        WebhookStatus(name=name, state=state, position=4_242, failures=failures, why=why, since=why and NOW)
        for name, state, failures, why in (
            (
                "a-webhook-with-a-name-as-long-as-any-" + 26 * "x",
                "paused",
                82,
                "it cannot be reached in time",
            ),
            ("billing", "failing", 3, "it answers 302: redirects are not followed"),
            ("search", "active", 0, None),
        )
    ],
)


class Parked:
    """Likewise."""

    async def read(self) -> ParkedReport:
        return msgspec.convert(PARKED, ParkedReport)


class Board:
    """Says the same each time."""

    async def read(self, *, whole: bool = True) -> Status:
        return msgspec.convert(STATUS, Status)

    def measure(self, status: Status) -> None:
        pass


def shows_everything():
    """Everything that can be shown, all at once."""
    around = Surroundings()

    def register(registry):
        register_on(registry, around, **AS_SERVED)
        hour = LastHour(MemoryTimelineStore(*an_hour(datetime.now(UTC))))
        history = StatusHistory(Board(), parked=Parked(), deliveries=DELIVERIES, hour=hour, clock=SystemClock())
        registry.register_value(StatusHistory, history)

    return register


def create():
    return projector_app(admit_everyone, shows_everything())


def create_poisoned():
    """Cannot fold what happens to bob and cyd."""
    around = with_people("ada", "bob", "cyd")
    profiles = poisoned(poisoned(PROFILES, of_account(nth_id(2))), of_account(nth_id(3)))
    projections = (profiles, groups, stats)
    return projector_app(
        admit_everyone,
        lambda registry: register_on(registry, around, projections=projections, **AS_SERVED),
    )


def an_hour(until: datetime) -> list[Point]:
    """An hour with waves, and a gap."""
    names = [each.name for each in msgspec.convert(STATUS, Status).projections]
    minutes = [each for each in range(1, MINUTES) if not 20 < each < 23]
    return [_point(until - timedelta(minutes=each), MINUTES - each, names) for each in reversed(minutes)]


def _point(at: datetime, nth: int, names: list[str]) -> Point:
    waves = {name: 1 + math.sin(nth / 4 + turn) for turn, name in enumerate(names)}
    head = 1_000_000 + 600 * nth
    figures = {name: Figures(head - round(40 * wave), round(40 * wave), wave / 5) for name, wave in waves.items()}
    return Point(at, head, figures)

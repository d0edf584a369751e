"""Answers as the documentation shows them."""

from datetime import UTC, datetime
from uuid import UUID

from projector.api.events import EventReport
from projector.monitoring.answers import Arrangement, GenerationStatus, ProjectionStatus, ProjectorStatus, Status
from projector.monitoring.deliveries import DeliveriesReport, DeliveryRetried, GivenUpDelivery, WebhookStatus
from projector.monitoring.event_effects import EventEffect, TouchedDocument
from projector.monitoring.log_pages import LoggedEvent, LoggedEvents
from projector.parked.answers import FailedEvent, ParkedDocument, ParkedReply, ParkedReport
from shared.event_log import Metadata
from shared.http.openapi.examples import EXAMPLE_ID

_LIVE = "01a22847d0b4744c9f1e6a35c1b0a9d2"
_PARKED = ParkedDocument(
    projection="profiles",
    kind="profile",
    id=EXAMPLE_ID,
    stale_since=datetime(2026, 11, 25, 9, 30, tzinfo=UTC),
    waiting=(1042,),
    failed=(FailedEvent(position=1042, error="KeyError", code="7c1f"),),
)
_GIVEN_UP = GivenUpDelivery(
    id=UUID("5f0e2c1a-6f0d-5b5e-9a55-0c1d2e3f4a5b"),
    reaction="send-verification-mail",
    account_id=UUID(EXAMPLE_ID),
    position=1042,
    attempts=1,
    error="refused: 550",
    given_up_at=datetime(2026, 11, 25, 9, 30, tzinfo=UTC),
)
_WEBHOOK = WebhookStatus(
    name="billing",
    state="paused",
    position=1042,
    failures=0,
    why="it answers 410: it is gone",
    since=datetime(2026, 11, 25, 9, 30, tzinfo=UTC),
)
_EVENT = LoggedEvent(
    position=1042,
    event_id=UUID("01a22846-1825-7634-9a98-e38d020f9ed2"),
    type="handle-changed",
    aggregate="account",
    aggregate_id=UUID(EXAMPLE_ID),
    version=2,
    occurred_at=datetime(2026, 11, 25, 9, 30, tzinfo=UTC),
    metadata=Metadata(command="change-handle", actor="billing", correlation="01a228461825763498e38d020f9ed3"),
    fields=("account_id", "old", "new"),
    data={"account_id": EXAMPLE_ID, "old": "ada", "new": "ada.lovelace"},
)
_EFFECT = EventEffect(
    projection="profiles",
    outcome="folded",
    generation=_LIVE,
    checkpoint=1042,
    documents=(TouchedDocument(kind="profile", id=EXAMPLE_ID, position=1042, version=2),),
)

EXAMPLES = (
    Status(
        head=1042,
        projections=[
            ProjectionStatus(
                name="profiles",
                version=1,
                generation=_LIVE,
                checkpoint=1042,
                revision=311,
                lag_events=0,
                lag_seconds=0.0,
                state="running",
                error=None,
                events_per_second=12.5,
                generations=[
                    GenerationStatus(
                        name=_LIVE, version=1, role="live", checkpoint=1042, events=1042, documents=541, state="running"
                    )
                ],
            )
        ],
        projectors=[ProjectorStatus(id="host-4711", role="holder", since="2026-11-25T09:30:00Z")],
    ),
    DeliveriesReport(waiting=3, given_up=1, deliveries=(_GIVEN_UP,), webhooks=(_WEBHOOK,)),
    DeliveryRetried(id=_GIVEN_UP.id, retried=True),
    ParkedReport(parked=(_PARKED,), skipped=()),
    ParkedReply(settled=True, parked=(), skipped=()),
    LoggedEvents(items=(_EVENT,), next_before=1042),
    EventReport(event=_EVENT, projections=(_EFFECT,)),
    Arrangement(projection="profiles", live=_LIVE, building=None, kept=None),
)

"""
Limits of components (time-outs, sizes, patience), and what `MUSTER_LIMITS` changes about them.

A component's limits are a frozen dataclass whose name ends in `Limits` and whose fields are numbers with defaults:
`BatchLimits.events` is called `batch.events`. The composition hands `settings.limits_of(BatchLimits)` to the component.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any, Self, TypeVar

import msgspec

from shared.wording import suggestion

L = TypeVar("L")

COMPONENTS: tuple[str, ...] = (
    "projector.api.status_events:StreamLimits",
    "projector.audit.drift_sampler:DriftSamplerLimits",
    "projector.audit.erasure.audit:ErasureLimits",
    "projector.audit.verify.following:VerifyLimits",
    "projector.leadership.limits:LeadershipLimits",
    "projector.monitoring.limits:MonitoringLimits",
    "projector.processing.limits:BreakerLimits",
    "projector.processing.limits:ProcessorLimits",
    "projector.processing.limits:ThrottleLimits",
    "projector.rebuilding.comparison:ComparisonLimits",
    "projector.rebuilding.layouts:LayoutLimits",
    "projector.rebuilding.filling.log_filler:FillingLimits",
    "read_side.adapters.httpx.commands:CommandSenderLimits",
    "read_side.adapters.list_query:ListLimits",
    "read_side.adapters.redis.limits:RedisReadLimits",
    "read_side.freshness:FreshnessLimits",
    "read_side.http.resources.change_stream:ChangeStreamLimits",
    "read_side.http.resources.directory:ExportLimits",
    "shared.auth.authentication:AuthenticationLimits",
    "shared.auth.openid:OpenIdLimits",
    "shared.auth.rate_limits:RateLimiterLimits",
    "shared.client.sender:SenderLimits",
    "shared.event_log.adapters.postgres:EventLogLimits",
    "shared.event_log.tap:TapLimits",
    "shared.http.limits:HttpLimits",
    "shared.postgres.arguments:PostgresLimits",
    "shared.event_log.adapters.standby:StandbyLimits",
    "shared.server.limits:ServerLimits",
    "write_side.adapters.mail.smtp:SmtpLimits",
    "write_side.adapters.postgres.connections.transactions:TransactionLimits",
    "write_side.bus.limits:BusLimits",
    "write_side.execution.limits:ExecutionLimits",
    "write_side.http.limits:StreamedAnswerLimits",
    "write_side.reactions.limits:ReactionLimits",
    "write_side.webhooks.limits:WebhookLimits",
)
"""Where the limits of each component stand; `muster config --limits` shows them all."""


@dataclass(frozen=True, slots=True)
class ChangedLimits:
    """The content of `MUSTER_LIMITS`, as in `batch.events=500,sender.window=2000`."""

    numbers: Mapping[str, float]

    @classmethod
    def parse(cls, text: str, components: Iterable[str] = COMPONENTS) -> Self:
        """:raises ValueError: it is no list of limits, or one belongs to no component."""
        changes = dict(_change(each.strip()) for each in text.split(","))
        known = [component_of(each) for each in components]
        for name in changes:
            component, _, _ = name.partition(".")
            if component not in known:
                raise ValueError(f"there is no component {component!r}: {_hint(component, known)}")
        return cls(changes)

    def __str__(self) -> str:
        return ",".join(f"{name}={number}" for name, number in self.numbers.items())

    def apply(self, kind: type[L]) -> L:
        """
        Return a component's limits, changed where one is named.

        :raises ValueError: the component has no such limit, or it cannot be this number.
        """
        component, hints = component_of(kind.__name__), {each.name: each.type for each in _fields(kind)}
        changed: dict[str, Any] = {}
        for name, number in self.numbers.items():
            owner, _, field = name.partition(".")
            if owner != component:
                continue
            if field not in hints:
                raise ValueError(f"{component} has no limit {field!r}: {_hint(field, hints)}")
            changed[field] = _converted(name, number, hints[field])
        return kind(**changed)


def component_of(path: str) -> str:
    """Name the component of a class: `batch_fold` for `projector.folding:BatchFoldLimits`."""
    name = path.rpartition(":")[2].removesuffix("Limits")
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def known_limits() -> Iterable[type]:
    """Import the limits of every component."""
    for path in COMPONENTS:
        module, _, name = path.partition(":")
        yield getattr(import_module(module), name)


def named_numbers(limits: object) -> Mapping[str, float]:
    """Return each limit by the name that `MUSTER_LIMITS` knows it by; durations in seconds."""
    component = component_of(type(limits).__name__)
    values = {each.name: getattr(limits, each.name) for each in _fields(type(limits))}
    return {
        f"{component}.{name}": value.total_seconds() if isinstance(value, timedelta) else value
        for name, value in values.items()
    }


def _fields(kind: Any) -> Iterable[Any]:
    """Return the fields that are numbers; a policy made of several is given by the composition alone."""
    return [each for each in fields(kind) if not is_dataclass(each.type)]


def _change(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    if not re.fullmatch(r"\w+\.\w+", name) or not re.fullmatch(r"\d+(\.\d+)?", number):
        raise ValueError("write component.limit=number, and commas in between: `muster config --limits` lists them")
    return name, float(number) if "." in number else int(number)


def _converted(name: str, number: float, hint: Any) -> object:
    try:
        return msgspec.convert(number, hint, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name} cannot be {number}: {error}") from error


def _hint(name: str, known: Iterable[str]) -> str:
    return suggestion(name, known, otherwise="`muster config --limits` lists them")

"""`muster webhooks`: to where changes are sent."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from cyclopts import App, Parameter, validators

from shared.cli.exit_codes import CommandFailed, WrongUsage
from shared.cli.options import Json
from shared.cli.output import print_encoded, print_line, print_result, print_table
from shared.errors import Unavailable, Unsound
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.events import EVENTS, type_of
from shared.ids import TimeOrderedIds
from shared.settings import Settings
from shared.wording import suggestion
from write_side.adapters.postgres.webhooks import PostgresWebhooks
from write_side.domain.errors import GroupNotFound
from write_side.domain.references import GroupRef
from write_side.domain.values import InvalidValue
from write_side.webhooks.administration import PAUSED_BY_HAND, ChangeOfWebhook, change_webhook, new_webhook
from write_side.webhooks.ports import WebhookExists, WebhookNotFound, WebhookSession
from write_side.webhooks.signing import new_secret
from write_side.webhooks.webhook import Webhook

T = TypeVar("T")

TYPES = frozenset(map(type_of, EVENTS))

From = Annotated[int, Parameter(name="from", validator=validators.Number(gte=1))]
Seconds = Annotated[int, Parameter(validator=validators.Number(gte=0))]
Name = Annotated[str, Parameter(help="of the webhook")]

webhooks = App(name="webhooks", help_format="plaintext")


class ShownWebhook(msgspec.Struct, kw_only=True):
    """A webhook without its secrets, as `--json` prints it."""

    name: str
    url: str
    state: str
    types: tuple[str, ...]
    account: UUID | None
    group: UUID | None
    values: bool
    position: int
    failures: int
    failing_since: datetime | None
    retry_at: datetime | None
    error: str | None
    paused_at: datetime | None
    reason: str | None
    former_secret_until: datetime | None
    created_at: datetime
    secret: str | msgspec.UnsetType = msgspec.UNSET


@webhooks.command
def add(
    name: str,
    url: str,
    /,
    *,
    type: list[str] | None = None,
    account: UUID | None = None,
    group: str | None = None,
    values: bool = False,
    begin: From | None = None,
    json: Json = False,
) -> None:
    """
    Have changes sent to a URL, and show the secret by which they are signed: it is shown this once.

    :param name: to call it by.
    :param url: https://host/path; what else it may be, MUSTER_WEBHOOKS_ALLOW says.
    :param type: of event, such as handle-changed; several times for several; all, unless given.
    :param account: only those of the account with this id.
    :param group: only those of the group with this id or slug.
    :param values: send the values of changed fields too, private ones among them.
    :param begin: the position of the log to begin with, instead of what happens from now on.
    """
    _require_types(type or [])
    ref = None if group is None else _group(group)

    async def make(session: WebhookSession, settings: Settings) -> Webhook:
        position = await position_of_now(PostgresEventLog.from_settings(settings)) if begin is None else begin - 1
        group_id = None if ref is None else await session.group_id(ref)
        filters: dict[str, Any] = {"types": type or (), "account_id": account, "group_id": group_id}
        made = _new(name, url, position=position, with_values=values, **filters)
        await session.add(made)
        return made

    _show_secret(_asked(make), json=json)


@webhooks.command(name="list")
def list_webhooks(*, json: Json = False) -> None:
    """Show all webhooks, how far each is, and why it is paused or fails."""
    found = [_shown(each) for each in _asked(lambda session, _: session.all())]
    if json:
        print_encoded({"webhooks": found})
        return
    cells = ((each.name, each.state, str(each.position), each.url, each.reason or each.error or "") for each in found)
    print_table(("name", "state", "position", "url", "why"), cells)


@webhooks.command
def show(name: Name, /, *, json: Json = False) -> None:
    """Show a webhook, without its secret."""
    _print(_asked(lambda session, _: session.get(name)), json=json)


@webhooks.command
def pause(name: Name, /, *, json: Json = False) -> None:
    """Send nothing more until it is resumed."""
    _print(_changed(name, lambda each: each.paused(PAUSED_BY_HAND, at=datetime.now(UTC))), json=json)


@webhooks.command
def resume(name: Name, /, *, json: Json = False) -> None:
    """Go on where it stopped, at once."""
    _print(_changed(name, Webhook.resumed), json=json)


@webhooks.command
def replay(name: Name, /, *, begin: From, json: Json = False) -> None:
    """
    Send again from a position on, with the same ids; or leave out what is before it.

    :param begin: the position of the log to begin with.
    """
    _print(_changed(name, lambda each: each.replayed(begin)), json=json)


@webhooks.command
def rotate(name: Name, /, *, keep: Seconds = 86_400, json: Json = False) -> None:
    """
    Make another secret, and show it, this once; what is sent is signed by both for a while.

    :param keep: seconds for which the present one stays good.
    """
    secret, until = new_secret(), datetime.now(UTC) + timedelta(seconds=keep)
    _show_secret(_changed(name, lambda each: each.rotated(secret, until=until)), json=json)


@webhooks.command
def remove(name: Name, /, *, json: Json = False) -> None:
    """Forget a webhook and its secrets."""
    _asked(lambda session, _: session.remove(name))
    print_result({"removed": name}, f"{name} is removed", as_json=json)


def _changed(name: str, change: ChangeOfWebhook) -> Webhook:
    return _asked(lambda session, _: change_webhook(session, name, change))


def _asked(question: Callable[[WebhookSession, Settings], Awaitable[T]]) -> T:
    """:raises CommandFailed: there is no such webhook, or the database does not answer."""
    settings = Settings.here()

    async def ask() -> T:
        async with PostgresWebhooks(settings.required("database_url")).connect() as session:
            return await question(session, settings)

    try:
        return asyncio.run(ask())
    except WebhookNotFound as error:
        raise CommandFailed(f"webhook {str(error)!r} not found: `muster webhooks list` shows which there are") from None
    except GroupNotFound as error:
        raise CommandFailed(f"{error}: list groups with `muster search groups`") from None
    except WebhookExists as error:
        raise CommandFailed(f"there is a webhook {str(error)!r} already: choose another name, or remove it") from None
    except (Unavailable, Unsound) as error:
        raise CommandFailed(f"PostgreSQL does not answer ({type(error).__name__}): `muster doctor` says more") from None


async def position_of_now(log: PostgresEventLog) -> int:
    """Return up to where the log is whole: not that of the last event, since one before it may be under way."""
    async with log.connect() as reader:
        return await reader.horizon()


def _new(name: str, url: str, **about: Any) -> Webhook:
    try:
        return new_webhook(name, url, id=TimeOrderedIds().new(), at=datetime.now(UTC), **about)
    except ValueError as error:
        raise WrongUsage(str(error)) from None


def _group(text: str) -> GroupRef:
    try:
        return GroupRef.parse(text)
    except InvalidValue as error:
        raise WrongUsage(f"--group {error}") from None


def _require_types(types: list[str]) -> None:
    for each in types:
        if each not in TYPES:
            otherwise = f"choose of {', '.join(sorted(TYPES))}"
            raise WrongUsage(f"there is no type {each!r}: {suggestion(each, TYPES, otherwise=otherwise)}")


def _show_secret(webhook: Webhook, *, json: bool) -> None:
    if json:
        print_encoded(msgspec.structs.replace(_shown(webhook), secret=webhook.secret))
        return
    print_line(f"{webhook.name} goes to {webhook.url}, from position {webhook.position + 1} on")
    print_line(f"its secret, shown this once: {webhook.secret}")
    if webhook.former_until:
        print_line(f"the former one is good until {_time(webhook.former_until)}")


def _print(webhook: Webhook, *, json: bool) -> None:
    shown = _shown(webhook)
    if json:
        print_encoded(shown)
        return
    for name, value in msgspec.structs.asdict(shown).items():
        if value not in {None, msgspec.UNSET, ()}:
            print_line(f"{name.replace('_', ' '):20} {_text(value)}")


def _shown(each: Webhook) -> ShownWebhook:
    return ShownWebhook(
        name=each.name,
        url=each.url,
        state=each.state,
        types=each.types,
        account=each.account_id,
        group=each.group_id,
        values=each.with_values,
        position=each.position,
        failures=each.failures,
        failing_since=each.failing_since,
        retry_at=each.retry_at,
        error=each.error,
        paused_at=each.paused_at,
        reason=each.reason,
        former_secret_until=each.former_until,
        created_at=each.created_at,
    )


def _text(value: object) -> str:
    match value:
        case datetime():
            return _time(value)
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(value)
    return str(value)


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"

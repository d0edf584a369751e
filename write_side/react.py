"""`muster react`: the loop of reactions, and what watches it, side by side in one process."""

from datetime import timedelta
from functools import partial

import httpx
import svcs
from litestar.types import ASGIApp

from shared.auth.bearer import is_near
from shared.auth.setup import register_authentication
from shared.auth.signing_keys import KeyDirectory
from shared.clock import Clock, SystemClock
from shared.errors import SettingsError
from shared.event_log import EventLog
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.http.containers import Register
from shared.http.health import GaugeRefresh
from shared.http.limits import HttpLimits
from shared.http_clients import http_client
from shared.postgres.arguments import PostgresLimits
from shared.settings import Settings, variable
from shared.urls.addresses import AllowedNetworks
from shared.urls.mail import SmtpServer, sender_of
from write_side.adapters.mail.folder import FolderMailer
from write_side.adapters.mail.smtp import SmtpLimits, SmtpMailer
from write_side.adapters.postgres.deliveries import PostgresDeliveries
from write_side.adapters.postgres.webhooks import PostgresWebhooks
from write_side.adapters.webhooks.change_feed import HttpChangeFeed, no_headers
from write_side.adapters.webhooks.reader_tokens import ReaderTokens
from write_side.adapters.webhooks.receivers import HttpReceivers
from write_side.execution.executor import CommandExecutor
from write_side.http.app import Background
from write_side.http.worker import worker
from write_side.ports import Mailer, TokenKey
from write_side.reactions.limits import ReactionLimits
from write_side.reactions.mails.letters import Letters
from write_side.reactions.reaction import World
from write_side.reactions.reactor import Reactor
from write_side.reactions.registry import ReactionTimes, reactions_at
from write_side.services import register_postgres_of
from write_side.webhooks.dispatcher import Dispatcher
from write_side.webhooks.limits import WebhookLimits

SENDER_IN_FOLDERS = "Muster <muster@localhost>"


def create_app() -> ASGIApp:
    """The process on PostgreSQL and a mail server, as the environment says."""
    return react_app(register_services)


def react_app(*registers: Register) -> ASGIApp:
    """The process on the adapters that `registers` name: its loop runs as long as it answers for itself."""
    description = "What is done in the world outside because of events. It takes no requests."
    return worker(*registers, title="Muster reactions", description=description)


def register_services(registry: svcs.Registry) -> None:
    """Register the real adapters, as the environment says."""
    settings = Settings.here()
    registry.register_value(HttpLimits, settings.limits_of(HttpLimits))
    register_authentication(registry, settings)
    register_postgres_of(settings, registry)
    register_reactions(registry, settings, log=PostgresEventLog.from_settings(settings))


def register_reactions(registry: svcs.Registry, settings: Settings, *, log: EventLog) -> None:
    """Register what reacts to a log, beside what carries out commands."""
    limits, postgres = settings.limits_of(ReactionLimits), settings.limits_of(PostgresLimits)
    letters = Letters(public_url=settings.public_url or settings.required("write_url"), valid_days=limits.valid_days)
    with svcs.Container(registry) as container:
        executor, background = container.get(CommandExecutor, Background)
        token_key = container.get_abstract(TokenKey)
    mailer, clock = mailer_of(settings), SystemClock()
    world = partial(World, mailer=mailer, letters=letters, executor=executor, token_key=token_key, clock=clock)
    reactor = Reactor(
        log=log,
        deliveries=PostgresDeliveries(settings.required("database_url"), postgres=postgres),
        reactions=reactions_at(_times_of(settings)),
        world=lambda session: world(session=session),
        companions=[partial(send_webhooks, settings, clock)] if settings.read_url else [],  # by the feed of that API
        limits=limits,
    )
    registry.register_value(Mailer, mailer, on_registry_close=mailer.aclose)
    # What it commits is to be seen at once, as any other command.
    register_reactor(registry, reactor, beside=Background(notifier=background["notifier"]))


async def send_webhooks(settings: Settings, clock: Clock) -> None:
    """
    Send to webhooks what the read API has for them, until cancelled.

    :raises Unavailable: the database does not answer.
    """
    limits, postgres = settings.limits_of(WebhookLimits), settings.limits_of(PostgresLimits)
    receivers = HttpReceivers(allowed=settings.webhooks_allow or AllowedNetworks(), limits=limits)
    webhooks = PostgresWebhooks(settings.required("database_url"), postgres=postgres)
    url = settings.required("read_url")
    many = httpx.Limits(max_connections=None)  # each webhook waits on one of its own
    client = http_client(httpx.AsyncClient, url, direct=is_near(settings, url), limits=many)
    tokens = ReaderTokens(KeyDirectory(settings.key_directory), audience=settings.audience)
    headers = tokens if settings.auth == "on" else no_headers
    async with client, webhooks.connect() as session:
        feed = HttpChangeFeed(client, headers=headers, answer_seconds=limits.answer_seconds)
        await Dispatcher(session, feed=feed, receivers=receivers, clock=clock, limits=limits).run()


def _times_of(settings: Settings) -> ReactionTimes:
    reminder, closing = timedelta(seconds=settings.reminder_after), settings.close_unverified_after
    return ReactionTimes(reminder=reminder, closing=None if closing is None else timedelta(seconds=closing))


def register_reactor(registry: svcs.Registry, reactor: Reactor, *, beside: Background | None = None) -> None:
    """:param beside: the loops that run besides."""

    async def reacts(_: Reactor) -> None:
        reactor.require_reacting()

    registry.register_value(Reactor, reactor, ping=reacts)
    registry.register_value(Background, Background(beside or {}, reactor=reactor.run))
    registry.register_value(GaugeRefresh, GaugeRefresh(reactor.refresh))


def mailer_of(settings: Settings) -> Mailer:
    """
    Return the way that mails go.

    :raises SettingsError: there is a server, and no address for mails to come from.
    """
    if settings.smtp_url is None:
        return FolderMailer(settings.mail_folder, sender=sender_of(settings.mail_from or SENDER_IN_FOLDERS))
    if settings.mail_from is None:
        raise SettingsError(
            f"{variable('smtp_url')} is set, and {variable('mail_from')} is not: set it to the address that mails "
            "come from, such as Muster <muster@example.org>"
        )
    server, limits = SmtpServer.parse(settings.smtp_url), settings.limits_of(SmtpLimits)
    return SmtpMailer(server, sender=sender_of(settings.mail_from), limits=limits)

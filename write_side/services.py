"""The composition root of the write side: which adapter stands for which port."""

import os
import secrets
import socket
from dataclasses import replace
from functools import partial

import svcs
from litestar.types import ASGIApp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.auth.local_access import TO_DOCS
from shared.auth.principal import COMMANDS, Principal
from shared.auth.setup import register_authentication, register_limits, register_sessions
from shared.clock import Clock, SystemClock
from shared.http.health import GaugeRefresh
from shared.http.limits import HttpLimits
from shared.http.middleware.cors import register_origins
from shared.http.pages.sign_in_answers import CookiePolicy
from shared.http.pages.site_map import SiteMap
from shared.ids import Ids, TimeOrderedIds
from shared.postgres.arguments import POSTGRES_LIMITS, PostgresLimits
from shared.read_model.keys import HOME
from shared.settings import Settings
from write_side.adapters.postgres.command_log import CommandLog
from write_side.adapters.postgres.connections.failures import translated
from write_side.adapters.postgres.connections.notifier import PostgresNotifier
from write_side.adapters.postgres.connections.transactions import (
    TRANSACTION_LIMITS,
    PostgresTransactions,
    TransactionLimits,
    create_engine,
)
from write_side.adapters.postgres.group_commit.unit_of_work import GroupedUnitsOfWork
from write_side.adapters.postgres.purge import purge_expired_keys
from write_side.adapters.postgres.shard_locks import PostgresShardLocks
from write_side.adapters.postgres.token_key import PostgresTokenKey
from write_side.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from write_side.bus.limits import BusLimits
from write_side.execution.executor import CommandExecutor
from write_side.execution.limits import EXECUTION_LIMITS, ExecutionLimits
from write_side.http.app import Background, write_api
from write_side.http.limits import StreamedAnswerLimits
from write_side.http.worker import worker
from write_side.ports import ShardLocks, TokenKey, UnitsOfWork


def create_app() -> ASGIApp:
    """The write API on PostgreSQL, as the environment says."""
    return write_api(register_services)


def create_consumer() -> ASGIApp:
    """What carries out the commands of the bus on PostgreSQL and Redis, as the environment says."""
    return worker(register_bus, title="Muster consumer", description="Carries out commands that come by Redis streams.")


def register_services(registry: svcs.Registry) -> None:
    """Register the real adapters, as the environment says."""
    settings = Settings.here()
    registry.register_value(HttpLimits, settings.limits_of(HttpLimits))
    registry.register_value(StreamedAnswerLimits, settings.limits_of(StreamedAnswerLimits))
    register_authentication(registry, settings, to_page=TO_DOCS)
    register_limits(registry, settings, api="write", keyspace=HOME)
    register_sessions(registry, settings, keyspace=HOME)
    registry.register_value(CookiePolicy, CookiePolicy.at(settings.write_url))
    registry.register_value(SiteMap, SiteMap.of(settings, own="write"))
    register_origins(registry, settings)
    register_postgres_of(settings, registry)


def register_bus(registry: svcs.Registry) -> None:
    """Register what carries out the commands of the bus, as the environment says."""
    settings = Settings.here()
    registry.register_value(HttpLimits, settings.limits_of(HttpLimits))
    register_postgres_of(settings, registry)
    register_consumer(registry, settings)


def register_consumer(registry: svcs.Registry, settings: Settings) -> None:
    """Register a consumer of the bus beside what carries out commands."""
    from shared.redis.client import connect  # noqa: PLC0415 - the write API needs no client of Redis
    from shared.redis.cluster import BUS_TAG  # noqa: PLC0415 - likewise
    from write_side.bus.backlog import Backlog  # noqa: PLC0415 - likewise
    from write_side.bus.consumer import BusConsumer  # noqa: PLC0415 - likewise
    from write_side.bus.shard import ShardConsumer  # noqa: PLC0415 - likewise
    from write_side.bus.stream import ShardStream  # noqa: PLC0415 - likewise

    with svcs.Container(registry) as container:
        executor, background = container.get(CommandExecutor, Background)
    limits, client = settings.limits_of(BusLimits), connect(settings.bus_redis_url, tag=BUS_TAG)
    locks = PostgresShardLocks(settings.required("database_url"), limits=settings.limits_of(PostgresLimits))
    principal = Principal(settings.bus_subject, frozenset({COMMANDS}), is_limited=False)
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

    def consume(shard: int) -> ShardConsumer:
        stream = ShardStream(client, shard, consumer=name, limits=limits)
        return ShardConsumer(stream=stream, locks=locks, executor=executor, principal=principal, limits=limits)

    consumer = BusConsumer(shards=settings.bus_shards, locks=locks, consume=consume, limits=limits)
    backlog = Backlog(client, shards=settings.bus_shards)
    background["bus"] = consumer.run
    registry.register_value(ShardLocks, locks, on_registry_close=locks.aclose)
    registry.register_value(Backlog, backlog, on_registry_close=client.aclose, ping=Backlog.require_answering)
    registry.register_value(GaugeRefresh, GaugeRefresh(backlog.measure))


def register_postgres_of(settings: Settings, registry: svcs.Registry) -> None:
    """Register everything that stands on the database of the settings."""
    register_postgres(
        registry,
        url=settings.required("database_url"),
        execution=replace(settings.limits_of(ExecutionLimits), keep_seconds=settings.idempotency_ttl),
        transactions=settings.limits_of(TransactionLimits),
        postgres=settings.limits_of(PostgresLimits),
    )


def register_postgres(
    registry: svcs.Registry,
    *,
    url: str,
    allow_unsafe: bool = False,
    execution: ExecutionLimits = EXECUTION_LIMITS,
    transactions: TransactionLimits = TRANSACTION_LIMITS,
    postgres: PostgresLimits = POSTGRES_LIMITS,
) -> None:
    """Register everything that stands on one database."""
    clock = SystemClock()
    engine = create_engine(url, allow_unsafe=allow_unsafe, limits=transactions, postgres=postgres)
    begin = PostgresTransactions(engine, limits=transactions)
    command_log = CommandLog(clock=clock)
    notifier = PostgresNotifier(url, limits=postgres)
    alone = PostgresUnitsOfWork(transactions=begin, command_log=command_log, notify=notifier.notify)
    units = GroupedUnitsOfWork(transactions=begin, command_log=command_log, alone=alone, limits=transactions)
    registry.register_value(AsyncEngine, engine, on_registry_close=begin.close, ping=_answers)
    background = Background(notifier=notifier.run, purge=partial(purge_expired_keys, begin, command_log))
    registry.register_value(Background, background)
    token_key = PostgresTokenKey(begin)
    register_executor(registry, units=units, clock=clock, ids=TimeOrderedIds(), token_key=token_key, limits=execution)


def register_executor(
    registry: svcs.Registry,
    *,
    units: UnitsOfWork,
    clock: Clock,
    ids: Ids,
    token_key: TokenKey,
    limits: ExecutionLimits = EXECUTION_LIMITS,
) -> None:
    """Register what carries out commands on any adapters."""
    executor = CommandExecutor(units=units, clock=clock, ids=ids, token_key=token_key, limits=limits)
    registry.register_value(CommandExecutor, executor)
    registry.register_value(TokenKey, token_key)


async def _answers(engine: AsyncEngine) -> None:
    with translated():  # the driver's message names the server and the user, and /readyz is open to all
        async with engine.connect() as connection:
            await connection.execute(text("select 1"))

"""The applications of the write side on a database that may do without `fsync`, with settings from the environment."""

import os

import svcs
from litestar.types import ASGIApp

from shared.auth.setup import register_authentication
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.settings import Settings
from write_side.http.app import write_api
from write_side.http.worker import worker
from write_side.react import react_app, register_reactions
from write_side.services import register_consumer, register_postgres


def write() -> ASGIApp:
    return write_api(_register)


def react() -> ASGIApp:
    return react_app(_register, _register_reactions)


def consume() -> ASGIApp:
    return worker(_register_consumer, title="A consumer", description="In a test.")


def _register(registry: svcs.Registry) -> None:
    settings = Settings.load(os.environ)
    register_authentication(registry, settings)
    register_postgres(registry, url=settings.required("database_url"), allow_unsafe=True)


def _register_reactions(registry: svcs.Registry) -> None:
    settings = Settings.load(os.environ)
    log = PostgresEventLog(settings.required("database_url"), allow_unsafe=True)
    register_reactions(registry, settings, log=log)


def _register_consumer(registry: svcs.Registry) -> None:
    settings = Settings.load(os.environ)
    register_postgres(registry, url=settings.required("database_url"), allow_unsafe=True)
    register_consumer(registry, settings)

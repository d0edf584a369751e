"""A projector in the process of a command, for as long as the command runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from projector.main import projector_app
from projector.services import register_services
from shared.auth.setup import admit_everyone
from shared.cli.api_client import PROJECTOR, ApiClient
from shared.cli.partitions import require_partitions
from shared.http.in_process import in_process
from shared.observability import logging as telemetry
from shared.settings import Settings


@asynccontextmanager
async def own_projector(settings: Settings) -> AsyncIterator[ApiClient]:
    """:raises SettingMissingError, CommandFailed: its servers are not known, or are divided otherwise."""
    settings.required("database_url")
    settings.required("redis_url")
    await require_partitions(settings)
    telemetry.configure(settings.log_format)
    async with in_process(projector_app(register_services, admit_everyone)) as http:
        yield ApiClient(PROJECTOR, http)

"""A projector in the process of a command, for as long as the command runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from projector.main import projector_app
from projector.rebuilding.layout_wish import Wish
from projector.services import layouts_of, register_services
from shared.auth.setup import admit_everyone
from shared.cli.api_client import PROJECTOR, ApiClient
from shared.http.in_process import in_process
from shared.observability import logging as telemetry
from shared.settings import Settings


@asynccontextmanager
async def own_projector(settings: Settings) -> AsyncIterator[ApiClient]:
    """:raises SettingMissingError: its servers are not known."""
    settings.required("database_url")
    settings.required("redis_url")
    telemetry.configure(settings.log_format)
    layouts = await layouts_of(settings, Wish(None))
    async with in_process(projector_app(partial(register_services, layouts=layouts), admit_everyone)) as http:
        yield ApiClient(PROJECTOR, http)

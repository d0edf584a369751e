"""Commands that would look in the wrong places, as the read models are divided otherwise."""

from uuid import UUID

import pytest
from redis import Redis

from projector.cli import erasure_audit, verify
from projector.cli.own_projector import own_projector
from shared.cli.exit_codes import CommandFailed
from shared.read_model.keys import HOME
from shared.settings import Settings


async def verified(settings):
    await verify._verify(settings, [], repair=False)


async def audited(settings):
    await erasure_audit.audit(settings, UUID(int=1), erase=None)


async def rebuilt(settings):
    async with own_projector(settings):
        pass


@pytest.mark.parametrize("command", [verified, audited, rebuilt], ids=lambda each: each.__name__)
async def test_a_command_with_another_number_of_partitions_is_refused(valkey, command):
    url = valkey.start().url
    with Redis.from_url(url) as client:
        client.flushall()
        client.set(HOME.partitions, 3)
    nowhere = "postgresql://127.0.0.1:1/muster"
    settings = Settings.load({"MUSTER_REDIS_URL": url, "MUSTER_DATABASE_URL": nowhere, "MUSTER_PARTITIONS": "12"})

    with pytest.raises(CommandFailed, match="the read models here have 3"):
        await command(settings)

"""The projector as a whole: its loops beside its API."""

import asyncio

from structlog.testing import capture_logs

from projector.audit.drift_sampler import DriftSampler
from projector.main import projector_app
from shared.auth.setup import admit_everyone
from shared.runtime.retry import poll
from tests.support.apps import app_client
from tests.support.patience import SECONDS
from tests.support.projectors import Surroundings, register_on


class Defective:
    """A loop that cannot run."""

    async def run(self):
        raise ZeroDivisionError


def register(registry):
    register_on(registry, Surroundings())
    registry.register_value(DriftSampler, Defective())


async def states(client):
    return {each["state"] for each in (await client.get("/status")).json()["projections"]}


async def test_a_defect_in_one_loop_is_critical_and_stops_no_other():
    with capture_logs() as logs:
        async with asyncio.timeout(SECONDS), app_client(projector_app, admit_everyone, register) as client:
            await poll(0).until(lambda found: found == {"running"}, lambda: states(client))

    [critical] = [each for each in logs if each["log_level"] == "critical"]
    assert critical["task"] == "sampler"

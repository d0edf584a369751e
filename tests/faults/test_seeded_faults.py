"""Whatever breaks while people write and read: nothing is lost, nothing is done twice, nothing is stale in silence."""

import sys
import time
from itertools import count

import pytest

from shared.dev_stack.programs import redis_binary
from tests.support.faults.campaign import Campaign
from tests.support.faults.kinds import FAULTS

DEFAULT_SEED = 1200
AT_A_TIME = 6
"""Kinds in one run of a soak: several runs go through all of them, and then in another order."""


@pytest.fixture
def seed(request):
    """What a run begins with; the same one does the same again, but for what chance adds."""
    return request.config.getoption("--fault-seed") or DEFAULT_SEED


@pytest.fixture
def campaign(capsys):
    """Runs whose table is shown in the end, however they ended."""
    campaign = Campaign(FAULTS)
    yield campaign
    with capsys.disabled():
        sys.stdout.write(f"\n{campaign.table()}\n")


async def test_every_promise_holds_whatever_breaks(campaign, seed):
    """
    Each kind of fault strikes the real stack once, under load; a kind that did not fails the run as well.

    On a genuine Redis, if there is one, since only that brings a torn transaction back at its second start.
    """
    verdict = await campaign.run(campaign.faults, seed=seed, redis_program=redis_binary())

    assert verdict, f"{verdict}: repeat it with --fault-seed {seed}"
    assert campaign.never_fired() == []


async def test_soak(campaign, seed, request, capsys):
    """Runs with consecutive seeds, on Valkey and on a genuine Redis in turn, for as long as --soak says."""
    if (minutes := request.config.getoption("--soak")) is None:
        pytest.skip("takes minutes: ask for it with --soak MINUTES")
    end = time.monotonic() + minutes * 60
    for each in count(seed):
        verdict = await campaign.run(
            campaign.share(each, AT_A_TIME), seed=each, redis_program=redis_binary() if each % 2 else None
        )
        with capsys.disabled():
            sys.stdout.write(f"seed {each}: {'all is well' if verdict else verdict}\n")
        assert verdict, f"repeat it with --soak 0 --fault-seed {each}"
        if time.monotonic() >= end:
            break

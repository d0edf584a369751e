"""Whatever breaks while people write and read: nothing is lost, nothing is done twice, nothing is stale in silence."""

import sys
import time
from datetime import UTC, datetime
from itertools import count

import pytest

from tests.faults.bench.bench import running_bench
from tests.faults.bench.campaign import Campaign
from tests.faults.bench.cluster_bench import running_cluster_bench
from tests.faults.cluster_bus import separable_cluster
from tests.faults.kinds.on_one_machine import FAULTS
from tests.faults.kinds.past_one_machine import CLUSTER_FAULTS
from tests.faults.patroni.hosts import patroni_set, require_patroni
from tests.support.examples import at_night
from tests.support.genuine_redis import redis_binary

IN_TURN = 4
"""Kinds in a run of the suite, but for those at night, which try all."""
AT_A_TIME = 6
"""Kinds in one run of a soak: several runs go through all of them, and then in another order."""


@pytest.fixture
def seed(request):
    """
    What a run begins with: that of the day unless it is given, so that no change is held up by the draw of its run.

    The same one does the same again, but for what chance adds; those of consecutive days go through all kinds.
    """
    given = request.config.getoption("--fault-seed")
    return datetime.now(UTC).toordinal() if given is None else given


@pytest.fixture
def campaign(request, capsys):
    """Runs whose table is shown in the end, however they ended."""
    campaign = Campaign(getattr(request, "param", FAULTS))
    yield campaign
    if not campaign.seeds:
        return
    with capsys.disabled():
        sys.stdout.write(f"\n{campaign.table()}\n")


async def test_every_promise_holds_whatever_breaks(campaign, seed):
    """
    Each kind of fault that is its turn strikes the real stack once, under load; one that did not fails the run as well.

    On a genuine Redis, if there is one, since only that brings a torn transaction back at its second start.
    """
    faults = campaign.faults if at_night() else campaign.share(seed, IN_TURN)
    of_programs = any(each.of_programs for each in faults)
    bench = running_bench(seed=seed, redis_program=redis_binary(), of_programs=of_programs)
    verdict = await campaign.run(faults, bench, seed=seed)

    assert verdict, f"{verdict}: repeat it with --fault-seed {seed}"
    assert campaign.never_fired(faults) == []


@pytest.fixture
def soak(campaign, request, seed, capsys):
    """Has runs with consecutive seeds, for as long as --soak says."""
    if (minutes := request.config.getoption("--soak")) is None:
        pytest.skip("takes minutes: ask for it with --soak MINUTES")

    async def soak(running):
        end = time.monotonic() + minutes * 60
        for each in count(seed):
            verdict = await campaign.run(campaign.share(each, AT_A_TIME), running(each), seed=each)
            with capsys.disabled():
                sys.stdout.write(f"seed {each}: {'all is well' if verdict else verdict}\n")
            assert verdict, f"repeat it with --soak 0 --fault-seed {each}"
            if time.monotonic() >= end:
                break

    return soak


async def test_soak(soak):
    """On Valkey and on a genuine Redis in turn."""
    await soak(lambda seed: running_bench(seed=seed, redis_program=redis_binary() if seed % 2 else None))


@pytest.fixture
def past_one_machine(soak, server_home):
    """Six nodes of Valkey, and two hosts of PostgreSQL under Patroni."""
    require_patroni()
    with separable_cluster(server_home / "seeded") as nodes, patroni_set(server_home / "seeded-patroni") as servers:
        yield {"nodes": nodes, "servers": servers}


@pytest.mark.parametrize("campaign", [CLUSTER_FAULTS], indirect=True, ids=["cluster"])
async def test_soak_past_one_machine(soak, past_one_machine):
    """On twelve partitions that three projectors share."""
    await soak(lambda seed: running_cluster_bench(seed=seed, **past_one_machine))

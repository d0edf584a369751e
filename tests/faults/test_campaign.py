"""What a campaign of faults says of those that this machine does not permit, and when it counts."""

from contextlib import asynccontextmanager, nullcontext
from random import Random

import pytest

from tests.faults.bench.campaign import Campaign
from tests.faults.bench.stack_bench import StackBench
from tests.faults.kinds.fault import Fault
from tests.support.load import Load
from tests.support.oracle import Verdict
from tests.support.readers import Readers


@pytest.fixture
def campaign():
    return Campaign(
        [
            Fault("kill Redis", strike=None),
            Fault("full disk beneath Redis", strike=None, missing=lambda: "this machine lets nobody mount"),
        ]
    )


def test_what_this_machine_does_not_permit_is_said(campaign):
    """And does not count as a kind that never struck."""
    assert campaign.table().splitlines()[-1] == "not run here: full disk beneath Redis: this machine lets nobody mount"
    assert campaign.never_fired(campaign.faults) == ["kill Redis"]


def test_what_this_machine_does_not_permit_is_not_tried(campaign):
    tried = {fault.name for seed in range(4) for fault in campaign.share(seed, 1)}

    assert tried == {"kill Redis"}


class BenchOfNothing(StackBench):
    """Notes in which order it is asked."""

    def __init__(self, asked):
        self.asked = asked
        self.random, self.load = Random(1), Load("", seed=1)
        self.readers = Readers("", seed=1, load=self.load)

    @asynccontextmanager
    async def under_load(self):
        yield

    async def recovered(self):
        self.asked.append("recovered")

    async def whole(self):
        self.asked.append("whole")

    async def judged(self):
        return Verdict()


async def test_what_is_outlived_is_recovered_from_while_it_is_there():
    asked = []

    @asynccontextmanager
    async def strike(_):
        yield
        asked.append("over")

    for outlived in (True, False):
        faults = [Fault("kill a node", strike, lasts=0, outlived=outlived)]
        await Campaign(faults).run(faults, nullcontext(BenchOfNothing(asked)), seed=1)

    assert asked == ["recovered", "over", "whole", "over", "recovered", "whole"]

"""What a campaign of faults says of those that this machine does not permit."""

import pytest

from tests.support.faults.campaign import Campaign
from tests.support.faults.fault import Fault


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

"""For how long projectors have been there, as one of them has seen it."""

import pytest

from projector.leadership.presence import Presence
from tests.support.clock import Time

LASTING = 3


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def presence(time):
    """One and another are seen in two partitions, and have been for as long as a sign of life is good."""
    presence = Presence(lasting=LASTING, now=time)
    watch(presence, time)
    return presence


def watch(presence, time):
    """Look each second."""
    for _ in range(LASTING):
        see(presence)
        time.sleep(1)
    see(presence)


def see(presence, *, left=("one", "other"), right=("one", "other")):
    presence.see("left", left)
    presence.see("right", right)


def test_those_who_stay_are_settled(presence):
    assert presence.settled == {"one", "other"}


def test_who_has_given_only_one_sign_of_life_is_not(time):
    presence = Presence(lasting=LASTING, now=time)
    see(presence)
    time.sleep(LASTING - 0.1)
    see(presence)

    assert presence.settled == frozenset()


def test_who_is_missing_in_any_partition_is_not(presence):
    """As one that gives no sign of life any more, and is listed on some servers for a moment longer."""
    see(presence, right=["one"])

    assert presence.settled == {"one"}


def test_who_comes_back_is_settled_when_it_has_stayed(presence, time):
    see(presence, left=["one"], right=["one"])
    time.sleep(1)
    see(presence)
    returned = presence.settled
    watch(presence, time)

    assert returned == {"one"}
    assert presence.settled == {"one", "other"}


def test_it_is_not_known_who_stayed_while_nobody_looked(presence, time):
    """The one that looks may have got no processor itself."""
    time.sleep(LASTING)
    see(presence)

    assert presence.settled == frozenset()

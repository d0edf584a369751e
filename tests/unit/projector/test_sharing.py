"""Which projector feeds which partition: fair, and with few changes of hands."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from projector.leadership.sharing import Share, shared_out

PROJECTORS = [f"projector-{nth}" for nth in range(5)]
ALL = frozenset(PROJECTORS)
TAGS = [f"tag-{nth}" for nth in range(13)]


@st.composite
def states(draw, *, everywhere):
    """Who feeds what and who could; those who are somewhere are everywhere, or it differs."""
    sets = st.sets(st.sampled_from(PROJECTORS), min_size=1)
    there = draw(sets)
    presents = {tag: there if everywhere else draw(sets) for tag in TAGS}
    return {tag: Share(draw(st.sampled_from([None, *sorted(each)])), each) for tag, each in presents.items()}


@given(states(everywhere=True))
def test_all_have_equally_many(partitions):
    """None has two more than another, wherever they began from."""
    loads = Counter({each: 0 for share in partitions.values() for each in share.present})
    loads.update(shared_out(partitions, settled=ALL).values())

    assert max(loads.values()) - min(loads.values()) <= 1
    assert loads.total() == len(TAGS)


@given(states(everywhere=True))
def test_no_more_changes_hands_than_has_to(partitions):
    """Only what is more than a fair part."""
    plan = shared_out(partitions, settled=ALL)

    count = len({each for share in partitions.values() for each in share.present})
    former = Counter(share.holder for share in partitions.values() if share.holder)
    fair, left_over = divmod(len(TAGS), count)
    kept = sum(fair + (nth < left_over) if has > fair else has for nth, (_, has) in enumerate(former.most_common()))
    assert sum(plan[tag] == share.holder for tag, share in partitions.items()) >= kept


@given(states(everywhere=False))
def test_each_partition_goes_to_one_that_reaches_it(partitions):
    """A projector may be cut off from a server, and another not."""
    plan = shared_out(partitions, settled=ALL)

    assert plan.keys() == partitions.keys()
    assert all(plan[tag] in share.present for tag, share in partitions.items())


@given(states(everywhere=False), st.frozensets(st.sampled_from(PROJECTORS)))
def test_what_is_shared_out_stays_so(partitions, settled):
    """And all who see the same come to the same, whatever they look at first."""
    plan = shared_out(partitions, settled=settled)

    again = {tag: share._replace(holder=plan[tag]) for tag, share in reversed(partitions.items())}
    assert shared_out(again, settled=settled) == plan == shared_out(dict(reversed(partitions.items())), settled=settled)


def test_one_that_is_not_settled_gets_what_nobody_has():
    """And nothing that another has."""
    first, *others = TAGS
    partitions = {first: Share(None, ["old", "new"])} | {tag: Share("old", ["old", "new"]) for tag in others}

    assert shared_out(partitions, settled=frozenset({"old"})) == {first: "new"} | dict.fromkeys(others, "old")


def test_a_partition_nobody_reaches_is_left_alone():
    assert shared_out({"tag": Share(None, [])}, settled=ALL) == {}

"""
Projectors share the partitions of a cluster while the directory grows: one joins, one is killed, one wakes up late.

Three partitions on one server are shared in `tests/e2e/test_partitions.py`.
"""

import pytest

from shared.redis.cluster import slot_of
from tests.faults.under_load import seconds_until
from tests.support.cluster import HASTE, valkey_cluster
from tests.support.load import Load
from tests.support.patience import until
from tests.support.processes import frozen, kill
from tests.support.sharing_projectors import Projectors, projectors_on


@pytest.mark.soak
async def test_three_projectors_share_twelve_partitions_of_a_cluster(stack, tmp_path, server_home, recovered_in):
    """A primary is killed: only its partitions wait for its replica, the others are fed on by who has them."""
    load = Load(stack.addresses.write, seed=171)
    with (
        valkey_cluster(server_home / "several-projectors", replicas=True, patience=HASTE) as nodes,
        stack.database() as database,
    ):
        async with (
            projectors_on(nodes.url, stack, tmp_path, partitions=12) as projectors,
            projectors.one_more() as one,
            projectors.one_more() as two,
            load.running(),
        ):
            await until(lambda: projectors.are_shared_by(one, two))
            async with projectors.one_more() as three:
                recovered_in(await seconds_until(lambda: projectors.are_shared_by(one, two, three)))
                await load.grown(by=20)
                killed = nodes.owner(slot_of(max(projectors.tags)))
                its_own = {tag for tag in projectors.tags if nodes.owner(slot_of(tag)) is killed}
                others = {tag: pid for tag, pid in (await projectors.fed()).items() if tag not in its_own}
                killed.kill()
                await until(lambda: are_not_fed(projectors, its_own))
                assert others.items() <= (await projectors.fed()).items()
                recovered_in(await seconds_until(lambda: projectors.are_shared_by(one, two, three)))
                killed.start()
                await load.grown(by=20)
                kill(three)
                recovered_in(await seconds_until(lambda: projectors.are_shared_by(one, two)))
                await load.grown(by=20)
                with frozen(two):
                    recovered_in(await seconds_until(lambda: projectors.are_shared_by(one)))
                    await load.grown(by=20)
                recovered_in(await seconds_until(lambda: projectors.are_shared_by(one, two)))
            async with load.at_rest():
                await until(lambda: projectors.have_all_of(database))


async def are_not_fed(projectors: Projectors, tags: set[str]) -> bool:
    return not tags.intersection(await projectors.fed())

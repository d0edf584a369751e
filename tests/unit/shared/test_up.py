"""What `muster up` gives its processes to go by."""

import pytest

from shared.dev_stack import up
from shared.settings import Addresses, Settings

ADDRESSES = Addresses(database_url="postgresql://d/db", redis_url="redis://r/0", write="w", read="r", ops="o")


@pytest.mark.parametrize(("chosen", "expected"), [(None, "auto"), ("manual", "manual"), ("auto", "auto")])
def test_what_a_former_release_has_made_is_replaced_without_an_order(monkeypatch, chosen, expected):
    """Unless the caller wants to give one."""
    monkeypatch.delenv("MUSTER_REBUILD", raising=False)
    if chosen:
        monkeypatch.setenv("MUSTER_REBUILD", chosen)

    assert up._environment(Settings.load({}), ADDRESSES)["MUSTER_REBUILD"] == expected


async def test_nodes_are_refused_beside_a_redis_that_is_named(tmp_path):
    """Before anything is made: one of the two would not be what the caller meant."""
    settings = Settings.load({"MUSTER_HOME": str(tmp_path / "home"), "MUSTER_REDIS_URL": "redis://r/0"})

    with pytest.raises(up.UpError, match="--nodes is about servers of ours, and MUSTER_REDIS_URL names yours"):
        await up.run(settings, fresh=False, nodes=3)

    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(("nodes", "environ"), [(1, {}), (3, {"MUSTER_PARTITIONS": "12"})])
def test_nothing_is_wished_for_in_place_of_what_the_settings_say(tmp_path, nodes, environ):
    """Or where one server has all; a cluster is in `tests/contract/test_embedded_cluster.py`."""
    settings = Settings.load({"MUSTER_HOME": str(tmp_path), **environ})

    assert up._first_partitions(up._stack(settings, nodes)) is None

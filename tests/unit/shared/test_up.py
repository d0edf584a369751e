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

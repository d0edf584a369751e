"""Unit tests wait for nothing: what is tried again is tried again at once. Each has keys of its own."""

from collections.abc import Iterator

import pytest
import stamina

from shared.auth.authentication import TokenAuthentication
from tests.support.access import Keys
from tests.support.own_apis import FakeApi, fake_api
from write_side.execution.limits import ExecutionLimits


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=ExecutionLimits().attempts):
        yield


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "keys")


@pytest.fixture
def authentication(keys):
    return TokenAuthentication(keys.directory, audience="muster")


@pytest.fixture
def projector_api(monkeypatch) -> Iterator[FakeApi]:
    """A projector as far as commands can see."""
    with fake_api() as api:
        monkeypatch.setenv("MUSTER_OPS_URL", api.url)
        yield api

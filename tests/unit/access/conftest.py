"""Keys of a test's own, and who is let in by them."""

import pytest

from shared.access.authentication import TokenAuthentication
from tests.support.access import Keys


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "keys")


@pytest.fixture
def authentication(keys):
    return TokenAuthentication(keys.directory, audience="muster")

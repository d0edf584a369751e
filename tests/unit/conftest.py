"""Unit tests wait for nothing: what is tried again is tried again at once."""

from collections.abc import Iterator

import pytest
import stamina

from write_side.runner import ATTEMPTS


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=ATTEMPTS):
        yield

"""What tests of faults record."""

from collections.abc import Callable

import pytest


@pytest.fixture
def recovered_in(request, capsys) -> Callable[[float], None]:
    """Record how long recovery took, and show it."""

    def record(seconds: float) -> None:
        request.node.user_properties.append(("recovery_seconds", seconds))
        with capsys.disabled():
            print(f"\n{request.node.name}: recovered in {seconds:.1f} s")  # noqa: T201 - to be seen in every run

    return record

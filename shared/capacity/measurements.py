"""What `muster bench capacity` has measured: kept in the package, or an operator's own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

KEPT = Path(__file__).with_name("measured.json")
COMMAND = "./muster bench capacity --json"

Points = Mapping[str, float]
"""By what of and where: `reader 12/3` is that of readers of 12 partitions on 3 nodes."""


class MeasurementsUnusable(Exception):
    """A file has not what is needed; the text says what is missing."""


class Measurement(msgspec.Struct, frozen=True):
    """
    A result of `muster bench`, as far as it is looked at here.

    :param what: was measured.
    :param unit: of all points.
    :param details: the points, and of results that are not looked at here other things.
    """

    name: str
    what: str
    unit: str
    details: dict[str, float | str]


class Measurements(msgspec.Struct, frozen=True):
    """
    A document of `muster bench --json`.

    :param load: how many processes wanted the processor, in the 1, 5 and 15 minutes before.
    """

    at: datetime
    machine: str
    load: Sequence[float]
    scenarios: Sequence[Measurement]

    @property
    def source(self) -> str:
        return f"{COMMAND}, {self.at:%Y-%m-%d}, {self.machine}, load {self.load[0]:.0f}"

    def points(self, name: str) -> Points:
        """:raises MeasurementsUnusable: it was not measured."""
        details = next((each.details for each in self.scenarios if each.name == f"capacity-{name}"), {})
        found = {where: number for where, number in details.items() if not isinstance(number, str)}
        if not found:
            raise MeasurementsUnusable(f"it has no capacity-{name}: make it by `{COMMAND}`")
        return found


def measurements(file: Path = KEPT) -> Measurements:
    """:raises MeasurementsUnusable: it cannot be read, or is something else."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Measurements)
    except OSError as error:
        raise MeasurementsUnusable(f"it cannot be read ({error.strerror})") from error
    except msgspec.DecodeError as error:
        raise MeasurementsUnusable(f"it is no result of `{COMMAND}` ({error})") from error

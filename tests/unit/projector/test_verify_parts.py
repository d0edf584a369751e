"""A verification of a projection in several parts."""

from contextlib import asynccontextmanager

import pytest

from projector.audit.verify.following import VerifyLimits
from projector.audit.verify.verification import Verification, report
from shared.read_model.partitions import Partitions
from tests.support.verifying import unwatched
from tests.unit.projector.test_partitioned_projector import PARTITIONS, PartitionedProcess

PROJECTIONS = ["profiles (3 parts)", "groups (3 parts)", "activity (3 parts)", "unique-entries (3 parts)"]
AT_HOME = ["stats", "changes"]


@pytest.fixture
async def process():
    """Partitions that have what has happened."""
    process = PartitionedProcess()
    async with process.running():
        for nth in range(8):
            process.live_through(nth)
        await process.reach()
    return process


def verification(process, *, directory=None, **limits):
    return Verification(
        log=process.around.log, directory=directory, progress=unwatched(), limits=VerifyLimits(**limits)
    )


def documents(process, label):
    """A hash of profiles, as it is kept in a part."""
    content = process.places[label].content
    return next(value for key, value in content.items() if ":profiles:" in key and key.endswith(":profile:full"))


async def test_the_log_is_read_once_for_all_parts_of_a_projection(process):
    given = process.around.log.counted.given

    verified = await verification(process).verify_all(list(process.stores.values()))

    assert [each.projection for each in verified] == [*PROJECTIONS, *AT_HOME]
    assert report(verified, repair=False).differences == 0
    assert verified[0].documents == 9 + 3 * 5
    assert process.around.log.counted.given - given == len(verified) * len(process.around.history.events)


async def test_parts_that_have_too_much_for_one_are_verified_apart(process):
    stores = [each for label, each in process.stores.items() if label.startswith("profiles.")]

    verified = await verification(process, together=1).verify_all(stores)

    assert [each.projection for each in verified] == ["profiles.0", "profiles.1", "profiles.2"]
    assert sum(each.differences for each in verified) == 0


async def test_what_differs_is_said_with_its_part_and_mended_there(process):
    held = documents(process, "profiles.1")
    id_ = next(iter(held))
    held.pop(id_)
    stores = [each for label, each in process.stores.items() if label.startswith("profiles.")]

    [found] = await verification(process).verify_all(stores, repair=True)
    [mended] = await verification(process).verify_all(stores)

    assert {(each.projection, each.entity) for each in found.details} == {("profiles.1", f"profile {id_}")}
    assert (found.stands, mended.differences) == (0, 0)
    assert id_ in held


class DirectoryOf:
    """A directory that has nothing but the ids of people, and that many times too few."""

    def __init__(self, log, ids):
        self._log, self._ids = log, ids

    @asynccontextmanager
    async def snapshot(self):
        yield self

    async def events(self, *, after, limit):
        async with self._log.connect() as reader:
            return await reader.read(after=after, limit=limit)

    async def rows(self, counterpart):
        for id_ in self._ids:
            yield id_, {}


async def test_the_state_is_read_once_and_each_row_compared_where_it_lies(process):
    people = sorted(id_ for nth in range(3) for id_ in documents(process, f"profiles.{nth}"))
    stores = [each for label, each in process.stores.items() if label.startswith("profiles.")]

    directory = DirectoryOf(process.around.log, people[1:])
    [verified] = await verification(process, directory=directory).verify_all(stores)
    [of_one] = await verification(process, directory=directory).verify_all(stores[:1])

    where = {each.entity.removeprefix("profile "): each.projection for each in verified.details}
    assert where == {id_: f"profiles.{Partitions(PARTITIONS.count).of(id_)}" for id_ in people}
    assert {each.field for each in verified.details if each.entity.endswith(people[0])} == {"state.record"}
    assert verified.rows == len(people)
    assert of_one.rows == len(documents(process, "profiles.0"))

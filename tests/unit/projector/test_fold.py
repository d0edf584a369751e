"""From events and documents to one commit."""

from uuid import UUID

import msgspec
import pytest

from projector.declaring.errors import EventNotFoldable
from projector.declaring.index_entries import UniqueEntry
from projector.declaring.projection import Projection
from projector.folding.fold import Basis, ProjectionFold
from projector.folding.parking import Failure, Parked, Parking
from projector.projections.profiles import PROFILE, REGISTRATION, Registration, profiles
from projector.projections.stats import DIRECTORY, STATS, stats
from shared.events import AccountErased, AccountRegistered, AccountSuspended
from shared.read_model.envelope import unseal
from shared.read_model.positions import Checkpoint
from shared.read_model.records import StatsRecord
from tests.support.folding import at_once, cleanly_folded, folded
from tests.support.histories import DAWN, History, nth_id
from tests.support.projections import derived


@pytest.fixture
def history():
    history = History()
    history.register("ada")
    return history


def test_the_checkpoint_moves_over_every_event(history):
    """Position and id of the last, and how many there were; each commit raises the revision."""
    batch = folded(history.events, after=Checkpoint(0, None, 0, 3))

    assert Checkpoint(2, history.events[-1].event_id, 2, 4) == batch.checkpoint


def test_each_event_is_folded_once(history):
    """Numbers show it, which two of the same event would raise twice."""
    history.register("bob")

    batch = folded(history.events, projection=stats)

    numbers = msgspec.json.decode(unseal(batch.full[STATS.key(DIRECTORY)]).body, type=StatsRecord)
    assert (numbers.accounts.active, sum(day.count for day in numbers.registrations)) == (2, 2)


def test_a_gap_in_positions_is_passed_over(history):
    """A rolled-back transaction leaves one; it counts for nothing."""
    history.skip(5)
    history.suspend(nth_id(1))

    checkpoint = folded(history.events).checkpoint

    assert (checkpoint.position, checkpoint.count) == (8, 3)


def test_a_document_reflects_the_last_event_folded_into_it(history):
    history.suspend(nth_id(1))
    history.register("bob")

    documents = folded(history.events).full

    assert {UUID(key.id).int: unseal(envelope).position for key, envelope in documents.items()} == {1: 3, 2: 5}


def test_what_a_document_reflects_is_not_folded_into_it_again(history):
    """The store is ahead of its checkpoint: the older events change nothing, but everything is written once more."""
    history.suspend(nth_id(1))
    history.reinstate(nth_id(1))
    key = PROFILE.key(nth_id(1))
    ahead = folded(history.events).full[key]

    envelopes = {key: ahead, REGISTRATION.key(nth_id(1)): None}
    batch = folded(history.events[2:3], envelopes, after=Checkpoint(2, None, 2))

    assert ahead == batch.full[key]
    unique_entries = {entry.value for entry, _ in batch.additions if isinstance(entry, UniqueEntry)}
    assert {"ada", "ada@example.org"} == unique_entries
    assert batch.removals == []


def test_an_unknown_event_ends_the_batch_before_it(history):
    """What comes before is committed; then the event names itself."""
    history.meet_the_unknown()

    before = folded(history.events)
    with pytest.raises(EventNotFoldable, match=r"profiles.*position 3.*account-enchanted"):
        folded(history.events[2:], after=before.checkpoint)

    assert before.checkpoint.position == 2


def parked_by(batch):
    """What a batch parks."""
    (stored,) = batch.parked.values()
    return msgspec.json.decode(stored, type=Parking)


def test_an_event_without_its_person_is_parked():
    """Nothing in the log says how the account came to be; the checkpoint moves on."""
    history = History()
    history.record("account", nth_id(1), AccountSuspended(account_id=nth_id(1)))

    batch = folded(history.events)

    (parked,) = parked_by(batch).events
    assert (parked.position, parked.documents, parked.failure.error) == (
        1,
        (PROFILE.key(nth_id(1)),),
        "DocumentMissing",
    )
    assert (batch.checkpoint.position, batch.checkpoint.parked) == (1, 1)
    assert batch.full == {}


def test_an_error_of_a_projection_is_told_without_its_text(history):
    """It may quote people's data."""

    class Clumsy(Projection):
        def react(self, recorded, documents):
            raise ValueError("ada@example.org")

    batch = folded(history.events, projection=derived(profiles, Clumsy))

    assert "ValueError" in {each.failure.error for each in parked_by(batch).events if each.failure}
    assert b"ada" not in b"".join(batch.parked.values())


def test_an_event_that_names_no_document_stops_the_projection(history):
    """There is no document that it could wait for."""
    idle = Projection("idle", version=1, documents=(PROFILE,))

    @idle.on(AccountRegistered, touches=lambda *_: ())
    def fail(*_):
        raise ValueError

    with pytest.raises(EventNotFoldable, match=r"idle.*position 1.*names no document it writes"):
        folded(history.events, projection=idle)


def test_an_event_that_is_refused_leaves_what_is_parked_as_it_was(history):
    """An erasure lets go of what waits for the erased; one that cannot be parked begins the next commit instead."""
    history.erase(nth_id(1))
    failing = Projection("failing", version=1, documents=(PROFILE,))

    @failing.on(AccountErased, touches=lambda *_: ())
    def fail(*_):
        raise ValueError

    key = PROFILE.key(nth_id(1))
    parking = Parking((Parked(position=1, since=DAWN, documents=(key,), failure=Failure("ValueError", "buggy")),))
    after = Checkpoint(1, None, 1, 1, parked=1)
    batch = ProjectionFold(failing).batch({key: None}.__getitem__, Basis(after, parking=parking))
    assert batch.apply(history.events[1])

    assert not batch.apply(history.events[2])

    assert batch.folded().parking == parking


def test_what_an_event_only_reads_it_may_not_save(history):
    """A projection that breaks its word is found out, and nothing of it is kept."""
    sly = Projection("sly", version=1, documents=(REGISTRATION, PROFILE))

    @sly.on(
        AccountRegistered,
        touches=lambda event, _: [PROFILE.key(event.account_id)],
        reads=lambda event, _: [REGISTRATION.key(event.account_id)],
    )
    def save_what_is_read(event, _, documents):
        record = Registration(**msgspec.structs.asdict(event), created_at=DAWN, version=1)
        documents.save(REGISTRATION, event.account_id, record)

    batch = folded(history.events, projection=sly)

    assert {each.position: each.failure.error for each in parked_by(batch).events} == {1: "ReadOnly"}
    assert batch.full == {}


def test_a_document_that_was_not_fetched_is_missed(history):
    """Even if it does not exist: the store was not asked."""
    with pytest.raises(EventNotFoldable, match=r"registration .* is touched and not named"):
        folded(history.events, {})


def test_handles_swapped_by_way_of_a_third_lead_to_their_new_owners(history):
    """All in one batch: each unique entry that is left is taken by the other."""
    ada, bob = nth_id(1), history.register("bob")
    history.swap_handles(ada, bob, by_way_of="another")

    stored = at_once(cleanly_folded(history.events))

    assert {"ada": str(bob).encode(), "bob": str(ada).encode()} == stored["by-handle"]

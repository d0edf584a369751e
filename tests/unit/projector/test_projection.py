"""A projection is a table of reactions: what holds of each, whatever stands in it."""

from uuid import UUID

import msgspec
import pytest
from hypothesis import given as for_all

from projector.adapters.memory.read_model import MemoryReadModel
from projector.adapters.memory.store import MemoryStore
from projector.projections.groups import GROUP
from projector.projections.groups import groups as groups_projection
from projector.projections.profiles import PROFILE, REGISTRATION, profiles
from shared.events import AccountRegistered, Event, ProfileCreated, Redacted
from shared.read_model.envelope import unseal
from tests.support.bugs import poisoned
from tests.support.folding import at_once, begin, cleanly_folded, fold_all, folded, held, parked
from tests.support.given import Given
from tests.support.histories import History, nth_id
from tests.unit.projector.random_histories import group_histories

ADA = nth_id(1)


class SomethingNew(Event, frozen=True, kw_only=True, tag="something-new"):
    """An event as the next release may bring it: no projection reacts to it."""

    id: UUID


@pytest.fixture
def history():
    history = History()
    history.register("ada")
    return history


def the_profile(history):
    return Given(profiles, history.events).all(PROFILE)[str(ADA)]


@pytest.mark.parametrize(
    ("aggregate", "versions"), [("account", (2, 1)), ("profile", (1, 2))], ids=["account", "profile"]
)
def test_an_event_without_a_reaction_moves_the_version_it_names(history, aggregate, versions):
    """Otherwise readers were served the old one, and refused with it by `If-Match`, for ever."""
    recorded = history.record(aggregate, ADA, SomethingNew(id=ADA))

    record = the_profile(history)

    assert (record.version, record.profile_version) == versions
    assert record.updated_at == recorded.occurred_at


def test_an_event_of_an_unknown_type_moves_the_version_it_names(history):
    """The row of the log has aggregate, id and version, whatever the event is."""
    history.meet_the_unknown()

    assert the_profile(history).version == 2


def test_an_event_without_a_reaction_moves_the_version_of_a_group():
    history = History()
    board = history.create_group("board")
    recorded = history.record("group", board, SomethingNew(id=board))

    group = Given(groups_projection, history.events).all(GROUP)[str(board)]

    assert (group.version, group.updated_at) == (2, recorded.occurred_at)


def test_an_event_between_registration_and_profile_counts():
    """A command may come to record more than one event of a new account."""
    history = History()
    history.record("account", ADA, AccountRegistered(account_id=ADA, email="ada@example.org", handle="ada"))
    history.record("account", ADA, SomethingNew(id=ADA))
    history.record("profile", ADA, ProfileCreated(account_id=ADA, display_name="Ada"))

    assert the_profile(history).version == 2


def test_the_store_has_the_moved_version(history):
    """Through the engine, which fetches what a version is in though no reaction names it."""
    history.record("account", ADA, SomethingNew(id=ADA))

    batch = folded(history.events)

    record = msgspec.json.decode(unseal(batch.full[PROFILE.key(ADA)]).body, type=PROFILE.record)
    assert record.version == 2
    assert batch.parked == {}


def test_an_event_moves_no_version_where_there_is_no_record():
    history = History()
    history.record("account", ADA, SomethingNew(id=ADA))

    folded = Given(profiles, history.events)

    assert (folded.all(PROFILE), folded.all(REGISTRATION)) == ({}, {})


def test_what_was_redacted_moves_no_version(history):
    """Nothing of the person is folded any more: the record stays as it is until the erasure drops it."""
    history.record("account", ADA, Redacted(by=9, was="handle-changed"))

    assert the_profile(history).version == 1


def test_an_event_without_a_reaction_waits_behind_what_is_parked(history):
    """Or its version would be put back when the one before it is folded at last."""
    store = MemoryStore()
    model = MemoryReadModel(store, projection=profiles)
    history.change_handle(ADA, "countess")
    history.record("account", ADA, SomethingNew(id=ADA))
    buggy = poisoned(profiles, lambda recorded: recorded.position == 3)
    at_once(begin(model))

    at_once(fold_all(model, history.events, projection=buggy, code="buggy"))
    waiting = [each.position for each in at_once(parked(model)).events]
    at_once(fold_all(model, history.events, code="mended"))

    assert waiting == [3, 4]
    assert held(store.content) == at_once(cleanly_folded(history.events))


@for_all(log=group_histories())
def test_a_record_has_the_number_of_events_of_its_aggregate(log):
    """Whatever happened: with what is served, the next command can be conditional."""
    latest = {(each.aggregate, str(each.aggregate_id)): each.version for each in log}

    people, boards = Given(profiles, log).all(PROFILE), Given(groups_projection, log).all(GROUP)

    for id_, record in people.items():
        assert (record.version, record.profile_version) == (latest["account", id_], latest["profile", id_])
    assert {id_: group.version for id_, group in boards.items()} == {id_: latest["group", id_] for id_ in boards}

"""What is parked is kept beside the generation, in every store alike, and readers are told."""

import msgspec
import pytest

from projector.adapters.memory.read_model import MemoryReadModel
from projector.adapters.memory.store import MemoryStore
from projector.adapters.redis.read_model import RedisReadModel
from projector.declaring.index_entries import UniqueEntry
from projector.folding.parking import Parking, Skip
from projector.parked.events import Busy, ParkedEvents, commit_of
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from projector.store.codec import parking_at
from projector.store.errors import Superseded
from projector.store.transitions import begun
from read_side.adapters.redis.views.groups import RedisGroupViews
from read_side.adapters.redis.views.profiles import RedisProfileViews
from read_side.freshness import Freshness
from read_side.views import MemberQuery, ProfileKeys, ProfileQuery
from shared.read_model.keys import HOME
from shared.read_model.positions import Pointer
from shared.redis.client import connect
from tests.support.bugs import of_account, poisoned
from tests.support.clock import SettableClock
from tests.support.folding import ORDER, PROFILES, begin, fold_all, go_live, parked
from tests.support.histories import DAWN, History, nth_id
from tests.support.patience import patient_connector
from tests.support.read_side import PATIENCE

ADA, BOB = nth_id(1), nth_id(2)
SINCE = "2026-11-25T08:00:08Z"


@pytest.fixture
def history():
    """Ada and Bob belong to a group; then Ada is renamed."""
    history = History()
    group = history.create_group("board")
    for handle in ("ada", "bob"):
        history.add_member(group, history.register(handle))
    history.update(ADA, display_name="Ada King")
    history.update(ADA, display_name="Ada Lovelace")
    return history


def planted(projection):
    fails = of_account(ADA)
    return poisoned(projection, lambda recorded: recorded.position == 8 and fails(recorded))


@pytest.fixture(params=["memory", "valkey", "genuine_redis"])
async def model(request):
    """An empty read model of profiles."""
    if request.param == "memory":
        yield MemoryReadModel(MemoryStore(), projection=PROFILES)
        return
    server = request.getfixturevalue(request.param).start()
    async with connect(server.url) as client:
        await client.flushall()
        yield RedisReadModel(client, projection=PROFILES, keyspace=HOME)


async def fold(model, history, projection=PROFILES, *, code="mended"):
    await fold_all(model, history.events, projection=projection, code=code)


async def test_what_is_parked_survives_and_is_released(model, history):
    """The checkpoint names where it is to be found."""
    await begin(model)
    await fold(model, history, planted(PROFILES), code="buggy")

    parking = await parked(model)
    assert [(each.position, each.failure and each.failure.error) for each in parking.events] == [
        (8, "ValueError"),
        (9, None),
    ]
    await fold(model, history)

    assert (await parked(model)).events == ()
    assert (await model.survey()).checkpoint.parked == 0


async def test_a_request_goes_through_the_same_compare_and_set(model, history):
    """A projector that committed from before it is refused; the next one does what was asked."""
    await begin(model)
    await fold(model, history, planted(PROFILES), code="buggy")
    before = (await model.survey()).checkpoint
    asked = (await parked(model)).to_be_skipped(str(ADA), Skip(reason="why", by="olga", at=DAWN))
    async with model.commit("g1", expected=before) as commit:
        await commit.apply(commit_of(asked, before))

    with pytest.raises(Superseded):
        async with model.commit("g1", expected=before):
            pass
    await fold(model, history, planted(PROFILES), code="buggy")

    parking = await parked(model)
    assert parking.events == ()
    assert [(each.position, each.skip.reason) for each in parking.skipped] == [(8, "why")]


async def test_a_new_generation_takes_over_what_was_skipped(model, history):
    """Its checkpoint names where that is kept; nothing else is parked in it, and it is fed like any other."""
    await begin(model)
    await fold(model, history, planted(PROFILES), code="buggy")
    await go_live(model)
    before = (await model.survey()).checkpoint
    asked = (await parked(model)).to_be_skipped(str(ADA), Skip(reason="why", by="olga", at=DAWN))
    async with model.commit("g1", expected=before) as commit:
        await commit.apply(commit_of(asked, before))
    await fold(model, history, planted(PROFILES), code="buggy")

    survey = await model.transition(begun(Pointer("g2", profiles.version), ORDER, target=9))

    new = survey.at(survey.roster.building.pointer).checkpoint
    async with model.commit("g2", expected=new) as commit:
        inherited = parking_at(new, commit.parked, projection="profiles")
    assert (new.position, new.count) == (0, 0)
    assert inherited == Parking(skipped=(await parked(model)).skipped)
    assert [(each.position, each.skip.by) for each in inherited.skipped] == [(8, "olga")]


class Crossed:
    """A read model in which a rebuild begins just after it was looked at for the nth time."""

    def __init__(self, model, *, at):
        self._model = model
        self._left = at
        self.commit = model.commit

    async def survey(self):
        found = await self._model.survey()
        self._left -= 1
        if self._left == 0:
            await self._model.transition(begun(Pointer("g2", profiles.version), ORDER, target=9))
        return found


@pytest.mark.parametrize("at", [1, 2], ids=["before the commit", "within it"])
async def test_a_skip_does_not_cross_with_a_rebuild(model, history, at):
    """The new generation has taken over what was skipped until then: it would never know."""
    await begin(model)
    await fold(model, history, planted(PROFILES), code="buggy")
    await go_live(model)
    operators = ParkedEvents(models={"profiles": Crossed(model, at=at)}, clock=SettableClock())

    with pytest.raises(Busy, match="a test is rebuilding profiles"):
        await operators.skip("profiles", str(ADA), reason="why", by="olga")

    assert (await parked(model)).skips() == ()


async def test_older_states_of_what_is_parked_go_but_the_last(model, history):
    """A head that comes back after a crash may still rely on that one."""
    await begin(model)
    await fold(model, history, planted(PROFILES), code="one")
    for code in ("two", "three", "four"):
        await fold(model, history, planted(PROFILES), code=code)

    checkpoint = (await model.survey()).checkpoint
    async with model.commit("g1", expected=checkpoint) as commit:
        names = sorted(map(int, commit.parked))
    assert names == [checkpoint.parked - 1, checkpoint.parked]


async def test_a_commit_that_is_left_lets_go_of_what_it_watches(model, history):
    """A reader that only looked, while another wrote, does not make the next one on its connection fail."""
    await begin(model)
    await fold(model, history, planted(PROFILES), code="one")
    before = (await model.survey()).checkpoint
    async with model.commit("g1", expected=before) as commit:
        parking = await parked(model)
        await commit.apply(commit_of(parking, before))

    now = (await model.survey()).checkpoint
    async with model.commit("g1", expected=now), model.commit("g1", expected=now) as commit:
        await commit.apply(commit_of(parking, now))

    assert now.revision + 1 == (await model.survey()).checkpoint.revision


async def test_owners_of_look_ups_are_told(model, history):
    await begin(model)
    await fold(model, history)

    async with model.commit("g1", expected=(await model.survey()).checkpoint) as commit:
        owners = await commit.owners([UniqueEntry("by-handle", "ada"), UniqueEntry("by-handle", "nobody")])

    assert {UniqueEntry("by-handle", "ada"): str(ADA), UniqueEntry("by-handle", "nobody"): None} == owners


async def live(server, history, projection):
    """Fold with the planted bug, and let readers see it."""
    async with connect(server.url) as client:
        model = RedisReadModel(client, projection=projection, keyspace=HOME)
        await begin(model, projection)
        await fold_all(model, history.events, projection=planted(projection), code="buggy")
        await go_live(model, projection)


async def test_a_parked_record_says_so_however_it_is_found(redis_server, history):
    """By id, by key, in lists and in batches; nobody else does."""
    await live(redis_server, history, profiles)

    async with RedisProfileViews(
        patient_connector(redis_server.url), freshness=Freshness("profiles", patience=PATIENCE)
    ) as views:
        found = [
            (await views.by_id(str(ADA))).document.body,
            (await views.by_handle("ada")).document.body,
            (await views.by_keys(ProfileKeys(emails=("ada@example.org",)))).found[0],
            *[each for each in (await views.list(ProfileQuery())).documents if b'"ada"' in each],
        ]
        bob = (await views.by_id(str(BOB))).document

    assert [found[0]] * 4 == found
    assert msgspec.json.decode(found[0])["stale_since"] == SINCE
    assert msgspec.json.decode(found[0])["display_name"] == "Ada"
    assert "stale_since" not in msgspec.json.decode(bob.body)


async def test_a_card_is_marked_once(redis_server, history):
    """Of its two halves either may be stale, or both: the card says since when the first of them is."""
    history.change_role(next(iter(history.slugs)), ADA, "chair")
    fails = of_account(ADA)
    async with connect(redis_server.url) as client:
        model, projection = RedisReadModel(client, projection=groups, keyspace=HOME), groups
        await begin(model, projection)
        bug = poisoned(projection, lambda recorded: recorded.position in {8, 10} and fails(recorded))
        await fold_all(model, history.events, projection=bug, code="buggy")
        await go_live(model, projection)

    async with RedisGroupViews(
        patient_connector(redis_server.url), freshness=Freshness("profiles", patience=PATIENCE)
    ) as views:
        page = await views.members(str(next(iter(history.slugs))), MemberQuery())

    ada, bob = page.documents
    assert ada.count(b"stale_since") == 1
    assert (msgspec.json.decode(ada)["stale_since"], msgspec.json.decode(ada)["role"]) == (SINCE, "member")
    assert b"stale_since" not in bob

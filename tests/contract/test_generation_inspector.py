"""One suite over every inspector of generations: in memory, on fakeredis, Valkey and a genuine Redis."""

from itertools import chain

import pytest

from projector.declaring.documents import Key
from projector.declaring.index_entries import Entry, SortedEntry, UniqueEntry
from projector.projections.profiles import profiles
from projector.store.collections import Index, Variant, collections_of
from projector.store.errors import GenerationDamaged, Superseded
from projector.store.inspection import GenerationQuery
from projector.store.transitions import begun
from shared.read_model.keys import VARIANTS
from shared.read_model.positions import Checkpoint, Pointer
from tests.support.folding import ORDER, POINTER, PREFIX, PROFILES, begin, fold_all, folded, go_live
from tests.support.histories import History
from tests.support.read_models import on_a_server

NEW, GONE = Pointer("g2", profiles.version), Pointer("g3", 1)
NOBODY, STRANGER = Key("profile", "nobody"), Key("group", "none")


@pytest.fixture
def history():
    history = History()
    history.register("ada", external_id="A1")
    history.register("bob", title="Dr")
    return history


@pytest.fixture
async def inspector(store, history):
    """Of a live generation, and another that was filled with the same events."""
    model = store.model()
    await begin(model)
    await fold_all(model, history.events)
    await go_live(model)
    await model.transition(begun(NEW, ORDER, target=4))
    async with model.commit(NEW.generation, expected=Checkpoint()) as commit:
        envelopes = await commit.fetch(profiles.plan.wanted(history.events))
        await commit.apply(folded(history.events, envelopes))
    return store.inspector()


async def walked(inspector, pointer, collection):
    return {item: value async for portion in inspector.walk(pointer, collection) for item, value in portion.items()}


async def test_the_live_generation_is_named(store, inspector):
    assert await inspector.live() == POINTER

    await store.empty()

    assert await inspector.live() is None


async def test_several_generations_are_read_at_one_moment(store, inspector):
    """With their checkpoints; what is not there is None."""
    profiles = (await store.content())["profile:full"]
    keys = [Key("profile", id_) for id_ in profiles]

    old, new = await inspector.inspect((POINTER, NEW), GenerationQuery([*keys, NOBODY, STRANGER], variants=("full",)))

    assert (
        old.documents
        == new.documents
        == {
            **{(key, "full"): profiles[key.id] for key in keys},
            (NOBODY, "full"): None,
            (STRANGER, "full"): None,
        }
    )
    assert (old.live, new.live) == (POINTER, POINTER)
    assert (old.checkpoint.position, new.checkpoint.position) == (len(keys) * 2, len(keys) * 2)


async def test_a_generation_that_is_gone_is_superseded(inspector):
    with pytest.raises(Superseded, match="g3 is gone"):
        await inspector.inspect((POINTER, GONE), GenerationQuery())


async def test_a_live_generation_without_checkpoint_is_damaged(store, inspector):
    await store.forget(f"{PREFIX}checkpoint")

    with pytest.raises(GenerationDamaged, match="has lost its checkpoint"):
        await inspector.inspect((POINTER,), GenerationQuery())


async def test_why_a_generation_is_damaged_is_said(store, inspector):
    await store.plant(f"{PREFIX}damaged", b"it broke")

    (snapshot,) = await inspector.inspect((POINTER,), GenerationQuery())

    assert snapshot.damaged == "it broke"


async def test_what_leads_to_documents_is_read_with_them(inspector):
    """And how much stands where."""
    lists = Index("handle", is_list=True)
    (entry, *_) = await walked(inspector, POINTER, lists)
    entries: list[Entry] = [
        UniqueEntry("by-handle", "ada"),
        UniqueEntry("by-handle", "cyd"),
        SortedEntry("handle", b"nothing"),
    ]
    sizes = [lists, Variant("profile", "full"), Index("by-handle", is_list=False)]

    (snapshot,) = await inspector.inspect(
        (POINTER,), GenerationQuery(entries=[*entries, SortedEntry("handle", entry)], sizes=sizes)
    )

    owner, *absent, there = snapshot.owners.values()
    assert Key("profile", owner).id in await inspector.sample(POINTER, "profile", limit=9)
    assert absent == [None, None]
    assert there == ""
    assert snapshot.sizes == dict.fromkeys(sizes, 2)


async def test_every_collection_is_walked_whole(store, inspector):
    """Documents come with what is stored of them."""
    content = await store.content()

    found = await inspector.collections(NEW)
    items = {each: await walked(inspector, NEW, each) for each in found}

    assert {*found} <= {*collections_of(PROFILES)}
    assert items[Variant("profile", "full")] == content["profile:full"]
    assert {Variant("profile", variant) for variant in VARIANTS} <= found
    assert all(items.values())


async def test_some_documents_are_sampled(store, inspector):
    profiles = (await store.content())["profile:full"]

    samples = [await inspector.sample(POINTER, "profile", limit=1) for _ in range(5)]

    assert set(chain.from_iterable(samples)) <= set(profiles)
    assert [*map(len, samples)] == [1] * 5


async def test_a_generation_tells_how_much_it_holds(store, inspector):
    """Its documents, each once, and about how much memory all of it takes; one that is gone holds nothing."""
    content = await store.content()

    found = await inspector.size(POINTER, list(collections_of(PROFILES)))
    gone = await inspector.size(GONE, list(collections_of(PROFILES)))

    assert found.documents == len(content["profile:full"])
    assert found.bytes is None or found.bytes > sum(len(body) for body in content["profile:full"].values())
    assert (gone.documents, gone.bytes or 0) == (0, 0)


async def test_a_server_tells_how_much_memory_a_generation_takes(server, history):
    """Fakeredis and the store in memory do not know."""
    async with on_a_server(server) as store:
        await begin(store.model())
        await fold_all(store.model(), history.events)

        found = await store.inspector().size(POINTER, list(collections_of(PROFILES)))

        assert 1_000 < found.bytes < 100_000

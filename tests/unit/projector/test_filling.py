"""A generation without readers is filled from a fold of the whole log: it ends as one that was fed commit by commit."""

from contextlib import suppress
from dataclasses import replace
from itertools import count

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projector.adapters.memory.read_model import MemoryReadModel
from projector.adapters.memory.store import MemoryStore
from projector.folding.log_fold import LogFold
from projector.processing.filling import RangeOutcome
from projector.processing.limits import BreakerLimits
from projector.processing.progress import ProjectionState
from projector.projections.profiles import profiles
from projector.projections.registry import PROJECTIONS
from projector.rebuilding.filling.log_filler import FillingLimits, LogFiller
from projector.store.errors import Superseded
from projector.store.transitions import begun
from shared.errors import Unavailable
from shared.event_log import MemoryEventLog, RecordedEvent
from shared.event_log.adapters.memory import MemoryEventReader
from shared.events import Redacted
from shared.read_model.positions import Pointer
from tests.support.bugs import bugs, poisoned
from tests.support.examples import examples
from tests.support.folding import ORDER, as_served, at_once, begin, cleanly_folded, fold_all, go_live, held, parked
from tests.support.histories import History, nth_id
from tests.support.patience import until_here
from tests.support.projections import PARKING
from tests.support.projectors import HASTE, Surroundings, projector_on, running, store_in_memory, until_state
from tests.unit.projector.random_histories import group_histories, histories
from tests.unit.projector.test_torn_commits import SEEN

logs = histories() | group_histories()
weights = st.integers(1, 200)
sizes = st.sampled_from([1_000, 9, 3])
on_every_projection = pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)


class Fill:
    """A first fill of a projection; `between` is done after each piece of its work."""

    def __init__(self, log, *, projection=profiles, weight=200, store=None, **limits):
        self.log, self.store, self.projection = MemoryEventLog(), store or MemoryStore(), projection
        self.log.append(log)
        self._limits = FillingLimits(alone=weight, piece=0.0, note=0.0, **limits)
        self.between = lambda: None
        self.model = store_in_memory(self.store, projection).model
        at_once(begin(self.model, projection))

    async def run(self):
        filler = LogFiller(store_in_memory(self.store, self.projection), self.log, limits=self._limits)
        return await filler.fill(Pointer("g1", self.projection.version), report=self._report)

    async def _report(self, _):
        self.between()

    def crash_after(self, pieces, writes):
        """Crash in the commit that comes so many pieces of work after the first, when so much of it is written."""
        left = count(pieces, -1)

        def crash():
            if not next(left):
                self.store.torn_after = writes

        self.between = crash

    def fill_if_empty(self):
        if not self.checkpoint.position:
            at_once(self.run())

    def feed(self):
        """Do the rest as the live engine does."""
        at_once(fold_all(self.model, self.log.events, size=3, projection=self.projection))

    @property
    def checkpoint(self):
        return at_once(self.model.survey()).checkpoint

    @property
    def held(self):
        return held(self.store.content, self.projection)


@given(projection=st.sampled_from(PROJECTIONS), log=logs, weight=weights, most=sizes)
@settings(max_examples=examples(60))
def test_it_holds_what_a_live_fold_holds(projection, log, weight, most):
    """Byte for byte, with the positions that documents reflect; in however many ranges."""
    filling = Fill(log, projection=projection, weight=weight, events=most)

    assert at_once(filling.run())

    assert filling.held == at_once(cleanly_folded(log, projection))
    assert (filling.checkpoint.position, filling.checkpoint.count) == (log[-1].position, len(log))


@given(projection=st.sampled_from(PARKING), log=logs, weight=weights, bug=bugs, most=sizes)
@settings(max_examples=examples(30))
def test_it_parks_what_a_live_fold_parks(projection, log, weight, bug, most):
    """And what is due then, because of an erasure, is retried by the loop that feeds on."""
    planted, live = bug.planted(projection), MemoryStore()
    filling = Fill(log, projection=planted, weight=weight, events=most)
    model = store_in_memory(live, planted).model
    at_once(begin(model, planted))
    at_once(fold_all(model, log, size=3, projection=planted))

    at_once(filling.run())
    filling.feed()

    assert (
        at_once(parked(model, planted)).documents().keys() == at_once(parked(filling.model, planted)).documents().keys()
    )
    assert of_documents(held(live.content, planted)) == of_documents(filling.held)


@given(
    projection=st.sampled_from(PROJECTIONS),
    make=st.sampled_from([*SEEN]),
    log=logs,
    limits=st.fixed_dictionaries({"weight": weights, "events": sizes}),
    crashes=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 60)), max_size=4),
)
@settings(max_examples=examples(60))
def test_one_that_was_killed_is_gone_on_with(projection, make, log, limits, crashes):
    """
    Whatever is left of what it wrote, the head of a commit too, even if that turns up at the next restart only.

    By the time of the next fill, more has happened: it does not write the same once more.
    """
    before = len(log) * 2 // 3
    filling = Fill(log[:before], projection=projection, store=make(), **limits)
    for crash in crashes:
        filling.crash_after(*crash)
        with suppress(Unavailable):
            filling.fill_if_empty()
    filling.store.torn_after, filling.between = None, lambda: None
    filling.log.append(log[before:])

    filling.fill_if_empty()
    filling.feed()

    assert SEEN[make](filling.store.content, projection) == at_once(cleanly_folded(log, projection))


@pytest.mark.parametrize("loser", [0, 1])
def test_a_handle_leads_to_who_took_it_from_a_record_that_lacks_its_loss(loser):
    """Whichever range is written last."""
    history, handles = History(), ("ada", "bob")
    people = [history.register(each) for each in handles]
    history.change_handle(people[loser], "lost")
    lost = history.events[-1].position
    history.change_handle(people[1 - loser], handles[loser])
    planted = poisoned(profiles, lambda recorded: recorded.position == lost)

    at_once((filling := Fill(history.events, projection=planted, events=3)).run())

    assert filling.held["by-handle"] == {handles[loser]: str(people[1 - loser]).encode()}


def killed_after_its_first_range(log):
    """A fill, and the id of a person in that range whose e-mail address leads nowhere by now."""
    filling = Fill(log, events=9)

    def kill():
        if filling.checkpoint.filling.done:
            raise Unavailable

    filling.between = kill
    with pytest.raises(Unavailable):
        at_once(filling.run())
    filling.between = lambda: None
    emails = filling.store.fields(key := "muster:{0}:profiles:g1:by-email")
    lost = emails.pop(min(emails))
    filling.store.content[key] = emails
    return filling, lost


def test_what_was_written_of_one_that_was_killed_is_not_written_again():
    """Nor what has happened since: that is left to the loop that feeds on."""
    filling, lost = killed_after_its_first_range(full().events[:-1])
    until = filling.checkpoint.filling.until
    filling.log.append(full().events[-1:])

    at_once(filling.run())

    assert lost not in filling.held["by-email"].values()
    assert filling.checkpoint.position == until


@pytest.mark.parametrize("change", ["erased", "code", "restored"])
def test_one_that_was_killed_is_begun_anew_where_it_would_end_otherwise(change, monkeypatch):
    """A person was erased since, the code is another one, or the log is."""
    history = full()
    filling, _ = killed_after_its_first_range(history.events)
    match change:
        case "erased":
            history.erase(nth_id(1))
        case "code":
            monkeypatch.setattr("projector.rebuilding.filling.log_filler.code_version", lambda _: "another")
        case _:
            history.events[-1] = msgspec.structs.replace(history.events[-1], event_id=nth_id(99))
    filling.log = MemoryEventLog()
    filling.log.append(history.events)

    at_once(filling.run())

    assert filling.held == at_once(cleanly_folded(history.events))


def test_a_person_erased_while_one_that_was_killed_goes_on_has_it_begun_anew():
    """A crash may have left entries without the document by which the erasure would find them."""
    history = full()
    filling, _ = killed_after_its_first_range(history.events)

    def erase():
        filling.between = lambda: None
        history.erase(nth_id(1))
        filling.log.append(history.events[len(filling.log.events) :])

    filling.between = erase
    at_once(filling.run())
    filling.feed()

    assert filling.held == at_once(cleanly_folded(history.events))


def test_no_range_is_given_what_is_another_ones(monkeypatch):
    """So no more is kept in memory at once than was asked for."""
    folded, apply = list[RecordedEvent](), LogFold.apply

    def count_too(fold, recorded):
        folded.append(recorded)
        return apply(fold, recorded)

    monkeypatch.setattr(LogFold, "apply", count_too)
    log = [each for each in full().events if each.aggregate != "group"]

    at_once(Fill(log, events=9).run())

    assert len(folded) == len(log)


@on_every_projection
def test_an_erasure_meanwhile_ends_as_in_a_live_fold(projection):
    """What was read before it is as it was, and the rest redacted; the loop that feeds on comes to the erasure."""
    history = full()
    filling = Fill(history.events, projection=projection)

    def erase():
        filling.between = lambda: None
        history.erase(nth_id(1))
        redacted = {each.position for each in history.events if isinstance(each.event, Redacted)}
        filling.log.redact(lambda each: each.position in redacted, by=history.events[-1].position)
        filling.log.append(history.events[len(filling.log.events) :])

    filling.between = erase
    at_once(filling.run())
    filling.feed()

    assert filling.held == at_once(cleanly_folded(history.events, projection))


@pytest.mark.parametrize("piece", [1, 4, 6])
def test_of_two_that_fill_the_first_writes_nothing_any_more(piece):
    """Whether it is still folding or writes already: the second takes over, and removes what is there."""
    filling, pieces = Fill(full().events, weight=40), count(1)

    def fill_too():
        if next(pieces) == piece:
            at_once(filling.run())

    filling.between = fill_too
    with pytest.raises(Superseded):
        at_once(filling.run())

    assert filling.held == at_once(cleanly_folded(full().events))


def test_an_event_that_stops_the_projection_is_left_to_the_loop_that_feeds_on():
    """What is before it is written, and reflected."""
    history = full()
    until = len(history.events)
    history.meet_the_unknown()
    history.suspend(nth_id(2))
    filling = Fill(history.events)

    assert at_once(filling.run())

    assert filling.checkpoint.position == until
    assert filling.held == at_once(cleanly_folded(history.events[:until]))


def test_a_log_that_can_be_read_no_further_yet_is_left_to_the_loop_that_feeds_on():
    """Nothing is below the horizon; nothing is written either."""
    filling = Fill([])
    before = filling.checkpoint

    assert not at_once(filling.run())

    assert filling.checkpoint == before


def test_what_lies_behind_the_horizon_is_left_to_the_loop_that_feeds_on(monkeypatch):
    """A transaction that is under way may still put something before it."""
    filling = Fill(full().events)

    async def horizon(_):
        return 4

    monkeypatch.setattr(MemoryEventReader, "horizon", horizon)
    at_once(filling.run())

    assert filling.checkpoint.position == 4
    assert filling.held == at_once(cleanly_folded(full().events[:4]))


def test_what_is_reflected_already_is_not_filled():
    """Another projector was faster: it would be removed."""
    filling = Fill(full().events)
    filling.feed()
    before = filling.store.content.copy()

    with pytest.raises(Superseded):
        at_once(filling.run())

    assert filling.store.content == before


async def test_a_release_that_cannot_fold_the_log_reads_it_once(monkeypatch):
    """Until another process takes over, as in a live fold."""
    around, fills, looks = Surroundings(history=full()), count(), count()
    monkeypatch.setattr(LogFiller, "fill", counted(LogFiller.fill, fills))
    monkeypatch.setattr(MemoryReadModel, "survey", counted(MemoryReadModel.survey, looks))
    around.log.append(around.history.events)
    failing = poisoned(profiles, lambda recorded: recorded.aggregate == "profile")
    few = replace(HASTE, breaker=BreakerLimits(failures=2))
    async with running(projector_on(around, projection=failing, limits=few)) as projector:
        await until_state(projector, ProjectionState.STOPPED)
        assert "it is the release" in projector.progress.error
        enough = next(looks) + 20
        await until_here(lambda: next(looks) > enough)

    assert next(fills) == 1


@pytest.mark.parametrize(("each", "beside"), [(1_000, 1), (1, 2)])
async def test_what_is_filled_beside_a_generation_with_readers_leaves_a_processor_to_that(each, beside):
    """Where the log is short, so that a second process would bring little; one without readers takes all there are."""
    filling, ranges = Fill(full().events), Ranges()
    filler = LogFiller(
        store_in_memory(filling.store, profiles),
        filling.log,
        limits=FillingLimits(here=0, each=each, processes=2),
        elsewhere=ranges,
    )

    await filler.fill(Pointer("g1", profiles.version), report=ranges.report)
    await go_live(filling.model)
    await filling.model.transition(begun(Pointer("g2", profiles.version), ORDER, target=0))
    await filler.fill(Pointer("g2", profiles.version), report=ranges.report)

    assert ranges.ordered == [2, 2, *[beside] * beside]


class Ranges:
    """Fill nothing, and note in how many ranges that was to be done."""

    def __init__(self):
        self.ordered = []

    async def fill(self, order, *, turn, report):
        self.ordered.append(order.of)
        return RangeOutcome()

    async def report(self, _):
        pass


def counted(method, calls):
    def call(*arguments, **more):
        next(calls)
        return method(*arguments, **more)

    return call


def full():
    """Two groups and four people, renamed, erased and gone."""
    history = History()
    people = [history.register(each) for each in ("ada", "bob", "cyd", "dan")]
    board, choir = history.create_group("board"), history.create_group("choir")
    for person in people:
        history.add_member(board, person)
        history.add_member(choir, person)
    history.change_handle(people[1], "robert")
    history.rename_group(board, "Elders")
    history.remove_member(choir, people[2])
    history.delete_group(choir)
    history.close(people[3])
    history.update(people[0], title="Dr")
    return history


def of_documents(content):
    """Without unique entries: of documents that lack an event, which of two has one depends on batches."""
    return {key: value for key, value in as_served(content).items() if ":" in key}

"""How the entries of lists are ordered, and how words are found in them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from shared.read_model.ordering import (
    ANY_STATUS,
    EVERYBODY,
    IndexRow,
    end_of,
    first_matches,
    group_facet,
    id_at,
    name_at,
    names_at,
    number_key,
    place,
    tag_facet,
    text_key,
    time_key,
    word_block,
    word_entries,
    word_place,
)
from shared.text import filed, words

# Control characters are refused on the write side: NUL, which ends keys, is in no text.
TEXTS = st.text(st.sampled_from("abABäß éz김ह") | st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=8)
IDS = st.builds(UUID, int=st.sampled_from([0, 1, 255, 256]) | st.integers(0, (1 << 128) - 1))
MOMENTS = st.datetimes(timezones=st.just(UTC)) | st.builds(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds), st.integers(-3, 3)
)
WORDS = st.frozensets(st.text(st.sampled_from("abéz김"), min_size=1, max_size=5), max_size=8)


def index_row_with(some_words, *, name="name"):
    return IndexRow((EVERYBODY,), ANY_STATUS, (text_key(name),), word_block(some_words))


@given(TEXTS, TEXTS)
def test_texts_are_in_the_order_of_their_filed_code_points(one, other):
    assert (filed(one) < filed(other)) == (text_key(one) < text_key(other))


@given(MOMENTS, MOMENTS)
def test_moments_are_in_order(one, other):
    """To the microsecond, and before 1970 too."""
    assert (one < other) == (time_key(one) < time_key(other))
    assert len(time_key(one)) == 8


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-(1 << 63), (1 << 63) - 1))
def test_numbers_are_in_order(one, other):
    assert (one < other) == (number_key(one) < number_key(other))


@given(TEXTS, IDS, TEXTS, IDS)
@example("an", UUID(int=(1 << 128) - 1), "ann", UUID(int=0))
def test_places_are_in_the_order_of_key_and_id(key, id_, other_key, other_id):
    """A name that another one begins with comes first, whatever the ids are."""
    one, other = place(text_key(key), id_), place(text_key(other_key), other_id)

    assert ((text_key(key), id_.bytes) < (text_key(other_key), other_id.bytes)) == (one < other)


@given(MOMENTS, IDS, MOMENTS, IDS)
def test_places_by_time_are_in_the_order_of_time_and_id(moment, id_, other_moment, other_id):
    """Keys of eight bytes may contain NULs: they all end at the same one."""
    one, other = place(time_key(moment), id_), place(time_key(other_moment), other_id)

    assert ((moment, id_.bytes) < (other_moment, other_id.bytes)) == (one < other)


@given(TEXTS, IDS)
def test_a_place_tells_whose_it_is(key, id_):
    assert id_.bytes == id_at(place(text_key(key), id_))
    assert str(id_) == name_at(place(text_key(key), id_))


@given(TEXTS, TEXTS, IDS)
def test_no_facet_is_the_beginning_of_another(tag, other_tag, group_id):
    """Else the list of one tag would contain that of another."""
    facets = {EVERYBODY, group_facet(group_id), tag_facet(tag), tag_facet(other_tag)}

    assert [(one, other) for one in facets for other in facets if one != other and other.startswith(one)] == []


def test_tags_that_read_alike_have_one_facet():
    assert len({tag_facet(each) for each in ("año", "an\N{COMBINING TILDE}o", "Ano", "a-n.o")}) == 1
    assert tag_facet("ano") != tag_facet("anos")


@given(st.binary(min_size=1, max_size=4).filter(lambda prefix: prefix.strip(b"\xff")), st.binary(max_size=4))
def test_what_begins_with_a_prefix_comes_before_its_end(prefix, rest):
    """And everything else before the prefix, or not before the end."""
    end = end_of(prefix)

    assert prefix <= prefix + rest < end
    assert rest.startswith(prefix) == (prefix <= rest < end)


@given(st.lists(st.tuples(TEXTS, IDS), max_size=5))
def test_ids_at_the_ends_of_places_have_the_names_that_hashes_know(records):
    """Of none, one or many."""
    assert [str(id_).encode() for _, id_ in records] == names_at([place(text_key(key), id_) for key, id_ in records])


@given(WORDS, st.text(st.sampled_from("abéz김"), min_size=1, max_size=3))
def test_an_index_row_knows_the_first_word_with_a_prefix(some_words, prefix):
    matching = sorted(each.encode() for each in some_words if each.startswith(prefix))

    assert next(iter(matching), None) == index_row_with(some_words).matched(prefix)


@given(WORDS, IDS, st.text(st.sampled_from("abéz김"), min_size=1, max_size=3))
def test_a_record_is_met_once_by_every_prefix(some_words, id_, prefix):
    """However many of its words begin with it: at the first of them."""
    index_row, sought = index_row_with(some_words), ANY_STATUS + prefix.encode()

    found = [each for each in word_entries(index_row, id_) if each.startswith(sought)]

    firsts = first_matches(found, len(prefix.encode()))
    assert firsts == [word_place(each) for each in found[:1]]
    assert [index_row.matched(prefix)] * bool(found) == [each.split(b"\0")[0] for each in firsts]


def test_very_long_words_are_met_once():
    """The last byte says 255 at most, which is more than a query may ask for."""
    long = "x" * 300
    entries = list(word_entries(index_row_with([long + "a", long + "b"]), UUID(int=1)))

    assert [each[-1] for each in entries] == [0, 255]
    assert first_matches(entries, 255) == [word_place(entries[0])]


@given(st.lists(st.tuples(TEXTS, WORDS, IDS), max_size=5))
def test_words_are_in_the_order_of_word_name_and_id(records):
    """A search for a prefix meets the words in their order, and those who share one by their names."""
    entries = sorted(
        entry for name, some_words, id_ in records for entry in word_entries(index_row_with(some_words, name=name), id_)
    )

    expected = sorted(
        (word.encode(), text_key(name), id_.bytes) for name, some_words, id_ in records for word in some_words
    )
    assert [(word, place(name, UUID(bytes=id_))) for word, name, id_ in expected] == [
        tuple(word_place(each).split(b"\0", 1)) for each in entries
    ]


@given(TEXTS)
def test_words_survive_their_block(text):
    """Each between two NULs, none if there are none."""
    assert sorted(words(text)) == [each.decode() for each in word_block(words(text)).split(b"\0")[1:-1]]

"""How names are folded, cut into words and compared."""
# ruff: noqa: RUF001 - letters that look like others are what this is about

import sys
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.text import composed, folded, printable, unique_email, unique_external_id, unique_handle, unique_slug, words

LETTERS = st.characters(codec="utf-8")
NAMES = st.text(st.sampled_from("aBé ÁłŁßẞıİæÆØ-'’.김철수हिन्दीんガＡｂﬁ́̈ǅάσς4²1") | LETTERS, max_size=12)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("André Carson", "andre carson"),
        ("ANDRE\N{COMBINING ACUTE ACCENT} CARSON", "andre carson"),
        ("Linda T. Sánchez", "linda t. sanchez"),
        ("O'Rourke", "o'rourke"),
        ("Łukasz", "lukasz"),
        ("İstanbul", "istanbul"),
        ("ISPARTA ısparta", "isparta isparta"),
        ("Straße", "strasse"),
        ("STRAẞE", "strasse"),
        ("Ægir Bjørn Þór", "aegir bjorn thor"),
        ("Ｆｕｌｌ Ｗｉｄｔｈ", "full width"),
        ("ℌans", "hans"),
        ("김철수", "김철수"),
        (unicodedata.normalize("NFD", "김철수"), "김철수"),
        ("Nguyễn Thị", "nguyen thi"),
        ("Σίσυφος", "σισυφοσ"),
        ("が", "か"),
        ("ﬁne", "fine"),
    ],
)
def test_case_and_accents_do_not_count(name, form):
    """Nor does the form of Unicode in which a name was typed."""
    assert form == folded(name)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("André Carson", {"andre", "carson"}),
        ("Linda T. Sánchez", {"linda", "t", "sanchez"}),
        ("O'Rourke", {"o", "rourke"}),
        ("O\N{RIGHT SINGLE QUOTATION MARK}Rourke", {"o", "rourke"}),
        ("Jean-Luc", {"jean", "luc"}),
        ("maria.cantwell_2", {"maria", "cantwell", "2"}),
        ("김철수", {"김철수"}),
        ("हिन्दी", {"हिनदी"}),
        ("r&d", {"r", "d"}),
        ("— ! _", set()),
        ("", set()),
    ],
)
def test_words_are_runs_of_letters_and_digits(text, parts):
    """Vowel signs that take room belong to them; those that take none are marks like any other."""
    assert parts == words(text)


@given(NAMES)
def test_what_is_folded_stays_as_it_is(name):
    """Also after marks were dropped and letters written in others."""
    assert folded(name) == folded(folded(name))


@pytest.mark.parametrize("case", [str.upper, str.lower, str.title, str.swapcase, str.casefold])
@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize(
    "name", ["André Carson", "Linda T. Sánchez", "Straße", "İpek Ağaoğlu", "Łukasz Żak", "Σίσυφος"]
)
def test_a_name_is_found_however_it_is_typed(name, form, case):
    typed = unicodedata.normalize(form, case(name))

    assert words(name) == words(typed)


@pytest.mark.parametrize("case", [str.upper, str.lower, str.title, str.swapcase])
@given(name=NAMES)
def test_every_word_is_found_by_each_of_its_beginnings(name, case):
    """In any case: what is typed is folded like the name."""
    for word in words(name):
        for end in range(1, len(word) + 1):
            (typed,) = words(case(word[:end]))

            assert word.startswith(typed)
            assert len(typed) == end


IOTA_SUBSCRIPT = "\u0345"
"""A mark that is a letter where case does not count: Unicode folds it to one."""


@given(NAMES)
@example("ᾳ")
def test_accents_that_are_left_out_change_nothing(name):
    """Who has no such keys types the letters alone."""
    name = unicodedata.normalize("NFD", name).replace(IOTA_SUBSCRIPT, "ι")
    plain = "".join(each for each in name if not unicodedata.combining(each))

    assert folded(name) == folded(plain)


@given(st.text(st.characters(codec="ascii"), max_size=20))
def test_ascii_is_folded_as_everything_else(text):
    """It takes a shorter way: beside a letter that does not, it comes out the same."""
    assert "d" + folded(text) == folded("đ" + text)


@pytest.mark.parametrize("unique", [unique_email, unique_handle, unique_slug])
def test_uniqueness_is_blind_to_case_but_not_to_accents(unique):
    """Two handles that look different are different: only who searches is lenient."""
    assert unique("Ada") == unique("aDA")
    assert unique("ANDRÉ") == unique("andre\N{COMBINING ACUTE ACCENT}")
    assert unique("André") != unique("Andre")


@given(st.text(LETTERS, max_size=12), st.sampled_from([unique_email, unique_handle, unique_slug]))
def test_what_is_unique_stays_so(text, unique):
    assert unique(text) == unique(unique(text))


def test_external_ids_are_compared_as_they_are():
    assert unique_external_id("A\N{COMBINING RING ABOVE}") == unique_external_id("Å")
    assert unique_external_id("a") != unique_external_id("A")


@given(NAMES)
def test_text_is_stored_as_it_was_given_but_composed(name):
    assert unicodedata.is_normalized("NFC", composed(name))
    assert unicodedata.normalize("NFD", name) == unicodedata.normalize("NFD", composed(name))


@given(st.text(st.sampled_from("ae가ᄀ ཱཱཱིུ̖́̈́क़"), min_size=60, max_size=90))
def test_a_long_text_is_composed_like_any_other(text):
    """Also if many marks stand in disorder, some of which come apart into others."""
    assert unicodedata.normalize("NFC", text) == composed(text)


def test_marks_in_disorder_hold_nobody_up():
    """Unicode's own algorithm, as Python has it, would take four seconds of the processor for these."""
    began = time.process_time()

    composed("a" + "\u0301\u0316" * 30_000)

    assert time.process_time() - began < 1


def test_what_is_remembered_stays_small():
    """A client that searches for ever other words, as many as are taken, must not fill the memory of a process."""
    many = words(" ".join(chr(0x4E00 + number) for number in range(100)))

    size = sys.getsizeof(many) + sum(map(sys.getsizeof, many))

    assert size * words.cache_info().maxsize < 100 * 1024 * 1024


@given(st.text())
def test_what_is_printed_steers_no_terminal(text):
    assert printable(text).isprintable()
    assert not text.isprintable() or text == printable(text)

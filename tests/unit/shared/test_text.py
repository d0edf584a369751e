"""How names are folded, cut into words and compared."""
# ruff: noqa: RUF001 - letters that look like others are what this is about

import sys
import time
import unicodedata
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.text import (
    PART,
    composed,
    filed,
    folded,
    printable,
    shows,
    terms,
    unique_email,
    unique_external_id,
    unique_handle,
    unique_slug,
    words,
)

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
        ("Əliyev ǝ", "eliyev e"),
        ("Đỗ Kɔfi Ɓala", "do kofi bala"),
        ("Қазақ Ґонта", "казак гонта"),
        ("O`Brien", "o'brien"),
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
        ("O'Rourke", {"o", "rourke", "orourke"}),
        ("Jean-Luc", {"jean", "luc", "jeanluc"}),
        ("Anna-O'Brien", {"anna", "o", "brien", "annaobrien", "obrien"}),
        ("R.E.M.", {"r", "e", "m", "rem", "em"}),
        ("maria.cantwell_2", {"maria", "cantwell", "mariacantwell", "2"}),
        ("' - a '' .b", {"a", "b"}),
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


@pytest.mark.parametrize(
    "name", ["André Carson", "Linda T. Sánchez", "Straße", "İpek Ağaoğlu", "Łukasz Żak", "Σίσυφος"]
)
def test_a_name_is_found_however_it_is_typed(name):
    cases, forms = (str.upper, str.lower, str.title, str.swapcase, str.casefold), ("NFC", "NFD", "NFKC", "NFKD")
    for case, form in product(cases, forms):
        assert words(name) == words(unicodedata.normalize(form, case(name))), (case, form)


@pytest.mark.parametrize("case", [str.upper, str.lower, str.title, str.swapcase])
@given(name=NAMES)
def test_every_word_is_found_by_each_of_its_beginnings(name, case):
    """In any case: what is typed is folded like the name."""
    for word in words(name):
        for end in range(1, len(word) + 1):
            (typed,) = terms(case(word[:end]))

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


@given(st.text(st.characters(codec="ascii"), max_size=30))
def test_ascii_alone_reads_as_it_does_beside_other_letters(text):
    """The one is translated as bytes, the other letter by letter."""
    assert words(f"{text} é") == words(text) | {"e"}
    assert filed(f"{text} é") == f"{filed(text)} e".lstrip()


@given(st.lists(NAMES, max_size=4))
def test_the_words_of_several_texts_are_those_of_each(texts):
    assert words(" ".join(texts)) == frozenset().union(*map(words, texts))


@given(st.text(st.characters(codec="ascii"), max_size=20))
def test_ascii_is_folded_as_everything_else(text):
    """It takes a shorter way: beside a letter that does not, it comes out the same."""
    assert "d" + folded(text) == folded("đ" + text)


@pytest.mark.parametrize("unique", [lambda name: unique_email(f"{name}@x"), unique_handle, unique_slug])
def test_uniqueness_is_blind_to_case_but_not_to_accents(unique):
    """Two handles that look different are different: only who searches is lenient."""
    assert unique("Ada") == unique("aDA")
    assert unique("ANDRÉ") == unique("andre\N{COMBINING ACUTE ACCENT}")
    assert unique("André") != unique("Andre")


@given(st.text(LETTERS, max_size=12), st.sampled_from([unique_email, unique_handle, unique_slug]))
def test_what_is_unique_stays_so(text, unique):
    assert unique(text) == unique(unique(text))


@pytest.mark.parametrize(
    "names",
    [
        ("کریمی", "كريمي", "كريمى", "ڪریمي"),
        ("محمد", "محـــمد", "مُحَمَّد"),
        ("فاطمه", "فاطمة", "فاطمہ"),
        ("أحمد", "احمد", "ٱحمد"),
        ("شقة 12", "شقه ١٢", "شقہ ۱۲", "شقة १२", "شقة １２"),
        ("Aliyə", "ALİYƏ", "aliye", "Aliyǝ"),
        ("ISIK", "ışık", "Isik"),
        ("Ærøskøbing", "aeroskobing", "Ærø-skøbing"),
        ("Łódź Straße", "lodz strasse", "LODZ STRASSE"),
        ("Ana\u00adbel", "Anabel", "Ana\u2060bel", "\u202eAna\u034fbel\ufe0f"),
        ("김철수", "김\u200b철수", "김\u3164철\uffa0수"),
        ("علی\u200cرضا", "علیرضا", "علي\u200dرضا"),
        ("Galla", "Gal·la", "Gal-la", "Ga\u2027lla"),
        ("Qur\u02bean", "Qur\u2019an", "Qur`an", "Quran"),
        ("Jean\u2011Luc\u00a0 P.", "jean-luc p", "JEAN\u2013LUC P"),
    ],
)
def test_what_reads_alike_is_found_and_filed_alike(names):
    """On whichever keyboard it is typed, and whatever in it nobody sees."""
    assert len(set(map(filed, names))) == 1
    for one, other in product(names, names):
        assert all(term.replace(PART, "") in words(one) for term in terms(other))


@pytest.mark.parametrize("joint", "'’‘‛ʼʻ´`′՚׳ꞌ-‐‑–−.·・")
def test_what_joins_words_parts_them_alike(joint):
    assert words(f"O{joint}Brien") == {"o", "brien", "obrien"}
    assert terms(f"O{joint}Brien") == {"o-brien"}
    assert filed(f"O{joint}Brien") == "obrien"


IGNORABLE = (
    *(range(0xAD, 0xAE), range(0x34F, 0x350), range(0x61C, 0x61D), range(0x115F, 0x1161), range(0x17B4, 0x17B6)),
    *(
        range(0x180B, 0x1810),
        range(0x200B, 0x2010),
        range(0x202A, 0x202F),
        range(0x2060, 0x2070),
        range(0x3164, 0x3165),
    ),
    *(range(0xFE00, 0xFE10), range(0xFEFF, 0xFF00), range(0xFFA0, 0xFFA1), range(0xFFF0, 0xFFF9)),
    *(range(0x1BCA0, 0x1BCA4), range(0x1D173, 0x1D17B), range(0xE0000, 0xE1000)),
)
"""Default_Ignorable_Code_Point, from Unicode's DerivedCoreProperties."""


def test_what_cannot_be_seen_counts_for_nothing():
    for letter in (chr(code) for codes in IGNORABLE for code in codes):
        assert folded(f"An{letter}a") == "ana", hex(ord(letter))
        assert not shows(f" {letter}\u3000"), hex(ord(letter))


@pytest.mark.parametrize("text", ["", " ", "\u00a0\u2003", "\u200b\u2800", "\ufffc"])
def test_blanks_show_nothing(text):
    assert not shows(text)


@pytest.mark.parametrize("text", ["a", "\u200bа", "李", ".", "😀", "\U000e0041a"])
def test_anything_else_shows(text):
    assert shows(text)


@pytest.mark.parametrize(
    "forms",
    [
        ("jo@bücher.example", "Jo@BÜCHER.example", "jo@xn--bcher-kva.example", "jo@bu\u0308cher\u3002example."),
        ("jo@例え.jp", "jo@xn--r8jz45g.jp", "JO@XN--R8JZ45G.JP"),
        ("jo@ｅxample.org", "jo@example.org", "jo@EXAMPLE.org.", "jo@exam\u00adple.org"),
        ("jo@i❤.ws", "jo@xn--i-7iq.ws"),
        ("jo@_x.bücher", "jo@_x.xn--bcher-kva"),
        ("andré@x.org", "ANDRE\u0301@x.org"),
    ],
)
def test_an_address_is_one_however_its_domain_is_written(forms):
    assert len(set(map(unique_email, forms))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("straße@x.org", "strasse@x.org"),
        ("jo@straße.example", "jo@strasse.example"),
        ("ﬁne@x.org", "fine@x.org"),
        ("André@x.org", "Andre@x.org"),
        ("jo@bücher.example", "jo@bucher.example"),
        ("jo@[127.0.0.1]", "jo@127.0.0.1"),
    ],
)
def test_addresses_that_mail_is_delivered_to_apart_are_two(one, other):
    assert unique_email(one) != unique_email(other)


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


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (composed, "a" + "\u0301\u0316" * 30_000),
        (filed, "a" + "\u0301\u0316\u1b44\U0001d165" * 30_000),
        (unique_email, "é@" + "\u0301\u0316" * 30_000),
        (unique_email, "a@" + "".join(map(chr, range(0x4E00, 0x9F00)))),
    ],
)
def test_no_text_holds_anybody_up(form, text):
    """Unicode's own algorithm, as Python has it, would take four seconds of the processor for marks in disorder."""
    began = time.process_time()

    form(text)

    assert time.process_time() - began < 1


def test_what_is_remembered_stays_small():
    """A client that searches for ever other words, as many as are taken, must not fill the memory of a process."""
    many = words(".".join(chr(0x4E00 + number) for number in range(100)))

    size = sys.getsizeof(many) + sum(map(sys.getsizeof, many))

    assert size * words.cache_info().maxsize < 100 * 1024 * 1024


@given(st.text())
def test_what_is_printed_steers_no_terminal(text):
    assert printable(text).isprintable()
    assert not text.isprintable() or text == printable(text)

"""Values hold only what is allowed."""

import json
from uuid import UUID

import pytest

from write_side.domain.references import AccountRef, GroupRef
from write_side.domain.values import (
    Bio,
    Description,
    EmailAddress,
    ExternalId,
    Handle,
    InvalidValue,
    Label,
    Link,
    Locale,
    Name,
    Note,
    Role,
    Slug,
    Tag,
    TimeZone,
    Url,
    plain,
    value_schema,
)


def each_of(values):
    """Give a test every value of every kind."""
    return pytest.mark.parametrize(
        ("kind", "given"), [(kind, each) for kind, given in values.items() for each in given]
    )


ALLOWED = {
    Handle: ["a", "Andre.Carson_1-x", "a" * 64],
    EmailAddress: ["andré@exämple.org", "a" * 252 + "@b"],
    Name: ["Linda T. Sánchez", "x" * 200, "\u200bAda", "😀", "."],
    Bio: ["", "x" * 4000],
    ExternalId: ["bioguide:C001072"],
    Locale: [
        *("en", "zh-Hant-TW", "es-419", "zh-cmn-Hans-CN", "de-CH-1901", "sl-rozaj-biske", "x-muster", "i-klingon"),
        *(
            "en-u-ca-gregory-nu-latn",
            "qaa-Qaaa-QM-x-southern",
            "en-GB-oed",
            "art-lojban",
            "en-a-" + "-".join(["b2"] * 80),
        ),
    ],
    TimeZone: ["America/Indiana/Indianapolis", "GMT0", "US/Eastern", "Etc/GMT+12", "Europe/Kiev"],
    Url: ["https://example.org/ä?b=c#d", "hhttps://example.org/as-published"],
    Link: ["https://example.org/", "mailto:ada@x.org", "MAILTO:ada@x.org?subject=x", "tel:+1-202-555", "xmpp://x"],
    Tag: ["in"],
    Slug: [
        "a",
        "ssaf.13_x-1",
        "a" * 64,
        "0197d0a000007000800000000000000a",
        "0197d0a0-0000-7000-8000-00000000000",
        "0197d0a0-0000-7000-8000-00000000000ab",
        "0197d0a0-0000-7000-8000-00000000000g",
    ],
    Role: ["Chairman, pro tempore"],
    Description: [""],
}


@each_of(ALLOWED)
def test_what_is_allowed_is_kept_as_it_is(kind, given):
    assert kind.parse(given) == given


REFUSED = {
    Handle: ["", "a" * 65, ".a", "a-", "ä", "a b", "a\n"],
    EmailAddress: ["", "a", "@b", "a b@c", "a@b@c", "a" * 253 + "@b", "a@b\x00"],
    Name: ["", "x" * 201, "a\x00b", "a\x85b", 3, None, "\u0958" * 200, " ", "\u3000\u200b", "\u3164", "\U000e0041"],
    Bio: ["x" * 4001, "one\ntwo"],
    ExternalId: ["x" * 256, "\U0001d160" * 255],
    Locale: [
        "",
        "e",
        "english language",
        "en_US",
        "a-DE",
        "de-419-DE",
        "en-",
        "x-",
        "en-a",
        "ar-a-aaa-b",
        "en-x-" + "a" * 9,
    ],
    TimeZone: ["", "Mars/Olympus", "localtime", "Factory", "posixrules", "posix/UTC", "right/UTC"],
    Link: ["", "mailto:", "tel: 1", "javascript:alert(1)", "data:text/html,x", "www.example.org", "https://"],
    Url: [
        "",
        "mailto:ada@x.org",
        "www.example.org",
        "javascript:alert(1)",
        "https://a b",
        "https://example.org/" + "x" * 2000,
    ],
    Tag: ["", "x" * 65],
    Label: ["", "x" * 65],
    Note: ["x" * 2001, "a\x00b"],
    Slug: ["", "a" * 65, "Ssaf", "-a", "a.", "a\n", "ä", "0197d0a0-0000-7000-8000-00000000000a"],
    Role: ["", "x" * 201],
    Description: ["x" * 4001, "one\ntwo"],
}


@each_of(REFUSED)
def test_what_is_not_allowed_is_refused(kind, given):
    with pytest.raises(InvalidValue):
        kind.parse(given)


def test_text_is_stored_composed():
    """NFC, and nothing else: two ways to write é are one."""
    assert Name.parse("Andre\u0301") == "Andr\u00e9"
    assert Name.parse("ﬁ") == "ﬁ"


def test_uniqueness_is_blind_to_case():
    assert EmailAddress.parse("Straße@Example.org").unique == EmailAddress.parse("straße@example.ORG").unique
    assert Handle.parse("Andre").unique == Handle.parse("aNDRE").unique
    assert ExternalId.parse("A").unique != ExternalId.parse("a").unique


@pytest.mark.parametrize(
    ("given", "kind"),
    [("@andre", Handle), ("ext:b:1", ExternalId), ("0197d0a0-0000-7000-8000-000000000000", object)],
)
def test_an_account_is_referred_to_in_three_ways(given, kind):
    ref = AccountRef.parse(given)

    assert isinstance(ref.by, kind)
    assert str(ref) == given


NEARLY_IDS = ("0197d0a0", "0x" + "1" * 30, "1_" * 15 + "11", " " + "1" * 31, "\u0661" * 32, "{%s}" % ("1" * 32))


@pytest.mark.parametrize("given", ["", "andre", "@", "@a b", "ext:", "ext:\x00", *NEARLY_IDS, 7])
def test_any_other_reference_is_refused(given):
    with pytest.raises(InvalidValue):
        AccountRef.parse(given)


@pytest.mark.parametrize(
    ("given", "by"),
    [
        ("ssaf", "ssaf"),
        ("SSAF", "ssaf"),
        ("0197D0A0-0000-7000-8000-00000000000A", UUID("0197d0a0-0000-7000-8000-00000000000a")),
        ("0197d0a000007000800000000000000a", "0197d0a000007000800000000000000a"),
    ],
)
def test_a_group_is_referred_to_by_id_or_slug(given, by):
    """What has the dashed form of an id is one, and anything else a slug, as on the read side."""
    ref = GroupRef.parse(given)

    assert ref.by == by
    assert type(ref.by) is (UUID if isinstance(by, UUID) else Slug)
    assert str(ref) == given


@pytest.mark.parametrize("given", ["", "@andre", "ext:1", "a b", "a-", "\N{KELVIN SIGN}", "x" * 65, 7, None])
def test_any_other_reference_to_a_group_is_refused(given):
    with pytest.raises(InvalidValue):
        GroupRef.parse(given)


def test_values_become_plain_again():
    assert plain({Tag("a"): (Tag("b"), AccountRef.parse("@c"), GroupRef.parse("d"))}) == {"a": ("b", "@c", "d")}
    assert type(plain(Name("a"))) is str


@pytest.mark.parametrize("kind", [Handle, Slug, EmailAddress, Name, AccountRef, GroupRef, TimeZone])
def test_every_value_describes_itself(kind):
    assert "description" in json.loads(json.dumps(value_schema(kind)))

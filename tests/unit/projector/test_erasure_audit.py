"""What is looked for of a person, and what is not, because finding it would prove nothing."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from projector.audit.erasure.audit import ErasureAudit
from projector.audit.erasure.mails import kept_mails, token_beginning
from projector.audit.erasure.report import ErasureReport, SearchedPlace, SearchedPlaces
from projector.audit.erasure.search import PersonalSearch, PersonalValue, ValuesLeftOut, values_of
from projector.cli.erasure_audit import show
from projector.projections.changes import changes
from shared.cli.api_client import ApiFailed
from shared.errors import Unavailable
from tests.support.examples import at_night
from tests.support.folding import Generation
from tests.support.histories import History
from tests.support.mails import letter_to
from write_side.domain.email_token import EmailToken
from write_side.domain.values import EmailAddress


def search(**values):
    return PersonalSearch(PersonalValue(field, text) for field, text in values.items())


async def others(*portions):
    for portion in portions:
        yield portion


def test_everything_an_event_tells_is_a_value_but_ids_and_words_of_musters_own():
    events = [
        {
            "type": "account-registered",
            "account_id": "0198",
            "email": "ada@x.org",
            "external_id": None,
            "tags": ["a", "b"],
            "links": {"home": "https://x.org"},
        },
        {"type": "email-changed", "account_id": "0198", "old": "ada@x.org", "new": "b@x.org"},
    ]

    assert values_of(events) == [
        PersonalValue("email", "ada@x.org"),
        PersonalValue("tags", "a"),
        PersonalValue("tags", "b"),
        PersonalValue("links (name)", "home"),
        PersonalValue("links", "https://x.org"),
        PersonalValue("old", "ada@x.org"),
        PersonalValue("new", "b@x.org"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "ada.lovelace@example.org",
        '"ADA.Lovelace@Example.org"',
        "xxada.lovelace@example.orgxx",
        "àda.lovelace@example.org",
    ],
)
def test_a_long_value_is_found_anywhere_whatever_its_case(text):
    assert search(email="Ada.Lovelace@example.org").found_in(text) == ["email"]


@pytest.mark.parametrize(
    ("text", "found"), [("Ann", True), ('"ann"', True), ("Ann-Marie", True), ("annual", False), ("Joanna", False)]
)
def test_a_short_value_is_found_as_a_word(text, found):
    assert bool(search(given_name="Ann").found_in(text)) is found


def test_a_value_is_found_as_json_has_it():
    assert search(bio='Wrote "Notes"').found_in(r'{"bio":"Wrote \"Notes\""}') == ["bio"]


def test_what_is_too_short_is_left_out_and_named():
    looked_for = search(locale="en", email="ada@example.org")

    assert looked_for.left_out == [ValuesLeftOut("locale", "too short", 1)]
    assert looked_for.size == 1


def test_a_short_number_is_left_out():
    """Positions, versions, times and ports have the same; a word of letters, or a longer number, is looked for."""
    looked_for = search(desk="836", started="2026-12", extension="4711-b", phone="555-0199-1")

    assert looked_for.left_out == [
        ValuesLeftOut("desk", "as short as other numbers", 1),
        ValuesLeftOut("started", "as short as other numbers", 1),
    ]
    assert looked_for.found_in("4711-b, 555-0199-1") == ["extension", "phone"]


def test_in_what_is_no_text_only_a_long_value_is_found():
    """A hash has every short word sooner or later; something that was packed may have a long one."""
    looked_for = search(given_name="Ann", email="ann.lee@example.org")

    assert looked_for.found_in(b"\xff\x80Ann\xfe") == []
    assert looked_for.found_in(b"\xff\x80ANN.lee@example.org\xfe") == ["email"]


def test_what_is_found_is_counted_and_named_once_however_much_is_looked_at_together():
    """A value stands in one text: not half in one, half in the next."""
    places = SearchedPlaces(search(given_name="Ann", email="kim.lee@example.org"))

    places.search("here", ["Joanna", "Ann", "kim.lee@", "example.org", "ANN kim.lee@example.org"])
    places.search("here", ["annual", "id"], naming=[1])
    places.search("there", ["nobody"])

    assert places.sorted() == [
        SearchedPlace(place="here", checked=7, found=3, what=["account id", "email", "given_name"]),
        SearchedPlace(place="there", checked=1),
    ]


def audit_of(kept, **given):
    """One that looks at what stands in the memory of a test, and at no folder of mails."""
    nothing = {"models": {}, "logs": (), "mails": Path("/nonexistent"), "erase": None, "progress": None}
    return ErasureAudit(database=kept, stores={"redis": kept}, **(nothing | given))


class Closed:
    """Where we may not look."""

    async def require_readable(self):
        raise Unavailable("not for you")


async def test_where_we_may_not_look_nobody_is_erased():
    """Afterwards nobody would know what to look for."""
    audit = audit_of(Closed())

    with pytest.raises(Unavailable, match="not for you"):
        await audit.run(UUID(int=1))


class Renamed:
    """The log of a person who is given another name while that of the others is read, which are two texts."""

    def __init__(self):
        self.told = [{"display_name": "Ada Lovelace"}]

    async def require_readable(self):
        pass

    async def erasure(self, _account_id):
        return None, 1

    async def events_about(self, _account_id):
        return list(self.told)

    async def events_about_others(self, _account_id):
        yield ["{}", "{}"]
        self.told[1:] = [{"display_name": "Ada King"}]


class Said(list):
    """What a person is told meanwhile."""

    def say(self, text):
        self.append(text)

    def show(self, *_):
        pass


async def test_what_becomes_known_while_others_are_read_is_looked_for_too():
    """The audit erases only once all that the log says of the person was compared with all else."""
    said = Said()

    async def erase(_account_id):
        raise ApiFailed("not now")

    renamed = Renamed()
    audit = audit_of(renamed, erase=erase, progress=said)

    with pytest.raises(ApiFailed):
        await audit.run(UUID(int=1))

    assert [text.partition(";")[0] for text in said] == ["1 value to look for", "2 values to look for"]


def test_the_name_of_a_place_is_shown_as_it_is(capsys):
    """Any key of Redis is one."""
    report = ErasureReport(
        account_id="0198",
        position=7,
        erased="now",
        sought=1,
        left_out=[],
        behind=[],
        places=[SearchedPlace(place="x[/y]\x1b")],
    )

    show(report)

    assert "x[/y]\\u001b" in capsys.readouterr().out


def test_where_nothing_was_found_partitions_are_shown_together(capsys):
    """There may be 96 of them; where something was, it is said in which."""
    listed = [SearchedPlace(place=f"redis muster:{{3.{nth}.1}}:groups:live", checked=2) for nth in range(3)]
    listed[1] = SearchedPlace(place=listed[1].place, checked=2, found=1, what=["email"])
    report = ErasureReport(account_id="0198", position=7, erased="now", sought=1, left_out=[], behind=[], places=listed)

    show(report)

    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if "groups:live" in line]
    assert rows == [
        ["redis", "muster:{3.*}:groups:live", "4", "0"],
        ["redis", "muster:{3.1.1}:groups:live", "2", "1", "email"],
    ]


async def test_what_others_have_too_is_left_out_and_named():
    """It would be found with them."""
    looked_for = search(given_name="Ann", email="ann.lee@example.org", title="Senator")

    await looked_for.leave_out_what_is_in(others(['{"given_name":"ANN"}'], ["{}", '{"title":"Senator emerita"}']))

    assert looked_for.left_out == [
        ValuesLeftOut("given_name", "others have it too", 1),
        ValuesLeftOut("title", "others have it too", 1),
    ]
    assert looked_for.found_in("Ann, Senator, ann.lee@example.org") == ["email"]


@pytest.mark.parametrize("name", ["1.eml", "1.eml.unfinished"])
def test_a_mail_is_read_as_people_read_it(name, tmp_path):
    """Its lines are broken, and its letters encoded: in the file itself nothing would be found."""
    address = EmailAddress.parse("grüße@bücher.example")
    (tmp_path / name).write_bytes(letter_to(address, text="Grüße an " + "Ursula " * 20 + "Quagga"))

    [mail] = kept_mails(tmp_path)

    looked_for = search(email="Grüße@Bücher.example", family_name="Ursula Quagga")
    assert mail.is_about(uuid4(), looked_for)
    assert {field for text in mail.texts for field in looked_for.found_in(text)} == {"email", "family_name"}


def test_a_mail_is_read_wherever_it_was_cut_off(tmp_path):
    """By a kill while it was written; its address is found once it is there."""
    address = EmailAddress.parse("ursula@example.org")
    whole = letter_to(address, text="Grüße")
    known = whole.index(address.encode()) + len(address)
    body = whole.index(b"\r\n\r\n")
    for cut in (*range(body), *range(body, len(whole), 1 if at_night() else 7)):
        (tmp_path / "1.eml.unfinished").write_bytes(whole[:cut])

        [mail] = kept_mails(tmp_path)

        assert mail.is_about(uuid4(), search(email=str(address))) or cut < known


def test_a_mail_that_is_finished_meanwhile_is_read(tmp_path):
    """It has another name then."""
    letter = letter_to(EmailAddress.parse("ursula@example.org"), text="Hello")
    for name in ("1.eml.unfinished", "2.eml.unfinished"):
        (tmp_path / name).write_bytes(letter)

    mails = kept_mails(tmp_path)
    names = {next(mails).path.name}
    (tmp_path / "2.eml.unfinished").rename(tmp_path / "2.eml")

    assert names | {each.path.name for each in mails} == {"1.eml.unfinished", "2.eml"}


def test_a_mail_is_known_by_its_token_where_no_value_is_known_any_more(tmp_path):
    account, other = uuid4(), uuid4()
    token = EmailToken.issue(account, EmailAddress("a@b.example"), 1, key=b"k", until=datetime(2026, 12, 1, tzinfo=UTC))
    (tmp_path / "1.eml").write_bytes(letter_to(EmailAddress("a@b.example"), text=f"https://x.example/?token={token}"))

    [mail] = kept_mails(tmp_path)

    assert str(token).startswith(token_beginning(account))
    assert (mail.is_about(account, search()), mail.is_about(other, search())) == (True, False)


class KeptFeed:
    """What is left of a person who was erased before: blocks of the feed, as Redis would give them."""

    def __init__(self, generation):
        self._fields = generation.held["changes:full"]

    async def require_readable(self):
        pass

    async def erasure(self, _account_id):
        return 3, 3

    async def events_about(self, _account_id):
        return []

    async def texts(self):
        return
        yield

    async def is_to_be_written_to(self, _account_id):
        return False

    mentions = None

    async def contents(self):
        key = "muster:{0}:changes:g1:changes:full"
        yield key, [b"%b\0%b" % (name.encode(), each) for name, each in self._fields.items()]


@pytest.mark.parametrize(("is_erased", "found"), [(True, []), (False, ["account id"])])
async def test_the_feed_may_name_an_account_only_to_say_that_it_was_erased(is_erased, found):
    """Its blocks are looked into: packed, an id in them would not be seen, and words that are not there might."""
    history = History()
    ada = history.register("ada")
    if is_erased:
        history.erase(ada)
    generation = Generation(history.events, changes)
    generation.fold()
    kept = KeptFeed(generation)
    kept.mentions = lambda _: kept.texts()
    audit = audit_of(kept, progress=Said())

    report = await audit.run(ada)

    assert [field for each in report.places for field in each.what] == found

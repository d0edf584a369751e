"""Synthetic people: reproducible, and unique by construction."""

import json
from itertools import islice

import msgspec
import pytest

from shared.client.people import PLACES, people
from shared.client.run import Posting
from shared.client.seeding import commands, seed_people
from tests.unit.write_side.fake_write_api import FakeWriteApi
from write_side.domain.values import parse_value
from write_side.use_cases.register_account import RegisterAccount


@pytest.fixture(scope="module")
def crowd():
    return list(islice(people(7), 1_000))


def test_the_same_seed_makes_the_same_commands():
    assert list(commands(50, seed=7)) == list(commands(50, seed=7))


def test_more_people_of_a_seed_begin_with_the_same():
    """So that a directory can be made larger."""
    assert list(commands(50, seed=7)) == list(commands(80, seed=7))[:50]


@pytest.mark.parametrize("field", ["handle", "email", "external_id"])
def test_no_two_people_share_what_must_be_unique(crowd, field):
    """Nor do they across seeds."""
    others = islice(people(8), 1_000)

    unique = {person[field].casefold() for person in [*crowd, *others]}

    assert len(unique) == 2_000


def test_every_person_is_one_that_the_write_side_takes(crowd):
    decode = msgspec.json.Decoder(RegisterAccount, dec_hook=parse_value).decode

    assert all(decode(msgspec.json.encode(person)) for person in crowd)


def test_people_come_from_everywhere(crowd):
    """With accents, in several scripts, and with and without what is optional."""
    names = "".join(person["display_name"] for person in crowd)

    assert {person["locale"] for person in crowd} == {name.replace("_", "-") for name in PLACES}
    assert set("éüłşй漢あ한ع") & set(names) >= set("éüłşйع")
    assert {"bio" in person for person in crowd} == {True, False}
    assert all(person["email"].endswith(".example") for person in crowd)


def test_handles_are_made_of_the_name_where_it_can_be_written():
    handles = {person["handle"].rpartition(".")[0] for person in islice(people(7), 100)}

    assert "ja" in handles
    assert any(handle.count(".") >= 1 and handle.isascii() for handle in handles)


def test_seeding_again_changes_nothing(capsys):
    api = FakeWriteApi()
    posting = Posting(client=api.client(), as_json=True)

    statuses = [seed_people(300, seed=7, posting=posting) for _ in range(2)]

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert statuses == [0, 0]
    assert (first["lines"], first["applied"]) == (300, 300)
    assert (second["applied"], second["replayed"]) == (0, 300)

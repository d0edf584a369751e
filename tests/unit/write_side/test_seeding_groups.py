"""Synthetic groups and memberships: reproducible, referring only to what is there, of very different sizes."""

import json
from collections import Counter
from itertools import groupby, islice

import msgspec
import pytest

from shared.client.groups import MOST_GROUPS_EACH, belongings, groups
from shared.client.run import Posting
from shared.client.seeding import TOGETHER, commands, seed_people
from tests.unit.write_side.fake_write_api import FakeWriteApi
from write_side.domain.values import parse_value
from write_side.use_cases import USE_CASES

PEOPLE, GROUPS = 1_500, 60
_COMMANDS = {use_case.name: use_case.command for use_case in USE_CASES}


def made(people, groups, *, seed=7):
    return [json.loads(line.body) for line in commands(people, groups=groups, seed=seed)]


@pytest.fixture(scope="module")
def crowd():
    return made(PEOPLE, GROUPS)


def named(crowd, command):
    return [each for each in crowd if each["command"] == command]


def test_people_are_the_same_with_and_without_groups(crowd):
    """In their order, with their keys."""
    assert made(PEOPLE, 0) == named(crowd, "register-account")


@pytest.mark.parametrize(("people", "groups"), [(40, 12), (60, 12), (40, 30), (60, 30)])
def test_more_people_or_groups_include_all_commands_of_fewer(people, groups):
    """In their order, with their keys, so that a directory can be made larger either way."""
    fewer = made(40, 12)
    keys = {each["idempotency_key"] for each in fewer}

    assert [each for each in made(people, groups) if each["idempotency_key"] in keys] == fewer


def test_people_join_groups_together():
    """Not each behind their registration: what depends on a line before it cannot share its transaction."""
    kinds = [kind for kind, _ in groupby(each["command"] for each in made(TOGETHER + 50, 12))]

    assert kinds == ["create-group", *("register-account", "add-group-member") * 2]


def test_nothing_is_referred_to_before_it_is_there(crowd):
    """Neither a group nor a person."""
    there = set()
    for command in crowd:
        match command:
            case {"command": "create-group", "slug": slug}:
                there.add(slug)
            case {"command": "register-account", "external_id": external_id}:
                there.add(f"ext:{external_id}")
            case {"group": group, "account": account}:
                assert {group, account} <= there


def test_every_command_is_one_that_the_write_side_takes(crowd):
    """Values and all."""
    for command in crowd:
        fields = {name: value for name, value in command.items() if name not in {"command", "idempotency_key"}}
        assert msgspec.convert(fields, _COMMANDS[command["command"]], dec_hook=parse_value)


def test_no_two_groups_share_a_slug_or_an_external_id():
    """Nor do they across seeds."""
    many = [group for seed in (7, 8) for group in islice(groups(seed), 1_000)]

    assert {field: len({group[field] for group in many}) for field in ("slug", "external_id")} == {
        "slug": 2_000,
        "external_id": 2_000,
    }


def test_groups_are_of_several_kinds(crowd):
    """With accents, with and without a description."""
    created = named(crowd, "create-group")

    assert {each["slug"].partition("-")[0] for each in created} == {"dept", "project", "club", "site"}
    assert set("óöãİ") & {letter for each in created for letter in each["name"]}
    assert {"description" in each for each in created} == {True, False}


def test_everybody_belongs_to_a_few_groups_or_none(crowd):
    """To none of them twice."""
    memberships = [(each["account"], each["group"]) for each in named(crowd, "add-group-member")]
    groups_each = Counter(account for account, _ in memberships)

    assert len(set(memberships)) == len(memberships)
    assert max(groups_each.values()) <= MOST_GROUPS_EACH
    assert 0 < len(groups_each) < PEOPLE
    assert {len(belongs) for belongs in islice(belongings(7), 1_000)} == set(range(MOST_GROUPS_EACH + 1))


def test_few_groups_are_large_and_many_are_small(crowd):
    """The first tenth has much of all memberships, and each group has members."""
    sizes = Counter(each["group"] for each in named(crowd, "add-group-member"))
    ordered = [sizes[each["slug"]] for each in named(crowd, "create-group")]

    assert sum(ordered[: GROUPS // 10]) > sum(ordered) / 3
    assert ordered[0] > 10 * sum(ordered[GROUPS // 2 :]) / (GROUPS // 2)
    assert min(ordered) > 0


def test_most_are_members_and_some_are_more(crowd):
    """Roles that fit the kind of group."""
    roles = Counter(each["role"] for each in named(crowd, "add-group-member"))

    assert roles["member"] > 0.8 * roles.total()
    assert {"lead", "deputy", "chair", "treasurer", "host"} < set(roles)


def test_seeding_groups_again_changes_nothing_and_says_what_was_done(capsys):
    """Every line is counted; progress is counted in groups and people."""
    api, lines = FakeWriteApi(), list(commands(100, groups=10, seed=7))
    posting = Posting(client=api.client(), as_json=True)

    statuses = [seed_people(100, groups=10, seed=7, posting=posting) for _ in range(2)]

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert statuses == [0, 0]
    assert (first["lines"], first["applied"]) == (len(lines), len(lines))
    assert (second["applied"], second["replayed"]) == (0, len(lines))
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert (lines[9].reached, lines[10].reached, lines[-1].reached) == (10, 11, 110)

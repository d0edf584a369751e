"""After a storm of commands on the same few people and groups, the tables hold what the event log says."""

import random

import psycopg
import pytest

from shared.events import GroupCreated, GroupDeleted, MemberAdded, MemberRemoved, MemberRoleChanged, SlugChanged
from tests.support.examples import examples
from tests.support.write_side import create_groups, postgres_write_side, race, register
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.errors import GroupNotFound, MemberNotFound, SlugTaken, StaleAggregate
from write_side.ports import Answer

PEOPLE, SLUGS = ("ada", "bob", "cyd", "dan"), ("one", "two", "three")
ROLES = ("member", "Chair", "Clerk")
DEEDS = {
    "add-group-member": 8,
    "change-member-role": 4,
    "remove-group-member": 4,
    "create-group": 3,
    "update-group": 2,
    "delete-group": 1,
    "suspend-account": 2,
    "close-account": 0.2,
}
EXPECTED = {AccountAlreadyClosed, GroupNotFound, MemberNotFound, SlugTaken, StaleAggregate}


def deed(chance):
    [name] = chance.choices(list(DEEDS), DEEDS.values())
    account, slug = f"@{chance.choice(PEOPLE)}", chance.choice(SLUGS)
    fields = {
        "add-group-member": {"group": slug, "account": account, "role": chance.choice(ROLES)},
        "change-member-role": {"group": slug, "account": account, "role": chance.choice(ROLES)},
        "remove-group-member": {"group": slug, "account": account},
        "create-group": {"slug": slug, "name": slug},
        "update-group": {"group": slug, "slug": chance.choice(SLUGS)},
        "delete-group": {"group": slug},
    }
    return name, fields.get(name, {"account": account})


def replayed(events):
    """The groups with their slugs and the members with their roles, as the events say; each must be possible."""
    groups, members = {}, {}
    for event in events:
        match event:
            case GroupCreated(group_id=group_id, slug=slug) | SlugChanged(group_id=group_id, new=slug):
                assert slug not in groups.values()
                groups[group_id] = slug
            case GroupDeleted(group_id=group_id, slug=slug, members=count):
                assert groups.pop(group_id) == slug
                ended = [key for key in members if key[0] == group_id]
                assert count == len(ended)
                for key in ended:
                    del members[key]
            case MemberAdded(group_id=group_id, account_id=account_id, role=role):
                assert group_id in groups
                assert (group_id, account_id) not in members
                members[group_id, account_id] = role
            case MemberRoleChanged(group_id=group_id, account_id=account_id, old=old, new=new):
                assert members[group_id, account_id] == old
                members[group_id, account_id] = new
            case MemberRemoved(group_id=group_id, account_id=account_id, role=role):
                assert members.pop((group_id, account_id)) == role
    return groups, members


def kept(url):
    with psycopg.connect(url) as connection:
        groups = dict(connection.execute("select id, slug from groups").fetchall())
        rows = connection.execute("select group_id, account_id, role from memberships").fetchall()
    return groups, {(group_id, account_id): role for group_id, account_id, role in rows}


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_the_tables_hold_what_the_log_tells(database_url, seed):
    """Two processes carry out 200 commands, twenty at a time; none is refused but by a rule, and none is torn."""
    chance = random.Random(seed)
    async with postgres_write_side(database_url) as one, postgres_write_side(database_url) as other:
        await register(one, *PEOPLE)
        await create_groups(one, *SLUGS)
        outcomes = []
        for _ in range(10):
            deeds = [deed(chance) for _ in range(20)]
            racers = [(one, other)[n % 2].run(name, **fields) for n, (name, fields) in enumerate(deeds)]
            outcomes += await race(one, *racers)
        events = [recorded.event for recorded in await one.events()]

    refusals = {type(each) for each in outcomes if not isinstance(each, Answer)}
    assert refusals <= EXPECTED
    assert replayed(events) == kept(database_url)

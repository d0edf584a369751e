"""`muster seed`: synthetic people and their groups, made through the write API."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from shared.client.groups import Belonging, Fields, belongings, groups
from shared.client.lines import Keys, Line, in_chunks
from shared.client.people import people
from shared.client.run import Posting
from shared.runtime.progress import Progress

TOGETHER = 200
"""People who are there before the first of them joins a group: a line shares no transaction with one it depends on."""

_encode = msgspec.json.Encoder().encode


def seed_people(count: int, *, groups: int = 0, seed: int, posting: Posting) -> int:
    """Register people in groups and return the exit status; the same again change nothing, more of them go on."""
    lines = in_chunks(commands(count, groups=groups, seed=seed))
    return posting.post(lines, progress=Progress(sys.stderr).begin("line", total=groups + count))


def commands(count: int, *, groups: int = 0, seed: int) -> Iterator[Line]:
    """
    The commands that make the first groups and people of a seed, each made when it is taken.

    Groups come first, then some people before their memberships, so references lead somewhere. A call that asks for
    more people or more groups gets all commands of those who ask for fewer, with the same keys.
    """
    keys = Keys()
    for number, (reached, command) in enumerate(_commands(count, groups, seed), start=1):
        yield Line(number, keys.keyed(_encode(command)), reached)


def _commands(count: int, group_count: int, seed: int) -> Iterator[tuple[int, Fields]]:
    """Each with how many groups and people there are once it is done."""
    there = list(islice(groups(seed), group_count))
    for reached, group in enumerate(there, start=1):
        yield reached, {"command": "create-group", **group}
    everybody, reached = islice(zip(people(seed), belongings(seed), strict=False), count), group_count
    while together := tuple(islice(everybody, TOGETHER)):
        for nth, (person, _) in enumerate(together, start=1):
            yield reached + nth, {"command": "register-account", **person}
        reached += len(together)
        for person, belongs in together:
            yield from ((reached, each) for each in _memberships(person, belongs, there))


def _memberships(person: Fields, belongs: Iterable[Belonging], there: Sequence[Fields]) -> Iterator[Fields]:
    account = f"ext:{person['external_id']}"
    for number, role in belongs:
        if number <= len(there):
            group = there[number - 1]["slug"]
            yield {"command": "add-group-member", "group": group, "account": account, "role": role}

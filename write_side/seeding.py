"""`muster seed`: synthetic people, registered through the write API."""

import sys
from collections.abc import Iterator
from itertools import islice

import httpx
import msgspec

from write_side.client.lines import Keys, Line, in_chunks
from write_side.client.people import people
from write_side.client.progress import progress_on
from write_side.client.run import post_all

_encode = msgspec.json.Encoder().encode


def seed_people(count: int, *, seed: int, client: httpx.Client, as_json: bool) -> int:
    """Register people and return the exit status; the same people again change nothing, more of them go on."""
    progress = progress_on(sys.stderr, total=count)
    return post_all(in_chunks(commands(count, seed=seed)), client=client, progress=progress, as_json=as_json)


def commands(count: int, *, seed: int) -> Iterator[Line]:
    """The commands that register the first `count` people of a seed, made as they are asked for."""
    keys = Keys()
    for number, person in enumerate(islice(people(seed), count), start=1):
        command = _encode({"command": "register-account", **person})
        yield Line(number, keys.keyed(command), number)

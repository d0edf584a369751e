"""How documents are read from Redis: one command for each kind."""

from collections.abc import Collection, Sequence
from itertools import chain

from projector.declaring.documents import Key
from projector.folding.grouping import grouped
from shared.read_model.keys import GenerationKeys
from shared.redis.pipelined import Command


def documents_at(keys: GenerationKeys, documents: Collection[Key]) -> tuple[Sequence[Key], Sequence[Command]]:
    """Return documents in another order, and what reads them in that order: a command for each kind."""
    by_kind = grouped((key.kind, key) for key in documents)
    names = list(chain.from_iterable(by_kind.values()))
    commands = [
        ("HMGET", keys.documents(kind, "full"), *[key.id for key in of_kind]) for kind, of_kind in by_kind.items()
    ]
    return names, commands

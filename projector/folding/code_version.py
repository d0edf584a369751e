"""Which code folds: kept with what it could not fold, so that other code tries again."""

import inspect
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import projector
import shared
from projector.declaring.projection import Projection


def code_version(projection: Projection) -> str:
    """
    The projection's version, the release, and a digest of the sources: `2+0.1.0.9f86d081`.

    A fix that raises neither number changes the digest.
    """
    return f"{projection.version}+{version('muster')}.{_digest(projection)}"


@cache
def _digest(projection: Projection) -> str:
    digest = blake2b(digest_size=4)
    for source in _sources(projection):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _sources(projection: Projection) -> Iterator[Path]:
    """The modules in which the projection is declared, wherever they are, and all that it may rely on."""
    declared = {inspect.getfile(type(projection)), *map(inspect.getfile, projection.functions())}
    yield from map(Path, sorted(declared))
    for package in (projector, shared):
        yield from sorted(Path(str(package.__file__)).parent.rglob("*.py"))

"""Which code folds: kept with what it could not fold, so that other code tries again."""

import inspect
from collections.abc import Iterator, Sequence
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
    declared = {inspect.getfile(type(projection)), *map(inspect.getfile, projection.functions())}
    return f"{projection.version}+{_release_and_digest(tuple(sorted(declared)))}"


@cache
def _release_and_digest(declared: Sequence[str]) -> str:
    """:param declared: the modules in which a projection is, wherever they are: all its parts have the same."""
    digest = blake2b(digest_size=4)
    for source in _sources(declared):
        digest.update(source.read_bytes())
    return f"{version('muster')}.{digest.hexdigest()}"


def _sources(declared: Sequence[str]) -> Iterator[Path]:
    """These, and all that they may rely on."""
    yield from map(Path, declared)
    for package in (projector, shared):
        yield from sorted(Path(str(package.__file__)).parent.rglob("*.py"))

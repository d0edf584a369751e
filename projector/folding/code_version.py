"""Which code folds: kept with what it could not fold, so that other code tries again."""

import inspect
from collections.abc import Sequence
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
    digest = _digest_of_packages().copy()
    for source in declared:
        digest.update(Path(source).read_bytes())
    return f"{version('muster')}.{digest.hexdigest()}"


@cache
def _digest_of_packages() -> blake2b:
    """What all projections may rely on, which is read once for all."""
    digest = blake2b(digest_size=4)
    for package in (projector, shared):
        for source in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            digest.update(source.read_bytes())
    return digest

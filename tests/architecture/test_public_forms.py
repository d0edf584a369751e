"""What callers without the private scope are served is said by the projection; saying nothing serves nothing."""

import pytest

from projector.declaring.documents import Kind
from projector.declaring.projection import Projection
from projector.projections.registry import PROJECTIONS
from read_side.services import redis_views
from shared.read_model.keys import HOME
from shared.read_model.records import StatsRecord
from shared.redis.client import connector

VIEWS = redis_views(connector("redis://nowhere.invalid"), patience=0)

MADE_WHEN_READ = {"activity"}
"""Of each item its view shows the details that `shared.read_model.activity.DETAILS` names."""


def not_open(projection: Projection) -> set[str]:
    """The kinds of which its view reads full documents for everybody, although nobody has said that they are open."""
    keys = HOME.projection(projection.name).generation("g")
    read = {key.removeprefix(keys.prefix) for key in VIEWS[projection.name].names(keys).values()}
    full = {key.removesuffix(":full") for key in read if key.endswith(":full")}
    divided = {kind.name for kind in projection.kinds if kind.public} | MADE_WHEN_READ
    return full - divided - projection.open_kinds


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_a_view_reads_full_documents_for_everybody_only_where_they_are_open(projection):
    assert not_open(projection) == set()


def test_full_documents_of_a_projection_that_says_nothing_are_not_for_everybody():
    silent = Projection("stats", version=1, documents=(Kind("stats", StatsRecord),))

    assert not_open(silent) == {"stats"}

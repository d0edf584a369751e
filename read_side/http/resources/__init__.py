"""What the read API serves: one resource a projection."""

from collections.abc import Sequence

from read_side.http.resource import Resource
from read_side.http.resources.activity import ACTIVITY
from read_side.http.resources.changes import CHANGES
from read_side.http.resources.groups import GROUPS
from read_side.http.resources.profiles import PROFILES
from read_side.http.resources.stats import STATS

RESOURCES: Sequence[Resource] = (PROFILES, GROUPS, ACTIVITY, STATS, CHANGES)

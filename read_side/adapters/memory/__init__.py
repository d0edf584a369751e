"""Views in memory: what the read side serves in tests, and wherever no Redis is wanted."""

from read_side.adapters.memory.activity import MemoryActivityViews
from read_side.adapters.memory.groups import MemoryGroupViews
from read_side.adapters.memory.profiles import MemoryProfileViews
from read_side.adapters.memory.stats import MemoryStatsViews

__all__ = ["MemoryActivityViews", "MemoryGroupViews", "MemoryProfileViews", "MemoryStatsViews"]

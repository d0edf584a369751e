from read_side.adapters.redis.transport.eviction import EvictionWatch
from read_side.adapters.redis.views.activity import RedisActivityViews
from read_side.adapters.redis.views.groups import RedisGroupViews
from read_side.adapters.redis.views.profiles import RedisProfileViews
from read_side.adapters.redis.views.stats import RedisStatsViews

__all__ = [
    "EvictionWatch",
    "RedisActivityViews",
    "RedisGroupViews",
    "RedisProfileViews",
    "RedisStatsViews",
]

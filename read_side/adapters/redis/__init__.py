from read_side.adapters.redis.activity import RedisActivityViews
from read_side.adapters.redis.connections import Connect, connector
from read_side.adapters.redis.eviction import EvictionWatch
from read_side.adapters.redis.groups import RedisGroupViews
from read_side.adapters.redis.profiles import RedisProfileViews
from read_side.adapters.redis.stats import RedisStatsViews

__all__ = [
    "Connect",
    "EvictionWatch",
    "RedisActivityViews",
    "RedisGroupViews",
    "RedisProfileViews",
    "RedisStatsViews",
    "connector",
]

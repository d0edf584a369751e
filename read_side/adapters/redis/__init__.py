from read_side.adapters.redis.connections import Connect, connector
from read_side.adapters.redis.eviction import EvictionWatch
from read_side.adapters.redis.profiles import RedisProfileViews

__all__ = ["Connect", "EvictionWatch", "RedisProfileViews", "connector"]

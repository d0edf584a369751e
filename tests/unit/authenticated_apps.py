"""The three APIs on adapters in memory, with authentication."""

from functools import partial

from projector.main import projector_app
from read_side.pages.app import directory
from read_side.services import memory_views, register_views
from shared.auth.authentication import Authentication
from shared.auth.rate_limits import RateLimiter
from shared.settings import Settings
from tests.support import write_side
from tests.support.apps import app_client, started
from tests.support.clock import SettableClock
from tests.support.directory import CHANGED, GROUPS, HAPPENED, MEMBERSHIPS, PEOPLE, STATS
from tests.support.projectors import Surroundings, register_on
from tests.support.read_side import ADA, BOB, PATIENCE
from write_side.adapters.memory import MemoryDatabase
from write_side.http.app import write_api

MADE_BY = {"write": write_api, "read": directory, "ops": projector_app}


class AuthenticatedApps:
    """By name: `write`, `read` and `ops`."""

    def __init__(self, authentication, *, store=None, limiter=None, ops_url=None, register=None):
        self._authentication, self._limiter, self._ops_url = authentication, limiter, ops_url
        self._also = register
        self._adapters = {
            "write": partial(write_side.register_on, store or MemoryDatabase(clock=SettableClock())),
            "read": _read,
            "ops": _ops,
        }

    def client(self, name):
        return app_client(MADE_BY[name], self._adapters[name], self._register)

    def started(self, name):
        return started(MADE_BY[name], self._adapters[name], self._register)

    def _register(self, registry):
        registry.register_value(Authentication, self._authentication)
        if self._limiter:
            registry.register_value(RateLimiter, self._limiter)
        if self._also:
            self._also(registry)
        if self._ops_url:
            registry.register_value(Settings, Settings.load({"MUSTER_OPS_URL": self._ops_url}))


def _read(registry):
    views = memory_views(patience=PATIENCE)
    views["profiles"].commit(ADA, BOB, position=7)
    views["groups"].commit(*GROUPS, people=PEOPLE, memberships=MEMBERSHIPS, position=8)
    views["activity"].commit(*((ADA.account_id, each) for each in HAPPENED), position=9)
    views["stats"].commit(STATS, position=6)
    views["changes"].commit(*CHANGED, position=5)
    register_views(registry, views)


def _ops(registry):
    register_on(registry, Surroundings())

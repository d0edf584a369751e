from shared.auth.principal import Principal
from shared.errors import Unavailable
from shared.http.streaming import may_look_on


class AwayAuthentication:
    def stands(self, principal):
        raise Unavailable("the sessions")


def test_no_stream_goes_on_for_those_whose_standing_cannot_be_found_out():
    assert not may_look_on(AwayAuthentication(), Principal("ada", frozenset()))

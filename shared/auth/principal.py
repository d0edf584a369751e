"""The caller of a request and its scopes, as the three APIs know them from a token."""

from collections.abc import Mapping
from math import inf
from typing import NamedTuple

COMMANDS = "commands"
READ = "profiles:read"
PRIVATE = "profiles:read.private"
EXPORT = "export"
OPS = "ops"

SCOPES: Mapping[str, str] = {
    COMMANDS: "post commands",
    READ: "read people, groups and what happened, without what is private",
    PRIVATE: "see e-mail addresses, external ids and attributes besides, and look people up by them",
    EXPORT: "take all people and groups out at once, what is private included",
    OPS: "see how far each projection is, rebuild it, and decide about what is parked",
}
"""Everything that a token can allow, and what that is."""


class Principal(NamedTuple):
    """
    The subject of a token, and what it may do.

    :param subject: its `sub`; idempotency keys belong to it, and events name it as their actor.
    :param token_id: its `jti`, by which it can be revoked; None if it has none.
    :param key_id: of the key that signed it.
    :param expires_at: seconds since 1970.
    :param is_limited: whether the number of its requests is limited.
    :param is_ours: whether we made its token, rather than an OpenID issuer.
    """

    subject: str
    scopes: frozenset[str]
    token_id: str | None = None
    key_id: str | None = None
    expires_at: float = inf
    is_limited: bool = True
    is_ours: bool = False


ANONYMOUS = Principal("anybody", frozenset(SCOPES), is_limited=False)
"""Every caller where there is no authentication."""

"""Tokens by which `muster react` reads the change feed: signed by itself, with no more scopes than a webhook has."""

import time
from collections.abc import Mapping
from datetime import timedelta

from shared.auth.signing_keys import KeyDirectory, KeysUnusable
from shared.auth.tokens import issue
from shared.errors import Unavailable

SUBJECT = "muster-react"
TTL = timedelta(minutes=1)


class ReaderTokens:
    """Makes headers with a token, which is good for a minute and sent for half of it."""

    def __init__(self, keys: KeyDirectory, *, audience: str) -> None:
        self._keys = keys
        self._audience = audience
        self._kept: dict[tuple[str, ...], tuple[float, Mapping[str, str]]] = {}

    def __call__(self, scopes: tuple[str, ...]) -> Mapping[str, str]:
        """:raises Unavailable: there is no key to sign with."""
        until, headers = self._kept.get(scopes, (0.0, {}))
        if (now := time.monotonic()) < until:
            return headers
        try:
            key = self._keys.newest()
        except KeysUnusable as error:
            raise Unavailable(str(error)) from error
        token = issue(key, scopes=scopes, subject=SUBJECT, ttl=TTL, audience=self._audience, is_limited=False)
        made = {"Authorization": f"Bearer {token.text}"}
        self._kept[scopes] = (now + TTL.total_seconds() / 2, made)
        return made

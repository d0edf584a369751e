"""Tokens by which `muster react` reads the change feed: signed by itself, with no more scopes than a webhook has."""

from collections.abc import Mapping
from datetime import timedelta

from shared.auth.signing_keys import KeyDirectory, KeysUnusable
from shared.auth.tokens import issue
from shared.errors import Unavailable

SUBJECT = "muster-react"
TTL = timedelta(minutes=1)


class ReaderTokens:
    """Makes headers with a token for each page: one that was kept could outlast its key, or a clock that is set."""

    def __init__(self, keys: KeyDirectory, *, audience: str) -> None:
        self._keys = keys
        self._audience = audience

    def __call__(self, scopes: tuple[str, ...]) -> Mapping[str, str]:
        """:raises Unavailable: there is no key to sign with."""
        try:
            key = self._keys.newest()
        except KeysUnusable as error:
            raise Unavailable(str(error)) from error
        token = issue(key, scopes=scopes, subject=SUBJECT, ttl=TTL, audience=self._audience, is_limited=False)
        return {"Authorization": f"Bearer {token.text}"}

"""The local token: it admits callers that can read the state directory, as long as its `muster up` runs."""

import contextlib
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from shared.auth.bearer import TOKEN
from shared.auth.principal import COMMANDS, EXPORT, OPS, PRIVATE, READ, SCOPES
from shared.auth.signing_keys import KeyDirectory, SigningKey
from shared.auth.tokens import issue, sign_in_audience
from shared.private_files import write_private
from shared.settings import Settings

SUBJECT = "muster-up"
FOREVER = timedelta(days=3_650)
"""Its key is gone long before."""

LINK_TTL = timedelta(minutes=15)
TO_OPS_PAGE = (OPS,)
TO_PEOPLE_PAGE = (READ, PRIVATE, COMMANDS, EXPORT)
TO_DOCS = (COMMANDS,)
"""What those may do whom `muster up` lets in at a page: everything there. `TO_DOCS` is for those of the write API."""


class LocalAccess(NamedTuple):
    """The signing key of a running `muster up`, which is never stored."""

    key: SigningKey
    audience: str

    def sign_in_link(self, url: str, *, scopes: Collection[str], next: str = "") -> str:
        return sign_in_link(url, scopes=scopes, key=self.key, subject=SUBJECT, audience=self.audience, next=next)


@contextlib.contextmanager
def local_access(settings: Settings) -> Iterator[LocalAccess]:
    """
    Write the local token; it is good until the end, even if the file is left behind.

    Its key is not stored. The token of a killed run is good until the next one begins, and no longer.

    :raises KeysUnusable: the directory of keys cannot be written.
    """
    directory, file, now = KeyDirectory(settings.key_directory), settings.home / TOKEN, datetime.now(UTC)
    if not directory.signing():
        directory.new(now=now)
    with directory.lent(now=now) as key:
        token = issue(key, scopes=SCOPES, subject=SUBJECT, ttl=FOREVER, audience=settings.audience, is_limited=False)
        write_private(file, f"{token.text}\n")
        try:
            yield LocalAccess(key, settings.audience)
        finally:
            file.unlink(missing_ok=True)


def sign_in_link(
    url: str, *, scopes: Collection[str], key: SigningKey, subject: str, audience: str, next: str = ""
) -> str:
    """
    Make a link that signs a browser in at the page of an API: once, and only soon.

    :param url: of the API.
    :param scopes: what the browser may do there.
    :param next: where it leads, relative to the root of the API.
    """
    token = issue(key, scopes=scopes, subject=subject, ttl=LINK_TTL, audience=sign_in_audience(audience))
    return f"{url}/sign-in?{urlencode({'token': token.text, **({'next': next} if next else {})})}"

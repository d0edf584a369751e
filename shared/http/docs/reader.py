"""The reader of the documentation: the token in their lines, and the person and the group in their examples."""

import re
from contextlib import suppress
from hashlib import sha256
from typing import Any, NamedTuple

from litestar.types import Scope

from shared.auth.authentication import Authentication
from shared.auth.principal import SCOPES
from shared.auth.sessions import Sessions
from shared.errors import Unavailable
from shared.http.containers import Services
from shared.http.middleware.auth import PagePolicy, cookie_of
from shared.http.openapi.examples import EXAMPLE_GROUP, EXAMPLE_ID

FROM_THE_SHELL = "$MUSTER_TOKEN"


class DocsReader(NamedTuple):
    """
    A reader.

    :param token: of their lines, as a shell reads it; None where no token is needed.
    :param subject: as whom they are signed in.
    :param can_sign_in: here, and has not.
    """

    token: str | None = FROM_THE_SHELL
    subject: str | None = None
    scopes: frozenset[str] = frozenset()
    can_sign_in: bool = False

    @property
    def may_try(self) -> bool:
        return self.token is None or self.subject is not None

    def own(self, text: str) -> str:
        """
        Make an example be about a person and a group of the reader's own.

        Two who try the examples would otherwise take each other's handles, and ids are never used again.
        """
        if self.subject is None or self.token is None:
            return text
        digest = sha256(self.token.encode()).hexdigest()
        return _KNOWN.sub(lambda known: _owned(known[0], digest), text)


EXAMPLE_IDS = (EXAMPLE_ID, EXAMPLE_GROUP)
EXAMPLE_NAMES = ("andre", "Andre", "ssju", "4711")
"""The handle of the person, the slug of the group, and the number in the external id."""

_KNOWN = re.compile("|".join((*EXAMPLE_IDS, *EXAMPLE_NAMES)))


def _owned(known: str, digest: str) -> str:
    return known[:-12] + digest[:12] if known in EXAMPLE_IDS else f"{known}-{digest[:6]}"


async def reader_of(scope: Scope, services: Services, pages: PagePolicy | None) -> DocsReader:
    """Return who reads: a browser's session is its token, wherever sessions are known."""
    authentication: Any = await services.aget_abstract(Authentication)
    if authentication.anonymous is not None:
        return DocsReader(None, None, frozenset(SCOPES))
    if pages is None or Sessions not in services.registry:
        return DocsReader()
    if name := cookie_of(scope, pages.cookie):
        sessions: Any = await services.aget_abstract(Sessions)
        with suppress(Unavailable):  # then it is a page like any other's
            principal = await sessions.find(name)
            if principal and await authentication.admits(principal):
                return DocsReader(name, principal.subject, principal.scopes)
    return DocsReader(can_sign_in=True)

"""How tests are let in: by the token of the stack that serves an address, or by tokens made at will."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from shared.auth.bearer import TOKEN
from shared.auth.local_access import TO_OPS_PAGE, sign_in_link
from shared.auth.signing_keys import KeyDirectory
from shared.auth.tokens import issue
from shared.settings import Addresses

_HOMES: dict[str, Path] = {}
"""Of the stacks that run, by the hosts and ports at which they serve."""


class Keys:
    """A directory of keys of a test's own."""

    def __init__(self, path: Path) -> None:
        self.directory = KeyDirectory(path)
        self.directory.new(now=datetime.now(UTC))

    @property
    def settings(self) -> dict[str, str]:
        """By which a process lets in whom these keys let in."""
        return {"MUSTER_AUTH": "on", "MUSTER_KEYS": str(self.directory.path)}

    def token(self, *scopes: str, subject: str = "tests", seconds: float = 3_600, audience: str = "muster") -> str:
        ttl = timedelta(seconds=seconds)
        made = issue(self.directory.newest(), scopes=scopes, subject=subject, ttl=ttl, audience=audience)
        return made.text

    def headers(self, *scopes: str) -> dict[str, str]:
        return bearing(self.token(*scopes))


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def register_home(home: Path, addresses: Addresses) -> None:
    """Remember whose token is good at these addresses."""
    for url in (addresses.write, addresses.read, addresses.ops):
        _HOMES[urlsplit(url).netloc] = home


def forget_home(addresses: Addresses) -> None:
    """A process that is given one of these ports next lets in whom it likes."""
    for url in (addresses.write, addresses.read, addresses.ops):
        _HOMES.pop(urlsplit(url).netloc, None)


def headers_for(url: str) -> dict[str, str]:
    """What lets a client in there; nothing where no stack serves that asks for it."""
    home = _HOMES.get(urlsplit(url).netloc)
    return {} if home is None else bearing((home / TOKEN).read_text().strip())


def cookie_policy(url: str, *scopes: str, next: str = "") -> str:
    """
    Where a browser comes in to a page, that for operators if no scopes are given: by a link, where it has to.

    :param next: which page it is, relative to the root of the API.
    """
    home = _HOMES.get(urlsplit(url).netloc)
    if home is None:
        return f"{url}/{next}"
    scopes = scopes or TO_OPS_PAGE
    return sign_in_link(
        url, scopes=scopes, key=KeyDirectory(home / "keys").newest(), subject="browser", audience="muster", next=next
    )

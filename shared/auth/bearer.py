"""The token that commands send, and to whom: nothing of how tokens are made or verified is needed for it."""

from pathlib import Path
from urllib.parse import urlsplit

from shared.errors import SettingsError
from shared.settings import Secret, Settings, read_addresses
from shared.urls.http import is_loopback

TOKEN = "token"  # noqa: S105 - the name of the file of the local token


def bearer(settings: Settings, url: str) -> dict[str, str]:
    """
    Return the header that admits a command at a URL; none where there is no token.

    The local token is sent to the addresses of its own `muster up` and to this machine, and nowhere else.

    :raises SettingsError: the local token cannot be read.
    """
    token = settings.token or (_local_token(settings.home) if is_near(settings, url) else None)
    return {"Authorization": f"Bearer {token.reveal()}"} if token else {}


def _local_token(state_directory: Path) -> Secret | None:
    try:
        return Secret((state_directory / TOKEN).read_text(errors="replace").strip())
    except OSError:
        return None
    except ValueError as error:
        raise SettingsError(f"{state_directory / TOKEN} is no token: {error}") from error


def is_near(settings: Settings, url: str) -> bool:
    """Tell whether a URL leads to this machine, or to the `muster up` of this state directory."""
    if is_loopback(urlsplit(url).hostname or ""):
        return True
    addresses = read_addresses(settings.home)
    return addresses is not None and _origin(url) in map(_origin, (addresses.write, addresses.read, addresses.ops))


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc

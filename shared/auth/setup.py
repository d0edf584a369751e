"""Authentication and rate limits, as the settings have them."""

from collections.abc import Collection
from urllib.parse import urlsplit

import httpx
import svcs

from shared.auth.authentication import Authentication, AuthenticationLimits, NoAuthentication, TokenAuthentication
from shared.auth.code_flow import CodeFlow, OpenIdClient
from shared.auth.openid import OpenIdIssuer, OpenIdLimits
from shared.auth.rate_limits import RateLimiter, RateLimiterLimits
from shared.auth.sessions import Sessions
from shared.auth.signing_keys import MAKE_ONE, KeyDirectory, KeysUnusable
from shared.errors import SettingsError
from shared.http_clients import http_client
from shared.read_model.keys import Keyspace
from shared.settings import Settings, variable
from shared.urls.http import is_loopback


def register_authentication(registry: svcs.Registry, settings: Settings, *, to_page: Collection[str] = ()) -> None:
    """
    Register how callers are authenticated.

    :param to_page: the scopes for everything on the service's page, if it has one.
    :raises SettingsError: the keys cannot be read.
    """
    if settings.auth == "off":
        admit_everyone(registry)
        return
    openid_limits, limits = settings.limits_of(OpenIdLimits), settings.limits_of(AuthenticationLimits)
    client = _issuer_client(settings.issuer) if settings.issuer else None
    issuer = OpenIdIssuer(settings.issuer, client=client, limits=openid_limits) if settings.issuer and client else None
    try:
        authentication = TokenAuthentication(
            KeyDirectory(settings.key_directory), audience=settings.audience, issuer=issuer, limits=limits
        )
    except KeysUnusable as error:
        raise SettingsError(str(error)) from error
    registry.register_value(Authentication, authentication, on_registry_close=client.aclose if client else None)
    if issuer and client and (us := _openid_client(settings, to_page)):
        registry.register_value(CodeFlow, CodeFlow(issuer, us, http=client))


def _openid_client(settings: Settings, to_page: Collection[str]) -> OpenIdClient | None:
    """Return as whom the issuer knows us; None where it signs no browsers in."""
    if settings.openid_client is None:
        return None
    scope = settings.openid_scope or " ".join(("openid", *to_page))
    return OpenIdClient(settings.openid_client, settings.openid_secret, scope)


def _issuer_client(url: str) -> httpx.AsyncClient:
    return http_client(httpx.AsyncClient, url, direct=is_loopback(urlsplit(url).hostname or ""))


def register_limits(registry: svcs.Registry, settings: Settings, *, api: str, keyspace: Keyspace) -> None:
    """
    Register the rate limit of subjects, if there is one.

    :param api: the API, which counts by itself.
    :raises SettingMissingError: there is one, and no Redis to count in.
    """
    if settings.rate_limit is None or settings.auth == "off":
        return
    from shared.auth.adapters.redis.buckets import TIMEOUTS, RedisBuckets  # noqa: PLC0415 - nor Redis' client without
    from shared.redis.client import connect  # noqa: PLC0415 - likewise

    client = connect(settings.required("redis_url"), timeouts=TIMEOUTS)
    buckets = RedisBuckets(client, settings.rate_limit, name=api, keyspace=keyspace)
    limiter = RateLimiter(settings.rate_limit, buckets, limits=settings.limits_of(RateLimiterLimits))
    registry.register_value(RateLimiter, limiter, on_registry_close=client.aclose)


def register_sessions(registry: svcs.Registry, settings: Settings, *, keyspace: Keyspace) -> None:
    """Register the sessions of signed-in browsers, where there is a Redis that keeps them and callers sign in."""
    if settings.redis_url is None or settings.auth == "off":
        return
    from shared.auth.adapters.redis.sessions import TIMEOUTS, RedisSessions  # noqa: PLC0415 - see `register_limits`
    from shared.redis.client import connect  # noqa: PLC0415 - likewise

    client = connect(settings.redis_url, timeouts=TIMEOUTS)
    registry.register_value(Sessions, RedisSessions(client, keyspace=keyspace), on_registry_close=client.aclose)


def admit_everyone(registry: svcs.Registry) -> None:
    """Register no authentication: for a service that only this process can reach."""
    registry.register_value(Authentication, NoAuthentication())


def require_access(settings: Settings, *, host: str) -> None:
    """
    Make sure that a service would admit callers with good tokens, and no others.

    :param host: the address it is to listen at.
    :raises SettingsError: it would admit everyone from elsewhere, or no caller at all, or cannot ask its issuer.
    """
    _require_issuer(settings)
    if settings.rate_limit is not None:
        settings.required("redis_url")
    if settings.auth == "off":
        if not is_loopback(host):
            raise SettingsError(
                f"MUSTER_AUTH is off, and {host} can be reached from elsewhere: listen on 127.0.0.1, or leave "
                "MUSTER_AUTH out"
            )
        return
    try:
        has_keys = bool(KeyDirectory(settings.key_directory).read().keys)
    except KeysUnusable as error:
        raise SettingsError(str(error)) from error
    if not has_keys and settings.issuer is None:
        raise SettingsError(
            f"no caller could be admitted: there is no key in {settings.key_directory}. {MAKE_ONE.capitalize()}, set "
            "MUSTER_ISSUER to an OpenID issuer, or set MUSTER_AUTH=off where only this machine can reach it"
        )


def _require_issuer(settings: Settings) -> None:
    """:raises SettingsError: the issuer cannot be asked, or a part of the sign-in there is missing."""
    if settings.issuer:
        _issuer_client(settings.issuer)
    for part, needed in (("openid_client", "issuer"), ("openid_secret", "openid_client")):
        if getattr(settings, part) and not getattr(settings, needed):
            raise SettingsError(f"{variable(part)} is set without {variable(needed)}: set both, or neither")

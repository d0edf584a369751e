"""What the settings say about who is let in."""

import httpx
import svcs

from shared.auth.adapters.redis import TIMEOUTS, RedisBuckets
from shared.auth.authentication import Authentication, NoAuthentication, TokenAuthentication
from shared.auth.openid import OpenIdIssuer
from shared.auth.rate_limits import RateLimiter
from shared.auth.signing_keys import MAKE_ONE, KeyDirectory, KeysUnusable
from shared.read_model.keys import Keyspace
from shared.redis.client import connect
from shared.settings import Settings, SettingsError
from shared.urls import DIRECT, is_loopback


def register_authentication(registry: svcs.Registry, settings: Settings) -> None:
    """
    Register who is let in.

    :raises SettingsError: the keys cannot be read.
    """
    if settings.auth == "off":
        admit_everyone(registry)
        return
    client = httpx.AsyncClient(mounts=DIRECT)
    issuer = OpenIdIssuer(settings.issuer, client=client) if settings.issuer else None
    try:
        authentication = TokenAuthentication(
            KeyDirectory(settings.key_directory), audience=settings.audience, issuer=issuer
        )
    except KeysUnusable as error:
        raise SettingsError(str(error)) from error
    registry.register_value(Authentication, authentication, on_registry_close=client.aclose)


def register_limits(registry: svcs.Registry, settings: Settings, *, api: str, keyspace: Keyspace) -> None:
    """
    Register how many requests a subject may make, if that is limited at all.

    :param api: which counts by itself.
    :raises SettingMissingError: it is, and there is no Redis to count in.
    """
    if settings.rate_limit is None or settings.auth == "off":
        return
    client = connect(settings.required("redis_url"), timeouts=TIMEOUTS)
    buckets = RedisBuckets(client, settings.rate_limit, name=api, keyspace=keyspace)
    registry.register_value(RateLimiter, RateLimiter(settings.rate_limit, buckets), on_registry_close=client.aclose)


def admit_everyone(registry: svcs.Registry) -> None:
    """Register that nobody is asked: of a service that only this process can reach."""
    registry.register_value(Authentication, NoAuthentication())


def require_access(settings: Settings, *, host: str) -> None:
    """
    Make sure that a service would let in those who may come, and nobody else.

    :param host: where it is to listen.
    :raises SettingsError: everybody would be let in from elsewhere, or nobody at all, or more than is meant.
    """
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
            f"nobody could be let in: there is no key in {settings.key_directory}. {MAKE_ONE.capitalize()}, set "
            "MUSTER_ISSUER to an OpenID issuer, or set MUSTER_AUTH=off where only this machine is listened to"
        )

"""Tokens of our own: JSON Web Tokens (RFC 7519, RFC 9068) signed with Ed25519 (RFC 8037)."""

import time
from collections.abc import Collection
from datetime import timedelta
from typing import Any, NamedTuple

import jwt
from uuid_utils import uuid7

from shared.auth.principal import SCOPES, Principal
from shared.auth.signing_keys import SigningKey

OUR_ISSUER = "muster"
ALGORITHM = "EdDSA"
LONGEST = 8_192
"""Characters; a longer text is no token."""

LONGEST_SUBJECT = 255
SKEW_SECONDS = 10
"""How long before it was made a token is good: the clocks of two machines differ."""


class InvalidToken(Exception):
    """A token allows nothing; the text says why, and nothing that the token says."""


class NewToken(NamedTuple):
    """A token, as it is sent, and the id by which it can be revoked."""

    text: str
    id: str


def sign_in_audience(audience: str) -> str:
    """Return the audience of sign-in links: no API takes their tokens, and no other token signs a browser in."""
    return f"{audience}:sign-in"


def issue(
    key: SigningKey,
    *,
    scopes: Collection[str],
    subject: str,
    ttl: timedelta,
    audience: str,
    is_limited: bool = True,
) -> NewToken:
    """Make a token that is good from now on for as long as `ttl`."""
    now, token_id = int(time.time()), uuid7().hex
    claims: dict[str, Any] = {
        "iss": OUR_ISSUER,
        "aud": audience,
        "sub": subject,
        "jti": token_id,
        "iat": now,
        "nbf": now - SKEW_SECONDS,
        "exp": now + round(ttl.total_seconds()),
        "scope": " ".join(scopes),
    }
    if not is_limited:
        claims["unlimited"] = True
    text = jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.id, "typ": "at+jwt"})
    return NewToken(text, token_id)


class Unverified(NamedTuple):
    """The claims that choose the key to verify a token with; nothing else may be concluded from them."""

    key_id: str
    issuer: str
    token_id: str | None


def unverified(token: str) -> Unverified:
    """:raises InvalidToken: it is no token that could be verified."""
    if len(token) > LONGEST:
        raise InvalidToken("It is too long")
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise InvalidToken("It is not a JSON Web Token") from None
    issuer, token_id = claims.get("iss"), claims.get("jti")
    if not isinstance(key_id, str) or not isinstance(issuer, str):
        raise InvalidToken("It does not name its key and its issuer")
    return Unverified(key_id, issuer, token_id if isinstance(token_id, str) else None)


def verified(token: str, key: Any, *, algorithm: str, issuer: str, audience: str) -> dict[str, Any]:
    """
    Return the claims of a token that this key signed for this audience, and that is good now.

    :param algorithm: the only one that may have signed it: it follows from the key, never from the token.
    :raises InvalidToken: it is anything else.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=audience,
            issuer=issuer,
            options={"require": ["exp", "iss", "aud", "sub"], "verify_iat": False},
        )
        claims["exp"] = float(claims["exp"])
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError) as error:
        raise InvalidToken(_why(error)) from None
    return claims


def principal_of(claims: dict[str, Any], *, key_id: str, is_ours: bool) -> Principal:
    """
    Return the principal of verified claims.

    :param is_ours: whether we made the token: other issuers cannot lift the rate limit.
    :raises InvalidToken: they name no subject.
    """
    subject, token_id = claims["sub"], claims.get("jti")
    if not is_subject(subject):
        raise InvalidToken("Its subject is not a name of 1 to 255 characters")
    if token_id is not None and not token_id.isprintable():
        raise InvalidToken("Its id has characters that cannot be shown")
    is_limited = not (is_ours and claims.get("unlimited") is True)
    return Principal(subject, _scopes(claims), token_id, key_id, claims["exp"], is_limited, is_ours)


def is_subject(text: str) -> bool:
    """Whether a token may be of such a subject."""
    return 1 <= len(text) <= LONGEST_SUBJECT and text.isprintable()


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Return the scopes in `scope` as RFC 8693 has it, or in `scp` and lists, as some issuers do."""
    claimed = claims.get("scope", claims.get("scp", ""))
    names = claimed.split() if isinstance(claimed, str) else claimed if isinstance(claimed, list) else ()
    return frozenset(name for name in names if isinstance(name, str) and name in SCOPES)


_WHY: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "It has expired",
    jwt.ImmatureSignatureError: "It is not valid yet",
    jwt.InvalidAudienceError: "It is for another audience",
    jwt.InvalidIssuerError: "It is of another issuer",
    jwt.InvalidAlgorithmError: "It is signed in a way that its key does not sign",
    jwt.InvalidSignatureError: "Its signature is wrong",
    jwt.MissingRequiredClaimError: "It lacks one of exp, iss, aud and sub",
}


def _why(error: Exception) -> str:
    return _WHY.get(type(error), "It cannot be verified")

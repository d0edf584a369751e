"""Sign-in at an OpenID issuer: the authorization code flow with PKCE (OpenID Connect Core 1.0, 3.1; RFC 7636)."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Any, NamedTuple, Self
from urllib.parse import quote, unquote, urlencode

import httpx

from shared.auth.openid import OpenIdIssuer
from shared.auth.tokens import InvalidToken, unverified
from shared.errors import Unavailable
from shared.settings import Secret

ATTEMPT_SECONDS = 600
"""For which a browser may be at the issuer."""

EXCHANGED_AT_ONCE = 20
"""Codes: a made-up one costs the issuer as much."""


class SignInAttempt(NamedTuple):
    """
    What a browser keeps, and no other knows, while its person is at the issuer.

    :param next: where it leads then.
    """

    state: str
    nonce: str
    verifier: str
    next: str

    @classmethod
    def new(cls, next: str) -> Self:
        return cls(token_urlsafe(32), token_urlsafe(32), token_urlsafe(48), next)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what `str` has written; None if it is nothing like it."""
        if text.count(".") != len(cls._fields) - 1:
            return None
        state, nonce, verifier, where = text.split(".")
        return cls(state, nonce, verifier, unquote(where))

    def __str__(self) -> str:
        return ".".join((self.state, self.nonce, self.verifier, quote(self.next, safe="").replace(".", "%2E")))


class OpenIdClient(NamedTuple):
    """
    Muster, as the issuer knows it.

    :param secret: None where the issuer wants none of a public client.
    :param scope: what it asks for.
    """

    id: str
    secret: Secret | None
    scope: str


class SignedIn(NamedTuple):
    """Who has signed in at the issuer, and their token for us."""

    subject: str
    access_token: str


class CodeFlow:
    """The sign-in of browsers at one issuer."""

    def __init__(self, issuer: OpenIdIssuer, client: OpenIdClient, *, http: httpx.AsyncClient) -> None:
        self._issuer, self._client, self._http = issuer, client, http
        self._in_flight = asyncio.Semaphore(EXCHANGED_AT_ONCE)

    async def address(self, attempt: SignInAttempt, *, redirect_uri: str) -> str:
        """
        Return where the browser goes.

        :raises Unavailable: the issuer does not answer.
        """
        endpoint = await self._issuer.endpoint("authorization_endpoint")
        challenge = urlsafe_b64encode(sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": redirect_uri,
            "scope": self._client.scope,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def finish(self, attempt: SignInAttempt, answer: Mapping[str, str], *, redirect_uri: str) -> SignedIn:
        """
        Exchange the code of an answer for tokens.

        :raises InvalidToken: it is no answer to this attempt, or the issuer refuses.
        :raises Unavailable: the issuer does not answer, or too many sign in at once.
        """
        if not compare_digest(attempt.state.encode(), answer.get("state", "").encode()):
            raise InvalidToken("It was begun in another browser")
        if answer.get("iss", self._issuer.url) != self._issuer.url:  # RFC 9207
            raise InvalidToken("It is the answer of another issuer")
        if "code" not in answer:
            raise InvalidToken("The issuer has not signed you in")
        if self._in_flight.locked():
            raise Unavailable("Too many are signing in at the moment")
        async with self._in_flight:
            tokens = await self._tokens(attempt, answer["code"], redirect_uri)
        claims = await self._claims(str(tokens.get("id_token")))
        if not compare_digest(attempt.nonce.encode(), str(claims.get("nonce")).encode()):
            raise InvalidToken("The answer was made for another sign-in")
        return SignedIn(claims["sub"], str(tokens.get("access_token")))

    async def _tokens(self, attempt: SignInAttempt, code: str, redirect_uri: str) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._client.id,
            "code_verifier": attempt.verifier,
        }
        endpoint = await self._issuer.endpoint("token_endpoint")
        try:
            answer = await self._http.post(endpoint, data=form, auth=self._login(), timeout=self._issuer.patience)
        except httpx.HTTPError as error:
            raise Unavailable("The issuer does not answer") from error
        if answer.is_server_error:
            raise Unavailable("The issuer cannot answer now")
        found = _object(answer)
        if not answer.is_success or not found:
            raise InvalidToken("The issuer does not take the code")
        return found

    def _login(self) -> httpx.Auth:
        """A client with a secret says it as RFC 6749, section 2.3.1, has it."""
        if self._client.secret is None:
            return httpx.Auth()
        return httpx.BasicAuth(quote(self._client.id, safe=""), quote(self._client.secret.reveal(), safe=""))

    async def _claims(self, id_token: str) -> dict[str, Any]:
        claims = await self._issuer.claims(id_token, unverified(id_token).key_id, audience=self._client.id)
        if claims.get("azp", self._client.id) != self._client.id:
            raise InvalidToken("It is for another client")
        return claims


def _object(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

"""Whom a token lets in, and all the ways in which it does not."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import resource
import threading
import time
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.auth.authentication import AuthenticationLimits, TokenAuthentication
from shared.auth.principal import COMMANDS, OPS, READ
from shared.auth.signing_keys import KeyDirectory, KeysUnusable
from shared.auth.tokens import LONGEST, InvalidToken, issue, sign_in_audience
from shared.errors import Unavailable
from tests.support.clock import Time

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def signed(keys, *, key=None, kid=None, headers=None, without=(), **claims):
    """A token as every owner of the key could make it."""
    mine, now = keys.directory.newest(), int(time.time())
    usual = {"iss": "muster", "aud": "muster", "sub": "ada", "jti": "t1", "exp": now + 60, "scope": READ}
    payload = {name: value for name, value in {**usual, **claims}.items() if name not in without}
    about = {"kid": kid or mine.id, **(headers or {})}
    return jwt.encode(payload, key or mine.private, algorithm="EdDSA", headers=about)


async def refusal(authentication, token):
    with pytest.raises(InvalidToken) as refused:
        await authentication.authenticate(token)
    assert authentication.known(token) is None
    return str(refused.value)


async def test_a_token_speaks_for_its_subject(keys, authentication):
    """With the scopes that it has; what is no scope counts for nothing."""
    principal = await authentication.authenticate(signed(keys, scope=f"{READ} {OPS} openid"))

    assert (principal.subject, principal.token_id, principal.scopes) == ("ada", "t1", {READ, OPS})
    assert principal.is_limited


async def test_what_was_verified_is_known_by_a_hash_until_it_expires(keys):
    """Nobody finds the token itself in the memory of the process."""
    now = time.time()
    authentication = TokenAuthentication(keys.directory, audience="muster", clock=lambda: now)
    token = keys.token(READ, seconds=60)
    assert authentication.known(token) is None

    principal = await authentication.authenticate(token)

    assert authentication.known(token) is principal
    assert token not in repr(vars(authentication))
    now += 61
    assert authentication.known(token) is None
    assert not authentication.stands(principal)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": int(time.time()) - 1}, "It has expired"),
        ({"nbf": int(time.time()) + 86_400}, "It is not valid yet"),
        ({"aud": "another"}, "It is for another audience"),
        ({"aud": sign_in_audience("muster")}, "It is for another audience"),
        ({"iss": "https://issuer.example"}, "It is of another issuer"),
        ({"without": ("exp",)}, "It lacks one of exp, iss, aud and sub"),
        ({"without": ("aud",)}, "It lacks one of exp, iss, aud and sub"),
        ({"without": ("sub",)}, "It lacks one of exp, iss, aud and sub"),
        ({"without": ("iss",)}, "It does not name its key and its issuer"),
        ({"exp": "tomorrow"}, "It cannot be verified"),
        ({"exp": [1]}, "It cannot be verified"),
        ({"exp": float("inf")}, "It cannot be verified"),
        ({"exp": 10**400}, "It cannot be verified"),
        ({"sub": 7}, "It cannot be verified"),
        ({"sub": ""}, "Its subject is not a name of 1 to 255 characters"),
        ({"sub": "a\nb"}, "Its subject is not a name of 1 to 255 characters"),
        ({"sub": "a" * 256}, "Its subject is not a name of 1 to 255 characters"),
        ({"jti": 7}, "It cannot be verified"),
        ({"jti": "a\nb"}, "Its id has characters that cannot be shown"),
        ({"jti": "\ud800"}, "Its id has characters that cannot be shown"),
        ({"kid": "nobodys"}, "Its key is unknown, or retired"),
        ({"key": Ed25519PrivateKey.generate()}, "Its signature is wrong"),
        ({"headers": {"crit": ["exp"]}}, "It is not a JSON Web Token"),
    ],
)
async def test_a_token_that_is_not_good_lets_nobody_in(keys, authentication, claims, why):
    assert why == await refusal(authentication, signed(keys, **claims))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "..", "é.é.é", "[" * 5_000, "a" * (LONGEST + 1)])
async def test_what_is_no_token_is_refused(authentication, text):
    assert await refusal(authentication, text) in {"It is not a JSON Web Token", "It is too long"}


def forged(keys, *, algorithm, secret=None):
    """As an attacker makes it, by hand: PyJWT itself refuses to."""
    claims = jwt.decode(signed(keys), options={"verify_signature": False})
    head = {"alg": algorithm, "kid": keys.directory.newest().id}
    signing = ".".join(_part(json.dumps(each).encode()) for each in (head, claims))
    signature = b"" if secret is None else hmac.digest(secret, signing.encode(), hashlib.sha256)
    return f"{signing}.{_part(signature)}"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
async def test_a_token_without_a_signature_is_refused(keys, authentication, algorithm):
    """RFC 8725, section 2.1: `none` is no way to sign."""
    assert await refusal(authentication, forged(keys, algorithm=algorithm)) in {
        "It is signed in a way that its key does not sign",
        "It is not a JSON Web Token",
    }


async def test_a_public_key_is_no_shared_secret(keys, authentication):
    """RFC 8725, section 2.1: every client knows the public key and could sign with it as a secret."""
    public = keys.directory.newest().private.public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = forged(keys, algorithm="HS256", secret=secret)

    assert await refusal(authentication, token) == "It is signed in a way that its key does not sign"


def _part(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_a_token_that_was_tampered_with_is_refused(keys, authentication, part):
    """In any of its parts, although it was verified before."""
    token = signed(keys)
    await authentication.authenticate(token)
    parts = token.split(".")
    parts[part] = ("B" if parts[part][0] == "A" else "A") + parts[part][1:]

    await refusal(authentication, ".".join(parts))


async def test_other_scopes_need_another_signature(keys, authentication):
    head, body, signature = signed(keys).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = _part(json.dumps({**claims, "scope": f"{COMMANDS} {OPS}"}).encode())

    assert await refusal(authentication, f"{head}.{forged}.{signature}") == "Its signature is wrong"


async def test_only_our_own_tokens_can_be_without_limit(keys, authentication):
    token = issue(
        keys.directory.newest(),
        scopes=[READ],
        subject="up",
        ttl=timedelta(minutes=1),
        audience="muster",
        is_limited=False,
    )

    assert not (await authentication.authenticate(token.text)).is_limited


async def test_a_revoked_token_is_refused_although_it_is_known(keys, authentication):
    """As soon as it is looked, which is every second; others stay good."""
    token, other = keys.token(READ), keys.token(READ)
    principal, _ = await authentication.authenticate(token), await authentication.authenticate(other)
    authentication.refresh()
    assert authentication.stands(principal)

    keys.directory.revoke(principal.token_id)
    authentication.refresh()

    assert await refusal(authentication, token) == "It was revoked"
    assert not authentication.stands(principal)
    assert await authentication.authenticate(other)


async def test_a_token_is_revoked_whatever_else_stands_in_the_file(keys, authentication):
    """An editor may have left there what is no text."""
    token = keys.token(READ)
    principal = await authentication.authenticate(token)
    (keys.directory.path / "revoked").write_bytes(b"an editor's note: \xff\xfe\nanother-id")

    keys.directory.revoke(principal.token_id)
    authentication.refresh()

    assert await refusal(authentication, token) == "It was revoked"


async def test_two_keys_are_good_at_once_and_a_retired_one_is_not(keys, authentication):
    """So that keys can be changed without refusing a good token."""
    old = keys.directory.newest().id
    before = keys.token(READ)
    keys.directory.new(now=datetime.now(UTC) + timedelta(seconds=1))
    after = keys.token(READ)
    authentication.refresh()
    principals = [await authentication.authenticate(each) for each in (before, after)]

    keys.directory.retire(old)
    authentication.refresh()

    assert [authentication.stands(each) for each in principals] == [False, True]
    assert await refusal(authentication, before) == "Its key is unknown, or retired"
    assert await authentication.authenticate(after)


async def test_the_only_key_cannot_be_retired(keys):
    with pytest.raises(KeysUnusable, match="is the only key that signs: make one with `muster keys new`"):
        keys.directory.retire(keys.directory.newest().id)


async def test_no_more_tokens_are_remembered_than_there_is_room_for(keys):
    """Of more, those that came first are verified again."""
    authentication = TokenAuthentication(keys.directory, audience="muster", limits=AuthenticationLimits(remembered=3))
    tokens = [keys.token(READ) for _ in range(5)]
    for each in tokens:
        await authentication.authenticate(each)

    assert [bool(authentication.known(each)) for each in tokens] == [False, False, True, True, True]


async def test_keys_that_cannot_be_read_leave_what_is_known_as_it_is_for_a_while(keys, authentication):
    """And stop a process that starts: half of them admit no caller."""
    token = keys.token(READ)
    await authentication.authenticate(token)
    (keys.directory.path / "broken.public.pem").write_text("no key")

    with pytest.raises(KeysUnusable, match=r"broken\.public\.pem cannot be read"):
        authentication.refresh()
    with pytest.raises(KeysUnusable):
        TokenAuthentication(keys.directory, audience="muster")
    assert authentication.known(token)


@pytest.fixture
def elapsed():
    return Time(0.0)


@pytest.fixture
def watched(keys, elapsed):
    return TokenAuthentication(keys.directory, audience="muster", elapsed=elapsed)


@contextlib.contextmanager
def no_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def moved(path):
    path.rename(path.with_suffix(".away"))
    try:
        yield
    finally:
        path.with_suffix(".away").rename(path)


@contextlib.contextmanager
def replaced_by_a_directory(path):
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()


UNSEEN = {
    "no descriptors": lambda keys: no_descriptors(),
    "the directory is gone": lambda keys: moved(keys.directory.path),
    "the revoked tokens cannot be read": lambda keys: replaced_by_a_directory(keys.directory.path / "revoked"),
    "a key cannot be read": lambda keys: replaced_by_a_directory(keys.directory.path / "k.public.pem"),
}


@pytest.mark.parametrize("unseen", UNSEEN.values(), ids=UNSEEN)
async def test_keys_that_cannot_be_looked_at_admit_no_caller_after_5_s(keys, watched, elapsed, unseen):
    """Not known to be revoked is not known to be good: 503 rather than 401, and as before once they can be read."""
    token = keys.token(READ)
    principal = await watched.authenticate(token)
    elapsed.now = 4.9
    with unseen(keys):
        assert (watched.known(token), watched.stands(principal)) == (principal, True)

        elapsed.now = 5
        assert watched.known(token) is None
        for ask in (watched.authenticate(token), watched.sign_in(token)):
            with pytest.raises(Unavailable):
                await ask
        with pytest.raises(Unavailable):
            watched.stands(principal)

    assert await watched.authenticate(token) == principal
    assert watched.stands(principal)


async def test_a_token_revoked_while_the_process_stood_still_is_not_let_in(keys, watched, elapsed):
    """The keys are looked at before the first caller is let in again."""
    token = keys.token(READ)
    principal = await watched.authenticate(token)
    keys.directory.revoke(principal.token_id)

    elapsed.now = 5

    assert watched.known(token) is None
    assert await refusal(watched, token) == "It was revoked"


async def test_a_directory_that_does_not_answer_holds_up_nothing(keys, elapsed, tmp_path):
    """It may be on another machine: callers are refused meanwhile, and nothing else waits."""
    answers = threading.Event()

    class Slow(KeyDirectory):
        def version(self):
            assert answers.wait(60)
            return super().version()

    slow = TokenAuthentication(Slow(keys.directory.path), audience="muster", elapsed=elapsed)
    token = keys.token(READ)
    looking = asyncio.ensure_future(slow.run())
    await asyncio.sleep(0)
    assert await slow.authenticate(token)

    elapsed.now = 5
    with pytest.raises(Unavailable):
        await slow.authenticate(token)
    answers.set()
    looking.cancel()


async def test_a_private_key_is_for_its_owner_alone(keys):
    [private] = keys.directory.path.glob("*.private.pem")

    assert (private.stat().st_mode & 0o777, keys.directory.path.stat().st_mode & 0o777) == (0o600, 0o700)


async def test_a_sign_in_link_is_no_token_and_a_token_is_no_link(keys, authentication):
    link = keys.token(OPS, audience=sign_in_audience("muster"))

    assert (await authentication.sign_in(link)).scopes == {OPS}
    await refusal(authentication, link)
    with pytest.raises(InvalidToken):
        await authentication.sign_in(keys.token(OPS))

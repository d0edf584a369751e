"""The commands about access: `muster keys` and `muster token`."""

import os
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from cyclopts import App, Parameter

from shared.auth.local_access import LINK_TTL, TO_OPS_PAGE, sign_in_link
from shared.auth.principal import COMMANDS, OPS, READ, SCOPES
from shared.auth.signing_keys import KeyDirectory
from shared.auth.tokens import LONGEST_SUBJECT, InvalidToken, is_subject, issue, unverified
from shared.cli.exit_codes import CommandFailed
from shared.cli.options import Json
from shared.cli.output import print_encoded, print_line, print_result, say
from shared.errors import SettingsError
from shared.settings import Settings
from shared.wording import suggestion

OPERATOR = "operator"
LONGEST_TTL = timedelta(days=3_650)

_PAGES = {OPS: ("ops_url", ""), READ: ("read_url", ""), COMMANDS: ("write_url", "docs")}
"""Where a link leads, by the first of these scopes that it has: the setting, and the path."""

_TTL = re.compile(r"(\d{1,9})([smhd])").fullmatch
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

keys = App(name="keys", help_format="plaintext")
token = App(name="token", help_format="plaintext")


@keys.command
def new(*, if_none: bool = False, json: Json = False) -> None:
    """
    Make a key: it signs from now on, and those there are stay good until they are retired.

    :param if_none: only if there is none that signs.
    """
    directory = _directory(_settings())
    made = None if if_none and directory.signing() else directory.new(now=datetime.now(UTC)).id
    if made or json:
        print_result({"id": made}, made, as_json=json)
    if made:
        say(f"made in {directory.path}; every process takes it over within 5 s")


@keys.command(name="list")
def list_keys(*, json: Json = False) -> None:
    """Show every key whose tokens are good, the one that signs last."""
    directory = _directory(_settings())
    verifying, signing = directory.verifying(), directory.signing()
    rows = [(each, _role(each, signing)) for each in sorted(verifying, key=lambda each: (each in signing, each))]
    if json:
        print_encoded([{"id": key_id, "role": role} for key_id, role in rows])
        return
    for key_id, role in rows:
        print_line(f"{key_id}  {role}")


@keys.command
def retire(key_id: str, /, *, json: Json = False) -> None:
    """
    Make a key useless, and with it every token that it signed, within 5 s.

    :param key_id: as `muster keys list` shows it.
    """
    _directory(_settings()).retire(key_id)
    if json:
        print_encoded({"id": key_id, "role": "retired"})
    say(f"{key_id} is retired; what it signed is refused within 5 s")


@token.default
def make(
    *,
    scope: list[str] | None = None,
    subject: str = OPERATOR,
    ttl: str = "1h",
    link: bool = False,
    json: Json = False,
) -> None:
    """
    Print a token; its id, by which it can be revoked, goes to stderr.

    :param scope: what it allows: commands, profiles:read, profiles:read.private, ops; several times for several.
    :param subject: who it speaks for, in events and for idempotency keys; never a person's name or address.
    :param ttl: for how long it is good, such as 90s, 15m, 12h or 30d.
    :param link: print an address that signs a browser in instead, once, within 15 minutes: at the ops page, or with
        scopes other than ops at the people page, or with commands alone at the docs of the write API.
    """
    settings = _settings()
    key = _directory(settings).newest()
    _require_subject(subject)
    if link:
        scopes = _scopes(scope) if scope else TO_OPS_PAGE
        page, where = next((each for scope, each in _PAGES.items() if scope in scopes), _PAGES[READ])
        url = settings.with_addresses().required(page)
        address = sign_in_link(url, scopes=scopes, key=key, subject=subject, audience=settings.audience, next=where)
        print_result({"link": address, "subject": subject, "seconds": LINK_TTL.seconds}, address, as_json=json)
        say(f"good once, for {LINK_TTL.seconds // 60} minutes")
        return
    scopes, lasts = _scopes(scope), _duration(ttl)
    made = issue(key, scopes=scopes, subject=subject, ttl=lasts, audience=settings.audience)
    about = {"token": made.text, "id": made.id, "subject": subject, "scopes": scopes}
    print_result({**about, "seconds": int(lasts.total_seconds())}, made.text, as_json=json)
    say(f"token {made.id} of {subject}, good for {ttl}; `muster token revoke {made.id}` ends it")


@token.command
def revoke(id: Annotated[str, Parameter(allow_leading_hyphen=True)], /, *, json: Json = False) -> None:
    """
    Have a token refused, within 5 s and for good.

    :param id: its id, as `muster token` showed it, or the token itself.
    """
    try:
        token_id = unverified(id).token_id if id.count(".") == 2 else id  # noqa: PLR2004 - the dots of a JWT
    except InvalidToken as error:
        raise CommandFailed(str(error)) from error
    _directory(_settings()).revoke(token_id or "")
    if json:
        print_encoded({"id": token_id, "revoked": True})
    say(f"{token_id} is revoked: it is refused within 5 s")


def _settings() -> Settings:
    return Settings.load(os.environ)


def _directory(settings: Settings) -> KeyDirectory:
    return KeyDirectory(settings.key_directory)


def _role(key_id: str, signing: list[str]) -> str:
    if key_id not in signing:
        return "verifies only"
    return "signs" if key_id == signing[-1] else "can sign"


def _scopes(given: list[str] | None) -> list[str]:
    known = ", ".join(SCOPES)
    if not given:
        raise SettingsError(f"say what the token allows with --scope, several times for several: {known}")
    for name in given:
        if name not in SCOPES:
            raise SettingsError(f"there is no scope {name!r}: {suggestion(name, SCOPES)}")
    return list(dict.fromkeys(given))


def _require_subject(subject: str) -> None:
    if not is_subject(subject):
        raise SettingsError(f"a subject is 1 to {LONGEST_SUBJECT} printable characters")


def _duration(text: str) -> timedelta:
    found = _TTL(text)
    ttl = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if not timedelta() < ttl <= LONGEST_TTL:
        raise SettingsError(f"{text!r} is no --ttl: write 90s, 15m, 12h or 30d, and {LONGEST_TTL.days}d at most")
    return ttl

"""Commands of all kinds, one after the other, of which most are carried out."""

from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any

import msgspec

from tests.contract.whole_directory.directory_lives import (
    EMAILS,
    EXTERNALS,
    GROUP_NAMES,
    HANDLES,
    NAMES,
    ROLES,
    SLUGS,
    TAGS,
    TITLES,
)
from tests.support.write_side import WriteSide
from write_side.execution.refusals import REFUSED


class Writer:
    """Sends random commands; what is refused is passed over."""

    def __init__(self, write_side: WriteSide, *, seed: int) -> None:
        self._write_side = write_side
        self._random = Random(seed)
        self._accounts: list[str] = []
        self._groups: list[str] = []
        self._closed: set[str] = set()
        self.done = 0

    async def send(self, count: int, *, erasing: bool = True) -> None:
        """:param erasing: whether some of them may erase a person."""
        for _ in range(count):
            name, fields = self._command()
            if erasing or name != "erase-account":
                await self._send(name, fields)
            self._write_side.clock.advance(timedelta(milliseconds=self._random.choice((0, 1, 1500))))

    async def _send(self, name: str, fields: Mapping[str, Any]) -> None:
        try:
            answer = await self._write_side.run(name, **fields)
        except (*REFUSED, msgspec.ValidationError):
            return
        self.done += 1
        if name == "register-account":
            self._accounts.append(str(answer.outcome.id))
        if name in {"close-account", "erase-account"}:
            self._closed.add(str(answer.outcome.id))
        if name == "create-group":
            self._groups.append(str(answer.outcome.id))

    @property
    def _open(self) -> list[str]:
        return [each for each in self._accounts if each not in self._closed] or self._accounts

    def _command(self) -> tuple[str, dict[str, Any]]:
        pick = self._random.choice
        if len(self._accounts) < 2 or self._random.random() < 0.1:
            return "register-account", self._person()
        if not self._groups or self._random.random() < 0.05:
            return "create-group", {"slug": pick(SLUGS), "name": pick(GROUP_NAMES)}
        account, group = pick(self._accounts), pick(self._groups)
        return pick(
            [
                ("change-handle", {"account": account, "handle": pick(HANDLES)}),
                ("change-email", {"account": account, "email": pick(EMAILS)}),
                ("update-profile", {"account": account} | self._description()),
                ("update-profile", {"account": account, "display_name": pick(NAMES)}),
                (pick(("suspend-account", "reinstate-account")), {"account": account}),
                (self._rarely("close-account", "reinstate-account"), {"account": account}),
                # The closed stay: nothing of them changes any more, which some tests rely on.
                (self._rarely("erase-account", "reinstate-account"), {"account": pick(self._open)}),
                ("update-group", {"group": group, "name": pick(GROUP_NAMES), "description": pick((None, "Ü", "x"))}),
                ("update-group", {"group": group, "slug": pick(SLUGS)}),
                (self._rarely("delete-group", "update-group"), {"group": group}),
                *[("add-group-member", {"group": group, "account": account, "role": pick(ROLES)})] * 4,
                ("change-member-role", {"group": group, "account": account, "role": pick(ROLES)}),
                ("remove-group-member", {"group": group, "account": account}),
            ]
        )

    def _rarely(self, one: str, other: str) -> str:
        return one if self._random.random() < 0.2 else other

    def _person(self) -> dict[str, Any]:
        pick = self._random.choice
        number = len(self._accounts)
        return {
            "handle": f"{pick(HANDLES)}{number}",
            "email": f"{number}{pick(EMAILS)}",
            "external_id": pick((None, f"{pick(EXTERNALS)}/{number}")),
            "display_name": pick(NAMES),
        } | self._description()

    def _description(self) -> dict[str, Any]:
        """Some of what people tell of themselves, in forms that are stored and read back in many ways."""
        pick = self._random.choice
        told = {
            "title": pick((None, *TITLES)),
            "bio": pick((None, 'a "quote", a \\ and \u2028')),
            "tags": self._random.sample(TAGS, 2),
            "links": {"wéb": "https://example.org/?a=b&c", "b": "https://b.example"},
            "attributes": pick(({}, {"z": "1", "a": "ü \N{GRINNING FACE}"})),
            "locale": pick((None, "de-CH")),
            "time_zone": pick((None, "Europe/Zurich")),
        }
        return {name: told[name] for name in self._random.sample(list(told), 3)}

"""What a use case says that it raises, it raises; `tests/support/write_side.py` sees that it raises nothing else."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.support.write_side import TOKEN_KEY, memory_write_side
from write_side.domain.email_token import EmailToken
from write_side.domain.values import EmailAddress
from write_side.execution.refusals import REFUSED
from write_side.use_cases import USE_CASES

ADA, SHUT, GONE = "@ada", "@shut", "@gone"
TAKEN = {"email": "ada@example.org", "handle": "ada", "display_name": "Ada", "external_id": "hr:1"}
NEW = {"email": "new@example.org", "handle": "new", "display_name": "New"}
GROUP = {"slug": "ssju", "name": "Judiciary", "external_id": "hr:2"}
OTHER = {"slug": "other", "name": "Other"}
USED = str(UUID(int=7))
ACCOUNTS, GROUPS = ({"account": ADA}, {"account": SHUT}, {"account": GONE}), ({"group": "ssju"}, {"group": "gone"})
CLOSED = UUID(int=8)
FOREVER = datetime(2036, 1, 1, tzinfo=UTC)
OF_CLOSED = EmailToken.issue(CLOSED, EmailAddress("shut@example.org"), 1, key=TOKEN_KEY, until=FOREVER)
MEMBERS = [{**account, **group} for account in ACCOUNTS for group in GROUPS]
TRIED = {
    "register-account": [
        NEW | {"account_id": USED},
        *(NEW | {field: TAKEN[field]} for field in ("email", "handle", "external_id")),
    ],
    "change-handle": [each | {"handle": "ada"} for each in ({"account": "@bob"}, *ACCOUNTS)],
    "change-email": [each | {"email": "ada@example.org"} for each in ({"account": "@bob"}, *ACCOUNTS)],
    "verify-email": [{"token": "x"}, {"token": str(OF_CLOSED)}],
    "create-group": [OTHER | {"group_id": USED}, *(OTHER | {name: GROUP[name]} for name in ("slug", "external_id"))],
    "update-group": [{"group": "second", "slug": "ssju"}, {"group": "gone"}],
    "delete-group": GROUPS,
    "add-group-member": MEMBERS,
    "change-member-role": [each | {"role": "Chairman"} for each in MEMBERS],
    "remove-group-member": MEMBERS,
}
"""All others take nothing but an account."""


@pytest.fixture
async def write_side():
    """Ada, Bob, an account that is closed, and two groups, none with members."""
    side = memory_write_side()
    await side.run("register-account", **TAKEN, account_id=USED)
    for handle, given in (("bob", {}), ("shut", {"account_id": str(CLOSED)})):
        await side.run("register-account", email=f"{handle}@example.org", handle=handle, display_name=handle, **given)
    await side.run("close-account", account=SHUT)
    await side.run("create-group", **GROUP, group_id=USED)
    await side.run("create-group", slug="second", name="Second")
    return side


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda use_case: use_case.name)
async def test_a_use_case_raises_what_it_says(write_side, use_case):
    raised = set()
    for fields in TRIED.get(use_case.name, ACCOUNTS):
        try:
            await write_side.run(use_case.name, **fields)
        except REFUSED as error:
            raised.add(type(error))

    assert raised == use_case.errors

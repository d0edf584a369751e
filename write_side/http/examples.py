"""Commands as the documentation shows them: about one person and one group, so that each can be sent in this order."""

from collections.abc import Mapping
from typing import Any

from shared.http.openapi.examples import EXAMPLE_GROUP, EXAMPLE_ID

_PERSON, _GROUP = {"account": EXAMPLE_ID}, {"group": EXAMPLE_GROUP}

COMMANDS: Mapping[str, Mapping[str, Any]] = {
    "register-account": {
        "account_id": EXAMPLE_ID,
        "email": "andre@example.org",
        "handle": "andre",
        "display_name": "André Carson",
        "title": "Representative",
        "external_id": "hr:4711",
        "tags": ["house"],
    },
    "update-profile": {**_PERSON, "title": "Whip", "bio": None},
    "change-handle": {**_PERSON, "handle": "Andre"},
    "change-email": {**_PERSON, "email": "Andre@example.org"},
    "suspend-account": {**_PERSON, "reason": "asked for it"},
    "create-group": {"group_id": EXAMPLE_GROUP, "slug": "ssju", "name": "Judiciary"},
    "update-group": {**_GROUP, "description": "Judges and their nominations."},
    "add-group-member": {**_GROUP, **_PERSON, "role": "member"},
    "change-member-role": {**_GROUP, **_PERSON, "role": "Chairman"},
}
"""By name; of the others, the fields that they must have are example enough."""

REFERENCES: Mapping[str, str] = {"account": EXAMPLE_ID, "group": EXAMPLE_GROUP}
STREAMED = {"command": "suspend-account", **_PERSON, "idempotency_key": "my-first"}

"""Every wrong value of every field that we could think of, one at a time in commands that are right but for it."""

ANDRE = {"email": "andre@example.org", "handle": "andre", "display_name": "André Carson"}
URL = "https://example.org/"

WRONG_TEXTS = (3, True, [], {}, "", "a\x00b", "a\x1bb", "a\x85b", "x" * 10_000)
WRONG_NAMES = (*WRONG_TEXTS, "x" * 201)
WRONG_OF_A_PERSON = {
    "email": (*WRONG_TEXTS, None, "andre", "@example.org", "a@b@c", "a b@c", "x" * 244 + "@example.org"),
    "handle": (*WRONG_TEXTS, None, "-andre", "andre.", "andré", "an dre", "x" * 65),
    "display_name": (*WRONG_NAMES, None),
    "account_id": (*WRONG_TEXTS, "0190"),
    "external_id": (*WRONG_TEXTS, "x" * 256),
    "given_name": WRONG_NAMES,
    "family_name": WRONG_NAMES,
    "title": WRONG_NAMES,
    "bio": (3, ["x"], "one\ntwo", "a\x00b", "x" * 4001),
    "locale": (*WRONG_TEXTS, "english language", "e"),
    "time_zone": (*WRONG_TEXTS, "Mars/Olympus"),
    "picture_url": (*WRONG_TEXTS, "example.org", "javascript:alert(1)", "https://a b", URL + "x" * 2000),
    "links": ("x", [URL], {"a": 3}, {"a": "x"}, {"": URL}, {"x" * 65: URL}, {str(n): URL for n in range(51)}),
    "tags": ("x", {"a": "b"}, [3], [""], [None], ["x" * 65], ["a\x00"], [str(n) for n in range(51)]),
    "attributes": ("x", [], {"a": 3}, {"a": None}, {"": "x"}, {"a": "x" * 2001}, {str(n): "x" for n in range(101)}),
    "unheard_of": (None, "x", {"a": [1]}),
    "a/b~c": ("x",),
}
WRONG_OF_AN_ACCOUNT = {
    "account": (*WRONG_TEXTS, None, "andre", "@", "@-", "ext:", "ext:" + "x" * 256, "ext:\x00"),
    "reason": (3, [], "a\x00b", "x" * 2001),
}
SLUG, UUID7 = "ssaf", "0197d0a0-0000-7000-8000-00000000000a"
SSAF = {"slug": SLUG, "name": "Senate Committee on Agriculture"}
WRONG_SLUGS = (*WRONG_TEXTS, None, "-ssaf", "ssaf.", "Ssaf", "ssäf", "ss af", "x" * 65, UUID7)
WRONG_OF_A_GROUP = {
    "slug": WRONG_SLUGS,
    "name": (*WRONG_NAMES, None),
    "description": (3, ["x"], "one\ntwo", "a\x00b", "x" * 4001),
    "group_id": (*WRONG_TEXTS, "0190"),
    "external_id": (*WRONG_TEXTS, "x" * 256),
    "unheard_of": (None, "x", {"a": [1]}),
}
WRONG_REFS = {
    "group": (*WRONG_TEXTS, None, "@andre", "ext:1", "a b", "ssaf.", "ssäf", f"{{{UUID7}}}", "x" * 65),
    "account": WRONG_OF_AN_ACCOUNT["account"],
}
MEMBER_COMMANDS = ("add-group-member", "change-member-role", "remove-group-member")


def fields_wrong_in_turn():
    yield from fields_of_people_wrong_in_turn()
    yield from fields_of_groups_wrong_in_turn()
    yield from fields_of_members_wrong_in_turn()


def fields_of_groups_wrong_in_turn():
    for field, values in WRONG_OF_A_GROUP.items():
        for value in values:
            yield "create-group", {**SSAF, field: value}, field
            if field not in {"group_id", "external_id"}:
                yield "update-group", {"group": SLUG, field: value}, field
    for value in WRONG_REFS["group"]:
        yield "update-group", {"group": value}, "group"
        yield "delete-group", {"group": value}, "group"
    for field in SSAF:
        yield "create-group", {name: value for name, value in SSAF.items() if name != field}, field


def fields_of_members_wrong_in_turn():
    member = {"group": SLUG, "account": "@andre"}
    for command in MEMBER_COMMANDS:
        role = {} if command == "remove-group-member" else {"role": "Chair"}
        for field, values in WRONG_REFS.items():
            yield command, {name: value for name, value in (member | role).items() if name != field}, field
            for value in values:
                yield command, {**member, **role, field: value}, field
        for value in (*WRONG_NAMES, None) if role else ("Chair",):
            yield command, {**member, "role": value}, "role"
    yield "change-member-role", member, "role"
    yield "delete-group", {"group": SLUG, "name": "x"}, "name"


def fields_of_people_wrong_in_turn():
    for field, values in WRONG_OF_A_PERSON.items():
        for value in values:
            yield "register-account", {**ANDRE, field: value}, field
            if field not in {"email", "handle", "account_id", "external_id"} and value is not None:
                yield "update-profile", {"account": "@andre", field: value}, field
    for field, values in WRONG_OF_AN_ACCOUNT.items():
        for value in values:
            yield "suspend-account", {"account": "@andre", field: value}, field
    for value in WRONG_OF_A_PERSON["handle"]:
        yield "change-handle", {"account": "@andre", "handle": value}, "handle"
    for field in ANDRE:
        yield "register-account", {name: value for name, value in ANDRE.items() if name != field}, field

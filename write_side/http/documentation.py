"""The write API as its OpenAPI document describes it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta

from shared.auth.principal import COMMANDS
from shared.http.openapi.document import Operation, OperationTag, Parameter, openapi
from shared.http.openapi.examples import EXAMPLE_ID
from shared.http.problems import NOT_ACCEPTABLE, TOO_SLOW, UNSUPPORTED_MEDIA_TYPE
from shared.problems import INVALID, NOT_JSON, OVERLOADED, TOO_LARGE
from write_side.domain.values import value_schema
from write_side.execution.messages import StreamedCommand
from write_side.execution.refusals import problems_of
from write_side.http.examples import COMMANDS as COMMAND_EXAMPLES
from write_side.http.examples import REFERENCES, STREAMED
from write_side.http.lines import AnsweredLine
from write_side.http.stream import NDJSON
from write_side.ports import Outcome
from write_side.use_cases import USE_CASES, UseCase, optional_texts

_BODY_PROBLEMS = (NOT_JSON, NOT_ACCEPTABLE, TOO_SLOW, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID, OVERLOADED)
_TAGS = {
    "member": OperationTag("members", "Who belongs to a group, and as what."),
    "group": OperationTag("groups", "What people belong to."),
    "profile": OperationTag("profiles", "What people show of themselves."),
}
"""By a word in the name of a command; all others are about accounts."""
_ACCOUNTS = OperationTag("accounts", "People as the directory knows them: their keys and their status.")
_NO_MAIL = Parameter(
    name="Muster-No-Mail",
    place="header",
    type=Literal["true"],
    text="No person is written to because of the command, now or later: for people who come from elsewhere.",
)
_HEADERS = (
    _NO_MAIL,
    Parameter(
        name="Idempotency-Key",
        place="header",
        type=Annotated[str, Meta(pattern="^[\\x21-\\x7e]+$", min_length=1, max_length=255)],
        text="The same key with the same command is carried out once and answers the same again.",
    ),
    Parameter(
        name="If-Match",
        place="header",
        type=Annotated[str, Meta(pattern='^"[0-9]{1,18}"$')],
        text='The version that the aggregate must have, in quotes, such as `"3"`.',
    ),
)
_ANSWER_HEADERS = {
    "Muster-Position": "The log's position that reflects the command; send it as Muster-Min-Position to read it.",
    "ETag": "The version of the aggregate, in quotes.",
    "Idempotency-Replayed": "`true` if the command was carried out before, under the same key.",
    "Request-Id": "The id of the request.",
}


def document() -> dict[str, Any]:
    """Describe every command and the stream of commands."""
    described = openapi(
        title="Muster write API",
        description="Post commands: each is carried out whole, once, or not at all.",
        operations=[*map(_command, USE_CASES), _STREAM],
        scope=COMMANDS,
        schema_hook=value_schema,
        examples=(_ANSWER,),
    )
    for use_case in USE_CASES:
        properties = described["components"]["schemas"][use_case.command.__name__]["properties"]
        for name in optional_texts(use_case.command):
            _allow_none(properties[name]["anyOf"])
    return described


def _allow_none(forms: Sequence[dict[str, Any]]) -> None:
    """Let optional text be empty, which means none."""
    for each in forms:
        if each["type"] == "string":
            each["minLength"] = 0
            each["pattern"] = f"{each['pattern']}|^$"


def _command(use_case: UseCase) -> Operation:
    words = use_case.name.split("-")
    return Operation(
        name="_".join(words),
        tag=next((tag for word, tag in _TAGS.items() if word in words), _ACCOUNTS),
        method="POST",
        path=f"/commands/{use_case.name}",
        summary=use_case.summary,
        parameters=_HEADERS,
        body=use_case.command,
        example=_example(use_case),
        answer=Outcome,
        answer_headers=_ANSWER_HEADERS,
        problems=tuple(dict.fromkeys((*_BODY_PROBLEMS, *problems_of(use_case)))),
    )


def _example(use_case: UseCase) -> Mapping[str, Any]:
    needed = {name: text for name, text in REFERENCES.items() if name in use_case.command.__struct_fields__}
    return COMMAND_EXAMPLES.get(use_case.name) or needed


_ANSWER = AnsweredLine(line=1, status=200, id=UUID(EXAMPLE_ID), version=4, position=1042, replayed=False)
_STREAM = Operation(
    name="stream_commands",
    tag=OperationTag("streams", "Many commands in one request."),
    method="POST",
    path="/commands",
    summary="Carry out a stream of commands, one JSON object a line",
    description="Each line is a command's own fields, with its name in `command`; each is atomic by itself, sees all "
    "before it and is answered with a line as it is done.",
    parameters=(_NO_MAIL,),
    body=StreamedCommand,
    body_media_type=NDJSON,
    example=STREAMED,
    answer=AnsweredLine,
    answer_media_type=NDJSON,
    problems=(NOT_ACCEPTABLE, UNSUPPORTED_MEDIA_TYPE),
)

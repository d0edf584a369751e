"""What the page changes: a form becomes a command to the write API, as the person who is signed in."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from litestar import Response, post
from uuid_utils import uuid7

from read_side.commands import CommandRefused, CommandSender, Done, SentCommand
from read_side.pages import forms
from read_side.pages.documents import document
from read_side.pages.forms import CREATIONS, OF_A_GROUP, OF_A_PERSON, Action, Creation, FormField, Value
from read_side.pages.reading import PageReads, segment
from read_side.pages.viewing import ON_REFUSAL, AnyRequest, read_group, read_person, shown, viewer_of
from shared.auth.principal import COMMANDS
from shared.errors import Unavailable
from shared.http.containers import Services
from shared.http.middleware.auth import PagePolicy, credential, require_scope
from shared.http.pages.csrf_check import FORM_GUARDS
from shared.http.parsing.forms import Form, form_of
from shared.http.problems import Rejection
from shared.http.requests import request_id, root_of
from shared.problems import INVALID, Problem

NO_WRITE_API = Problem(
    "no-write-api",
    503,
    "This page cannot change anything",
    "Operators: set MUSTER_WRITE_URL for `muster read`.",
)
PROBLEMS = (NO_WRITE_API,)
AWAY = "Nothing that you typed is lost: try again in a moment. It will not be done twice."
CONFLICT = "It was changed meanwhile. Beside your words stands what is there now; save again to have yours."
DONE_BEFORE = (
    "The same form was sent before, with other words, and was done. Look at the record; save again to change it."
)


class FormFailure(NamedTuple):
    """Why a form is shown again: in general, and by the fields."""

    status: int
    title: str
    text: str
    by_field: Mapping[str, str] = {}
    more: tuple[str, ...] = ()
    problem: str = ""


class Filled(NamedTuple):
    """
    A form as it is shown.

    :param key: under which it is sent, as often as it is sent.
    :param version: that it is meant for.
    """

    values: Mapping[str, Value]
    key: str
    version: str = ""


class FormOrder(NamedTuple):
    """
    What a form orders, of whom.

    :param whose: the fields that the form does not show.
    """

    name: str
    fields: tuple[FormField, ...]
    filled: Filled
    whose: Mapping[str, str] = {}

    def command(self) -> SentCommand:
        """:raises Repeated: a name stands twice in what has names."""
        meant = {**self.whose, **forms.command_fields(self.filled.values, self.fields)}
        version = self.filled.version
        return SentCommand(self.name, meant, self.filled.key, int(version) if version.isdecimal() else None)


class Edited(NamedTuple):
    """
    The records of a kind that forms change.

    :param path: of their pages, to which the key is added.
    :param context: how the template calls one.
    :param reference: the field of commands that names one, and the field of the record with its id.
    :param by_key: how commands name one by its key.
    :param key: the field of the record, and of forms, that is the key.
    """

    path: str
    template: str
    context: str
    actions: Mapping[str, Action]
    reference: tuple[str, str]
    by_key: str
    key: str
    read: Callable[[PageReads, AnyRequest, str], Awaitable[Any]]


A_PERSON = Edited(
    "people/", "edit.html", "person", OF_A_PERSON, ("account", "account_id"), "@{}", "handle", read_person
)
A_GROUP = Edited(
    "people/groups/", "edit_group.html", "group", OF_A_GROUP, ("group", "group_id"), "{}", "slug", read_group
)


class FormRoutes:
    """
    The routes that change something.

    :param pages: how their callers are known.
    """

    def __init__(self, pages: PagePolicy) -> None:
        self._pages = pages
        self.handlers = (self._create(), self._change(A_PERSON), self._change(A_GROUP))

    def _create(self) -> Any:
        @post("/", status_code=303, guards=FORM_GUARDS, exception_handlers=ON_REFUSAL)
        async def create(request: AnyRequest, services: Services) -> Response[bytes]:
            sender, form = _sender(request, services), await form_of(request)
            creation = creation_of(new := form.one("new"))
            filled = Filled(forms.values_in(form, creation.fields), form.one("key") or new_key())
            order = FormOrder(creation.command, creation.fields, filled)
            outcome = await self._outcome(request, sender, order)
            if isinstance(outcome, FormFailure):
                return creating(request, new, filled, outcome)
            return _to(request, creation.path, str(filled.values[creation.key]), outcome)

        return create

    def _change(self, edited: Edited) -> Any:
        @post(f"/{edited.path}{{{edited.key}:str}}", status_code=303, guards=FORM_GUARDS, exception_handlers=ON_REFUSAL)
        async def change(request: AnyRequest, services: Services) -> Response[bytes]:
            key: str = request.path_params[edited.key]
            sender, form = _sender(request, services), await form_of(request)
            if (action := edited.actions.get(name := form.one("action"))) is None:
                raise Rejection(INVALID, f"There is no action {name!r}")
            fields = forms.shown_fields(action.fields, sees_private=viewer_of(request).sees_private)
            filled = Filled(forms.values_in(form, fields), form.one("key") or new_key(), form.one("version"))
            reference, _ = edited.reference
            whose = {reference: form.one(reference) or edited.by_key.format(key)}
            outcome = await self._outcome(request, sender, FormOrder(action.command, fields, filled, whose))
            if isinstance(outcome, FormFailure):
                return await editing(request, edited, key, (name, filled, outcome))
            if action.is_end:
                return _to(request, "", "", outcome)
            return _to(request, edited.path, str(filled.values.get(edited.key) or key), outcome)

        return change

    async def _outcome(self, request: AnyRequest, sender: CommandSender, order: FormOrder) -> Done | FormFailure:
        """Have a form carried out, or say why that cannot be done."""
        try:
            return await sender.send(
                order.command(),
                credential=credential(request.scope, self._pages),
                request_id=request_id(request.scope) or "",
            )
        except forms.Repeated as repeated:
            by_field, more = forms.errors_by_field([repeated.error], order.fields)
            return FormFailure(INVALID.status, INVALID.title, "", by_field, tuple(more))
        except CommandRefused as refusal:
            return _refused(refusal, order.fields)
        except Unavailable as error:
            return FormFailure(NO_WRITE_API.status, "The write API is away", f"{error}. {AWAY}")


def _refused(refusal: CommandRefused, fields: tuple[FormField, ...]) -> FormFailure:
    by_field, more = forms.errors_by_field(refusal.errors, fields)
    if place := _PLACES.get(refusal.problem):
        by_field.setdefault(place, refusal.detail)
    text = _TEXTS.get(refusal.problem) or ("" if by_field else refusal.detail)
    return FormFailure(refusal.status, refusal.title, text, by_field, tuple(more), refusal.problem)


_TEXTS = {"version-mismatch": CONFLICT, "idempotency-mismatch": DONE_BEFORE}
_PLACES = {
    "email-taken": "email",
    "handle-taken": "handle",
    "slug-taken": "slug",
    "group-not-found": "group",
    "member-not-found": "group",
}
"""The fields that refusals are about which name none."""


def new_key() -> str:
    """Draw an idempotency key for a form."""
    return uuid7().hex


def creation_of(new: str) -> Creation:
    """:raises Rejection: there is no such form."""
    if (creation := CREATIONS.get(new)) is None:
        raise Rejection(INVALID, f"There is no form for a new {new!r}")
    return creation


def creating(
    request: AnyRequest, new: str, filled: Filled | None = None, failure: FormFailure | None = None
) -> Response[bytes]:
    """
    Show the form by which a person is registered, or a group created.

    :param filled: as it was sent, if it was.
    """
    creation = creation_of(new)
    filled = filled or Filled(forms.values_in(Form(()), creation.fields), new_key())
    page = document(
        "create.html",
        viewer=viewer_of(request),
        new=new,
        creation=creation,
        filled=_again(filled, failure),
        failure=failure,
    )
    return shown(request, page, status=failure.status if failure else 200)


async def editing(
    request: AnyRequest, edited: Edited, key: str, failed: tuple[str, Filled, FormFailure] | None = None
) -> Response[bytes]:
    """
    Show the forms by which a record is changed.

    :param failed: the one that was sent and not carried out, as it was sent, and why.
    """
    record = await edited.read(PageReads(request), request, key)
    name, sent, failure = failed or ("", None, None)
    is_conflict = failure is not None and failure.problem == "version-mismatch"
    shown_forms = {}
    for each, action in edited.actions.items():
        fields = forms.shown_fields(action.fields, sees_private=viewer_of(request).sees_private)
        version = str(getattr(record, action.version)) if action.version else ""
        now = forms.values_of(record, fields)
        if each == name and sent is not None:
            again = _again(sent, failure)
            filled = again._replace(version=version) if is_conflict else again
            shown_forms[each] = (fields, filled, _differing(sent.values, now) if is_conflict else {})
        else:
            shown_forms[each] = (fields, Filled(now, new_key(), version), {})
    reference, id_ = edited.reference
    page = document(
        edited.template,
        viewer=viewer_of(request),
        address=edited.path + segment(getattr(record, edited.key)),
        reference=(reference, getattr(record, id_)),
        forms=shown_forms,
        failed=name,
        failure=failure,
        blank=forms.BLANK_ROWS,
        **{edited.context: record},
    )
    return shown(request, page, status=failure.status if failure else 200)


def _again(filled: Filled, failure: FormFailure | None) -> Filled:
    """The form for the next attempt: under the same key, unless something else was done under it."""
    is_spent = failure is not None and failure.problem == "idempotency-mismatch"
    return filled._replace(key=new_key()) if is_spent else filled


def _differing(sent: Mapping[str, Value], now: Mapping[str, Value]) -> dict[str, Value]:
    """What is there now of the fields in which something else was typed."""
    return {name: value for name, value in now.items() if sent[name] != value}


def require_changes(request: AnyRequest) -> None:
    """:raises Rejection: the caller may not change anything, or nothing can be."""
    require_scope(request.scope, COMMANDS)
    if CommandSender not in request.app.state.registry:
        raise Rejection(NO_WRITE_API, "The read API does not know where the write API is")


def _sender(request: AnyRequest, services: Services) -> CommandSender:
    """:raises Rejection: see `require_changes`."""
    require_changes(request)
    sender: CommandSender = services.get_abstract(CommandSender)
    return sender


def _to(request: AnyRequest, path: str, key: str, done: Done) -> Response[bytes]:
    """Lead to the record, as soon as the read model has it."""
    where = f"{root_of(request.scope)}{path}{segment(key)}?min_position={done.position}"
    return Response(b"", status_code=303, media_type="text/html", headers={"Location": where})

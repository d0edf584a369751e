"""What the page changes: a form becomes a command to the write API, as the person who is signed in."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from litestar import Response, post
from uuid_utils import uuid7

from read_side.commands import CommandRefused, CommandSender, Done, SentCommand
from read_side.pages import forms
from read_side.pages.forms import CREATIONS, OF_A_GROUP, OF_A_PERSON, Action, Creation, FormField, Value
from read_side.pages.reading import PageReads, segment
from read_side.pages.viewing import ON_REFUSAL, find_person, read_group, read_person, shown, viewer_of
from shared.auth.principal import COMMANDS
from shared.errors import Unavailable
from shared.http.containers import Services
from shared.http.middleware.auth import PagePolicy, credential, require_scope
from shared.http.pages.csrf_check import FORM_GUARDS
from shared.http.pages.sign_in_answers import lead
from shared.http.parsing.forms import Form, form_of
from shared.http.problems import Rejection
from shared.http.requests import AnyRequest, request_id
from shared.problems import INVALID, Problem

NO_WRITE_API = Problem(
    "no-write-api",
    503,
    "This page cannot change anything",
    "Operators: set MUSTER_WRITE_URL for `muster read`.",
)
NOT_CONFIRMED = Problem("not-confirmed", 422, "This is not confirmed", "Tick the box of what is to be done for good.")
PROBLEMS = (NO_WRITE_API, NOT_CONFIRMED)
AWAY = "Nothing that you typed is lost: try again in a moment. It will not be done twice."
CONFLICT = "It was changed meanwhile. What is there now is shown, beside your words; send it again to have yours."
DONE_BEFORE = (
    "The same form was sent before, with other words, and was done. Look at the record; save again to change it."
)


RecordRead: TypeAlias = Callable[[PageReads, AnyRequest, str], Awaitable[Any]]


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


class ShownForm(NamedTuple):
    """:param now: what is there now of the fields in which something else was typed."""

    action: Action
    fields: tuple[FormField, ...]
    filled: Filled
    now: Mapping[str, Value] = {}


class Unsaved(NamedTuple):
    """A form that was sent and not carried out, as it was sent, and why; the id of what it would have changed."""

    name: str
    form: ShownForm
    id: str
    failure: FormFailure

    def again(self) -> ShownForm:
        """The form for the next attempt: under the same key, unless something else was done under it."""
        return self.form._replace(filled=_again(self.form.filled, self.failure))

    def beside(self, now: Filled) -> ShownForm:
        """The same, beside what is there now: after a conflict it is meant for that."""
        again = self.again()
        if self.failure.problem != "version-mismatch":
            return again
        differing = {name: value for name, value in now.values.items() if again.filled.values[name] != value}
        return again._replace(filled=again.filled._replace(version=now.version), now=differing)


class Edited(NamedTuple):
    """
    The records of a kind that forms change.

    :param path: of their pages, to which the key is added.
    :param context: how the template calls one.
    :param reference: the field of commands, and of forms, with the id of one.
    :param key: the field of the record, and of forms, that is the key.
    :param read: reads one by its key.
    :param find: reads one by its id, which it keeps when others change its key.
    """

    path: str
    template: str
    context: str
    actions: Mapping[str, Action]
    reference: str
    key: str
    read: RecordRead
    find: RecordRead

    def address(self, key: str) -> str:
        return self.path + segment(key)


A_PERSON = Edited("people/", "edit.html", "person", OF_A_PERSON, "account", "handle", read_person, find_person)
A_GROUP = Edited("people/groups/", "edit_group.html", "group", OF_A_GROUP, "group", "slug", read_group, read_group)


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
            return _to(request, creation.path + segment(str(filled.values[creation.key])), outcome)

        return create

    def _change(self, edited: Edited) -> Any:
        @post(f"/{edited.path}{{{edited.key}:str}}", status_code=303, guards=FORM_GUARDS, exception_handlers=ON_REFUSAL)
        async def change(request: AnyRequest, services: Services) -> Response[bytes]:
            key: str = request.path_params[edited.key]
            sender, form = _sender(request, services), await form_of(request)
            if (action := edited.actions.get(name := form.one("action"))) is None:
                raise Rejection(INVALID, f"There is no action {name!r}")
            if not (id_ := form.one(edited.reference)):
                raise Rejection(INVALID, f"The form does not say which {edited.context} it is about")
            fields = forms.shown_fields(action.fields, sees_private=viewer_of(request).sees_private)
            filled = Filled(forms.values_in(form, fields), form.one("key") or new_key(), form.one("version"))
            command = FormOrder(action.command, fields, filled, {edited.reference: id_})
            is_meant = not action.is_end or "sure" in form
            outcome = await self._outcome(request, sender, command) if is_meant else _UNCONFIRMED
            if isinstance(outcome, FormFailure):
                return await _editing_again(
                    request, edited, key, Unsaved(name, ShownForm(action, fields, filled), id_, outcome)
                )
            if action.is_end:
                return _to(request, "", outcome)
            then = await _key_then(request, edited, id_, outcome) or str(filled.values.get(edited.key) or key)
            return _to(request, edited.address(then), outcome)

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
    place = _PLACES.get(refusal.problem)
    if place in {each.name for each in fields}:
        by_field.setdefault(place, refusal.detail)
    text = _TEXTS.get(refusal.problem) or ("" if by_field else refusal.detail)
    return FormFailure(refusal.status, refusal.title, text, by_field, tuple(more), refusal.problem)


_UNCONFIRMED = FormFailure(NOT_CONFIRMED.status, NOT_CONFIRMED.title, NOT_CONFIRMED.hint)
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
    return shown(
        request,
        "create.html",
        status_code=failure.status if failure else 200,
        new=new,
        creation=creation,
        filled=_again(filled, failure),
        failure=failure,
    )


async def editing(request: AnyRequest, edited: Edited, key: str) -> Response[bytes]:
    """Show the forms by which a record is changed."""
    return _forms_of(request, edited, await edited.read(PageReads(request), request, key))


async def _editing_again(request: AnyRequest, edited: Edited, key: str, unsaved: Unsaved) -> Response[bytes]:
    """Show the forms of the record with the id that was meant, or what was typed alone if it cannot be read."""
    try:
        record = await edited.find(PageReads(request), request, unsaved.id)
    except Rejection as unread:
        return _form_alone(request, edited, key, unsaved, unread)
    return _forms_of(request, edited, record, unsaved)


def _forms_of(request: AnyRequest, edited: Edited, record: Any, unsaved: Unsaved | None = None) -> Response[bytes]:
    sees_private = viewer_of(request).sees_private
    fresh = {name: _fresh(action, record, sees_private=sees_private) for name, action in edited.actions.items()}
    again = {unsaved.name: unsaved.beside(fresh[unsaved.name].filled)} if unsaved else {}
    return _page_of_forms(
        request,
        edited.template,
        address=edited.address(getattr(record, edited.key)),
        reference=(edited.reference, getattr(record, f"{edited.reference}_id")),
        forms=fresh | again,
        unsaved=unsaved,
        **{edited.context: record},
    )


def _form_alone(request: AnyRequest, edited: Edited, key: str, unsaved: Unsaved, unread: Rejection) -> Response[bytes]:
    return _page_of_forms(
        request,
        "edit_alone.html",
        address=edited.address(key),
        reference=(edited.reference, unsaved.id),
        forms={unsaved.name: unsaved.again()},
        unsaved=unsaved,
        unread=unread,
    )


def _page_of_forms(request: AnyRequest, template: str, *, unsaved: Unsaved | None, **context: Any) -> Response[bytes]:
    name, failure = (unsaved.name, unsaved.failure) if unsaved else ("", None)
    about: Any = {"status_code": failure.status if failure else 200, "failed": name, "failure": failure}
    return shown(request, template, blank=forms.BLANK_ROWS, **about, **context)


def _fresh(action: Action, record: Any, *, sees_private: bool) -> ShownForm:
    fields = forms.shown_fields(action.fields, sees_private=sees_private)
    version = str(getattr(record, action.version)) if action.version else ""
    return ShownForm(action, fields, Filled(forms.values_of(record, fields), new_key(), version))


async def _key_then(request: AnyRequest, edited: Edited, id_: str, done: Done) -> str | None:
    """Return by which key a record is found now, which others may have changed; None if it cannot be read."""
    try:
        record = await edited.find(PageReads(request, after=done.position), request, id_)
    except Rejection:
        return None
    return str(getattr(record, edited.key))


def _again(filled: Filled, failure: FormFailure | None) -> Filled:
    is_spent = failure is not None and failure.problem == "idempotency-mismatch"
    return filled._replace(key=new_key()) if is_spent else filled


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


def _to(request: AnyRequest, path: str, done: Done) -> Response[bytes]:
    """Lead to the record, as soon as the read model has it."""
    return lead(request, f"{path}?min_position={done.position}")

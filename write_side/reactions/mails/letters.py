"""The texts of mails: templates, each as plain text and in HTML, in the languages there are."""

from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from write_side.domain.locales import locale_of
from write_side.domain.values import EmailAddress
from write_side.ports import Mail, Recipient

_templates = Environment(
    loader=PackageLoader(__package__),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    auto_reload=False,
)


class Letters:
    """
    Writes mails. They carry nothing that the account has chosen: else it could have us write to any address.

    :ivar valid_days: for which a link is good.
    """

    def __init__(self, *, public_url: str, valid_days: int) -> None:
        """:param public_url: where people reach the write API."""
        self._public_url = public_url
        self.valid_days = valid_days

    def write(
        self,
        name: str,
        id: UUID,
        to: Recipient,
        address: EmailAddress | None = None,
        *,
        at: datetime,
        token: str = "",
    ) -> Mail:
        """
        :param name: of the templates.
        :param address: where it goes, if that is not the address of the account.
        :param token: for the link in it.
        """
        locale = locale_of(to.locale)
        values = {
            "link": f"{self._public_url}/verify-email?{urlencode({'token': token, 'locale': locale})}",
            "days": self.valid_days,
            "locale": locale,
        }
        subject, _, text = _template(locale, f"{name}.txt").render(values).partition("\n\n")
        return Mail(
            id=id,
            to=address or to.email,
            subject=subject,
            text=text,
            html=_template(locale, f"{name}.html").render(values, subject=subject),
            locale=locale,
            at=at,
        )


def _template(locale: str, name: str) -> Template:
    return _templates.get_template(f"{locale}/{name}")

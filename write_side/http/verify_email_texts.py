"""What the page behind the link in a mail says, in the languages of the mails."""

from collections.abc import Mapping
from typing import NamedTuple

from write_side.domain.locales import locale_of


class Said(NamedTuple):
    """A heading, and a sentence below it."""

    title: str
    text: str


class PageTexts(NamedTuple):
    """
    The texts in one language.

    :param locale: the language.
    :param refused: by the name of the problem; what is not among them is said in English.
    """

    locale: str
    asked: Said
    button: str
    confirmed: Said
    not_whole: Said
    refused: Mapping[str, Said]


_TEXTS = {
    "en": PageTexts(
        locale="en",
        asked=Said("Confirm your e-mail address", "Did you ask for this mail? Then press the button."),
        button="Confirm my e-mail address",
        confirmed=Said("Your e-mail address is confirmed", "Thank you: you may close this page."),
        not_whole=Said("This link is not whole", "Copy all of it from the mail."),
        refused={},
    ),
    "de": PageTexts(
        locale="de",
        asked=Said(
            "Bestätigen Sie Ihre E-Mail-Adresse", "Haben Sie diese Mail angefordert? Dann drücken Sie den Knopf."
        ),
        button="Meine E-Mail-Adresse bestätigen",
        confirmed=Said("Ihre E-Mail-Adresse ist bestätigt", "Vielen Dank: Sie können diese Seite schließen."),
        not_whole=Said("Dieser Link ist nicht vollständig", "Kopieren Sie ihn ganz aus der Mail."),
        refused={
            "token-not-good": Said(
                "Der Link gilt nicht mehr",
                "Er wurde schon benutzt, ist abgelaufen, oder die Adresse hat sich geändert: Benutzen Sie den Link der "
                "neuesten Mail.",
            ),
            "account-closed": Said("Das Konto ist geschlossen", "Eine Adresse lässt sich nicht mehr bestätigen."),
            "storage-unavailable": Said("Das geht gerade nicht", "Versuchen Sie es in einigen Minuten noch einmal."),
            "outcome-unknown": Said("Das geht gerade nicht", "Versuchen Sie es in einigen Minuten noch einmal."),
        },
    ),
}


def texts_in(locale: str) -> PageTexts:
    """Return the texts in the language of ours that is nearest to a language tag."""
    return _TEXTS[locale_of(locale)]

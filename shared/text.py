"""The one normalisation of handles, e-mail addresses and external ids: for uniqueness, Redis keys and read routes."""

import unicodedata


def composed(text: str) -> str:
    """Text as it is stored: in NFC (Unicode Standard Annex #15), otherwise unchanged."""
    return unicodedata.normalize("NFC", text)


def unique_email(email: str) -> str:
    """The form in which two e-mail addresses are compared: without case (Unicode default caseless matching)."""
    return composed(composed(email).casefold())


def unique_handle(handle: str) -> str:
    """The form in which two handles are compared: without case."""
    return composed(composed(handle).casefold())


def unique_external_id(external_id: str) -> str:
    """The form in which two external ids are compared: as they are, in NFC."""
    return composed(external_id)

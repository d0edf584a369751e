"""The languages in which people are written to."""

LOCALES = ("en", "de")
"""The first is that of people who have none of them."""


def locale_of(tag: str | None) -> str:
    """Return the language of ours that is nearest to a language tag."""
    language = (tag or "").partition("-")[0].lower()
    return language if language in LOCALES else LOCALES[0]

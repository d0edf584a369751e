"""How pages are sent: with a policy under which a browser runs and loads nothing but files of ours (CSP 3)."""

from collections.abc import Mapping

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FORM_HEADERS: Mapping[str, str] = {
    **PAGE_HEADERS,
    "Content-Security-Policy": _POLICY.replace("form-action 'none'", "form-action 'self'"),
    # Without a referrer a browser says `Origin: null` of a form, and of a foreign one too.
    "Referrer-Policy": "same-origin",
}
"""Of pages with forms, which are sent to ourselves alone."""

ASSET_HEADERS: Mapping[str, str] = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}

"""What a browser is shown that has not signed in."""

TITLE = "Muster: sign in"


def sign_in_page(*, news: str = "") -> bytes:
    """
    How to sign in.

    :param news: what is to be said first, as HTML.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{TITLE}</title>
<link rel="icon" href="/ops/icon.svg">
<link rel="stylesheet" href="/ops/page.css">
</head>
<body>
<header><h1>Sign in</h1>{news}</header>
<main>
<p>This page is for operators. A link signs this browser in for 12 hours; it works once, for 15 minutes.</p>
<ul>
<li><code>muster up</code> prints one when it is up.</li>
<li><code>muster token --link</code>, on the machine that has the keys, prints another.</li>
</ul>
<p>Have you just used one? <a href="/">Open the page</a>.</p>
</main>
<footer><p><a href="/docs">API</a> · <a href="/problems">Problems</a></p></footer>
</body>
</html>
""".encode()

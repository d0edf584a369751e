"""What has broken other programs, each with the reason why it is here; sent wherever we take anything."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

TEXTS: Mapping[str, str] = {
    "nothing": "",
    "nothing but space": " \t ",
    "NUL: the end of a string in C, refused by PostgreSQL's text, and what divides the entries of our lists": "a\0b",
    "an end of line, as in a log or a header": "a\r\nSet-Cookie: x=y\r\n\r\n2026-01-01T00:00:00Z [info ] b",
    "the line separator of Unicode: JavaScript and some readers of logs begin a line there": "a\u2028b\u2029c",
    "the next line of C1, which some take for an end of line": "a\x85b",
    "an escape of ANSI: clears the terminal that shows it": "a\x1b[2J\x1b]0;b\x07",
    "the same in one character of C1": "a\x9b2J",
    "other control characters": "a\x01\x08\x0b\x0c\x7fb",
    "right to left: what is shown is not what is there": "a\u202eb\u2066c",
    "a byte order mark, and characters that take no room": "\ufeffa\u200bb\u200d",
    "no characters at all: Unicode says so": "\ufffe\uffff\U0010ffff",
    "a hash tag of Redis: would put a key on another node": "{0}",
    "our own keys": "muster:{0}:profiles:live",
    "the key of a document": "muster:{0}:profiles:g1:profile:full",
    "patterns of Redis": "*?[a-z]\\",
    "commands of Redis, as its protocol has them": "x\r\n*1\r\n$8\r\nFLUSHALL\r\n",
    "the end of a place in a list, and the next one": "\xff\0\xff",
    "what ends text in SQL": "'; drop table accounts; --",
    "the same by doubling, dollars and escapes": "\\'; select pg_sleep(9)--$$;$1 %(x)s %s :x ?",
    "what ends a name in SQL": '"; select 1; --',
    "wildcards of LIKE": "%_%",
    "paths": "../../etc/passwd",
    "paths in a file system of another kind": "..\\..\\x",
    "what becomes a path when it is decoded once more": "%2e%2e%2f%2e%2e%2f%00",
    "format strings": "{self.__class__}{0}%s%n%x${jndi:ldap://x}",
    "markup of a page": "<script>alert(1)</script>&amp;\"'",
    "markup of a terminal": "[/bold][link=x]",
    "a letter that has another's look": "\u0430dmin",
    "letters that become others without case": "\u212aelvin \u017f \u0130 \u0131",
    "letters that become several": "\ufb03\u00df\ufdfa",
    "full width: plain letters and slashes, once folded": "\uff41\uff0f\uff07\uff1b",
    "composed and taken apart": "e\u0301 \u00e9 \u1100\u1161\u11a8",
    "marks in disorder: sorting them takes the square of their number": "a" + "\u0301\u0316" * 500,
    "a mark on nothing": "\u0301",
    "astral characters": "\U0001f600" * 3,
    "digits of other scripts": "\u0661\uff12",
    "an id in braces": "{0197d0a0-0000-7000-8000-00000000000a}",
    "an id of another's": "0197d0a0-0000-7000-8000-00000000000a",
    "the beginning of each kind of reference": "@ext:@",
    "what is true, null or a number elsewhere": "null",
    "a number that no double holds": "1" + "0" * 400,
    "negative, and more than one": "-1,2",
    "JSON inside of JSON": '","command":"erase-account","x":"',
    "prototypes of JavaScript": "__proto__",
    "long": "x" * 3_000,
    "long, of four bytes each": "\U0001f600" * 256,
}

JSON: Mapping[str, bytes] = {
    "half of a surrogate pair": rb'"\ud800"',
    "the other half first": rb'"\udc00\ud800"',
    "a NUL, escaped": rb'"\u0000"',
    "bytes that are no UTF-8": b'"\xc0\xaf\xff"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "a number of 5,000 digits": b"1" * 5_000,
    "a number that no double holds": b"1e999999",
    "a number next to nothing": b"1e-999999",
    "minus nothing": b"-0.0",
    "not a number": b"NaN",
    "nested as deep as nobody needs": b"[" * 5_000 + b"]" * 5_000,
    "objects in objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "a name that occurs twice": b'{"a":1,"a":2}',
    "many names": b"{" + b",".join(b'"%d":1' % n for n in range(5_000)) + b"}",
    "a comment": b"/**/1",
}
"""In place of a value: what no text of Python's can be, or JSON alone has."""

BYTES: Mapping[str, bytes] = {
    "no UTF-8": b"\xff\xfe",
    "a surrogate in UTF-8": b"\xed\xa0\x80",
    "Latin-1": b"\xe9",
    "a tab": b"a\tb",
    "many commas": b"," * 2_000,
    "many quotes": b'"' * 2_000,
    "a list": b'"1", "2"',
    "a number too long": b"9" * 2_000,
    "parameters": b"a/b;q=nan;q=1e999;q=\xb2",
    "an address that is none": b"http://[::1",
    "nearly a trace": b"00-" + b"0" * 32 + b"-" + b"f" * 16 + b"-01",
    "long": b"x" * 8_000,
}
"""In headers: what no text gives, or headers alone are made of."""


def as_header(text: str) -> bytes | None:
    """As a header can have it (RFC 9110, section 5.5); None if none can."""
    sent = text.encode()
    return None if any(each in sent for each in b"\0\r\n") else sent


def header_values() -> Iterator[bytes]:
    yield from BYTES.values()
    yield from filter(None, map(as_header, TEXTS.values()))


def as_segment(text: str) -> str:
    """As a segment of a path can have it, or a value in a query."""
    return quote(text, safe="")


SEGMENTS = (*map(as_segment, TEXTS.values()), "%ff", "%ed%a0%80", "%c0%af", "%f8%88%80%80%80", "%", "%zz", "%u0041")
"""All texts in that form, and what no text gives: bytes that are no UTF-8, and escapes that are none."""


READS = (
    "/profiles/{}",
    "/profiles/by-handle/{}",
    "/profiles/by-email/{}",
    "/profiles/by-external-id/{}",
    "/profiles/{}/activity",
    "/profiles/{}/export",
    "/profiles/{}/{}",
    *(f"/profiles?{name}={{}}" for name in ("q", "tag", "group", "status", "sort", "limit", "cursor", "min_position")),
    "/profiles?q=a&sort=handle&tag=b&tag={}",
    "/profiles?{}={}",
    "/groups/{}",
    "/groups/{}/members",
    "/groups/{}/members/{}",
    *(f"/groups?{name}={{}}" for name in ("q", "sort", "cursor")),
    "/groups/{}/members?role={}",
    "/stats?{}",
    "/{}",
)
"""Every place in an address that the read API takes."""


LONGEST_ADDRESS = 60_000
"""That a server takes for certain."""


def addresses(segment: str, places: Iterable[str] = READS) -> Iterator[str]:
    """With the segment in each place."""
    return (path for each in places if len(path := each.replace("{}", segment)) < LONGEST_ADDRESS)

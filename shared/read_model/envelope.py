"""The envelope in which a record is stored: the JSON that is served, behind a header line."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

UNTAGGED = ""
"""The tag of a document that needs none: it is an item of a list, or never served as it is stored."""

_DIGEST, _HASHED_AT_ONCE = 15, 80


class Sealed(NamedTuple):
    """
    A stored document: the JSON that is served, its entity tag (RFC 9110, quoted) and the position it reflects.

    :param stale_since: when the first event occurred that is parked for it (RFC 3339); the JSON tells it too.
    :param public: how many bytes of the JSON, from its beginning, are the fields that everybody may see; 0 if it is not
        divided.
    """

    position: int
    etag: str
    body: bytes
    stale_since: str | None = None
    public: int = 0


class Forms(NamedTuple):
    """
    What is served of several stored documents, in their order.

    :param bodies: the JSON of each.
    :param tags: their entity tags, where all have one that is stored: they tell bodies apart as well as these do.
    """

    bodies: tuple[bytes, ...]
    tags: tuple[bytes, ...] = ()


def entity_tag(body: bytes) -> str:
    """A strong entity tag: equal bytes have equal tags, whichever process sealed them and when."""
    return _tag(blake2b(body, digest_size=_DIGEST).digest())


def combined_tag(tags: Sequence[bytes], rest: bytes) -> str:
    """The entity tag of documents that have these, with something beside them."""
    hashed = blake2b(digest_size=_DIGEST)
    # From 2 kB on hashlib lets other threads go first, and to come back takes longer than to hash.
    for nth in range(0, len(tags), _HASHED_AT_ONCE):
        hashed.update(b"".join(tags[nth : nth + _HASHED_AT_ONCE]))
    hashed.update(rest)
    return _tag(hashed.digest())


def _tag(digest: bytes) -> str:
    return f'"{urlsafe_b64encode(digest).decode()}"'


def seal(
    *, position: int, body: bytes, stale_since: str | None = None, public: int = 0, is_tagged: bool = True
) -> bytes:
    """
    Put a header line `<position> <etag>` before the JSON, so that serving means cutting bytes, not decoding.

    What is stale says so in both: `<position> <etag> <stale_since>`, and a last field of the JSON. Where the first
    fields are those that everybody may see, the header says how many bytes they take: `<position>:<public> <etag>`.
    """
    place = b"%d:%d" % (position, public) if public else b"%d" % position
    if stale_since is not None:
        body = mark_stale(body, stale_since)
    tag = entity_tag(body) if is_tagged else UNTAGGED
    mark = "" if stale_since is None else f" {stale_since}"
    return b"%b %b%b\n%b" % (place, tag.encode(), mark.encode(), body)


def unseal(envelope: bytes) -> Sealed:
    """Take a sealed document apart; words that later releases add to the header are passed over."""
    header, _, body = envelope.partition(b"\n")
    place, etag, *marks = header.split(b" ")
    position, _, public = place.partition(b":")
    return Sealed(int(position), etag.decode(), body, marks[0].decode() if marks else None, int(public or 0))


def full_forms(envelopes: Iterable[bytes]) -> Forms:
    """Take many sealed documents apart, as far as whole ones are served."""
    bodies, tags = [], []
    for envelope in envelopes:
        header, _, body = envelope.partition(b"\n")
        bodies.append(body)
        tags.append(header.split(b" ", 2)[1])
    return Forms(tuple(bodies), tuple(tags) if all(tags) else ())


def public_form(envelope: bytes) -> bytes:
    """
    Cut from a divided document, as it is sealed, what everybody may see: JSON of its own.

    :raises ValueError: it is not divided.
    """
    header, _, body = envelope.partition(b"\n")
    place, *words = header.split(b" ", 3)
    if not (public := place.partition(b":")[2]):
        raise ValueError("nothing says what of the document everybody may see")
    end = b"}" if len(words) == 1 else _mark(words[1])
    return body[: int(public)] + end


def entity_tags(envelopes: Iterable[bytes]) -> list[bytes]:
    """Return the entity tags of many sealed documents, whether they are stored or not."""
    tags = []
    for envelope in envelopes:
        end = envelope.index(b"\n")
        tags.append(envelope[:end].split(b" ", 2)[1] or entity_tag(envelope[end + 1 :]).encode())
    return tags


def tagged(sealed: Sealed) -> Sealed:
    """Return the document with its entity tag."""
    return sealed if sealed.etag else sealed._replace(etag=entity_tag(sealed.body))


def mark_stale(body: bytes, since: str) -> bytes:
    """The JSON of a record (never an empty one), with `stale_since` as its last field."""
    return body[:-1] + _mark(since.encode())


def without_mark(sealed: Sealed) -> bytes:
    """The JSON as it was before it was marked."""
    if sealed.stale_since is None:
        return sealed.body
    return sealed.body.removesuffix(_mark(sealed.stale_since.encode())) + b"}"


def _mark(since: bytes) -> bytes:
    return b',"stale_since":"%b"}' % since

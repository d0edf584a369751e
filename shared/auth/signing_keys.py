"""
The directory of signing keys and of revoked tokens.

A key is two files, `<id>.private.pem` and `<id>.public.pem`; a process that only verifies tokens needs the second
alone. A retired key leaves `<id>.retired.pem` behind, as a record.
"""

import fcntl
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from shared.errors import Unsound
from shared.private_files import created_with, make_private_directory

PRIVATE_SUFFIX, PUBLIC_SUFFIX, RETIRED_SUFFIX = ".private.pem", ".public.pem", ".retired.pem"
LENT = "up-"
"""How the ids of keys begin that are lent to a `muster up`."""

REVOKED = "revoked"
"""The file of revoked tokens: one id a line."""

MAKE_ONE = "make one with `muster keys new`"

_is_name = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,254}").fullmatch


class KeysUnusable(Unsound):
    """The keys cannot be read or changed as asked; the text says why and what to do."""


class SigningKey(NamedTuple):
    """A key that can sign tokens; the newest is used."""

    id: str
    private: Ed25519PrivateKey


class TrustedKeys(NamedTuple):
    """The content of the directory when it was read."""

    keys: Mapping[str, Ed25519PublicKey]
    revoked: frozenset[str]


class KeyDirectory:
    """The keys and revoked tokens on disk: every process reads them; only commands and `muster up` write them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._was_there = False

    def new(self, *, now: datetime) -> SigningKey:
        """Make a key, which signs from now on; tokens of older keys stay good."""
        key = _new_key(now)
        self._write(f"{key.id}{PUBLIC_SUFFIX}", _public_pem(key), mode=0o644).close()
        pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._write(f"{key.id}{PRIVATE_SUFFIX}", pem, mode=0o600).close()
        return key

    @contextmanager
    def lent(self, *, now: datetime) -> Iterator[SigningKey]:
        """
        Lend a key for as long as the caller lives: only its public half is stored, in a file that stays locked.

        First the keys go that were lent to callers who were killed, wherever the directory is now: no lock is on those.
        """
        self._forget_unlocked()
        key = _new_key(now, prefix=LENT)
        with self._write(f"{key.id}{PUBLIC_SUFFIX}", _public_pem(key), mode=0o644):
            try:
                yield key
            finally:
                (self.path / f"{key.id}{PUBLIC_SUFFIX}").unlink(missing_ok=True)

    def retire(self, key_id: str) -> None:
        """
        Make a key useless, and with it every token that it signed.

        :raises KeysUnusable: there is no such key, or no other.
        """
        keys = [name for name, _ in self._named(PUBLIC_SUFFIX)]
        if key_id not in keys:
            raise KeysUnusable(f"there is no key {key_id} in {self.path}: `muster keys list` shows them")
        if not set(self.signing()) - {key_id}:
            raise KeysUnusable(f"{key_id} is the only key that signs: {MAKE_ONE}, then retire this one")
        with self._writing():
            (self.path / f"{key_id}{PRIVATE_SUFFIX}").unlink(missing_ok=True)
            (self.path / f"{key_id}{PUBLIC_SUFFIX}").rename(self.path / f"{key_id}{RETIRED_SUFFIX}")

    def signing(self) -> list[str]:
        """Return the ids of the keys that can sign, the newest last."""
        return [key_id for key_id, _ in self._named(PRIVATE_SUFFIX)]

    def verifying(self) -> list[str]:
        """Return the ids of all keys whose tokens are good."""
        return [key_id for key_id, _ in self._named(PUBLIC_SUFFIX)]

    def newest(self) -> SigningKey:
        """:raises KeysUnusable: there is none, or it cannot be read."""
        if not (keys := self.signing()):
            raise KeysUnusable(f"there is no key in {self.path} to sign with: {MAKE_ONE}")
        path = self.path / f"{keys[-1]}{PRIVATE_SUFFIX}"
        private = _loaded(path, lambda pem: load_pem_private_key(pem, password=None))
        if not isinstance(private, Ed25519PrivateKey):
            raise KeysUnusable(f"{path} is no Ed25519 key: remove it, and {MAKE_ONE}")
        return SigningKey(keys[-1], private)

    def revoke(self, token_id: str) -> None:
        """:raises KeysUnusable: nothing has such an id."""
        if not _is_name(token_id):
            raise KeysUnusable("that is no token's id: give the id that `muster token` showed, or the token itself")
        with self._writing(), open(self.path / REVOKED, "a", opener=created_with(0o644)) as revoked:
            revoked.write(f"\n{token_id}\n")  # an editor may have left the last line without its end

    def read(self) -> TrustedKeys:
        """
        Read everything that tells a good token from a bad one.

        :raises KeysUnusable: a file cannot be read; the rest alone must not admit callers.
        """
        return TrustedKeys({name: _public(path) for name, path in self._named(PUBLIC_SUFFIX)}, self._revoked())

    def version(self) -> tuple[object, ...]:
        """
        Return a value that is another once any file of the directory has changed.

        :raises KeysUnusable: the directory cannot be looked at.
        """
        try:
            return tuple(sorted(self._stamps()))
        except OSError as error:
            raise self._unreadable(error) from error

    def _revoked(self) -> frozenset[str]:
        try:
            # A byte that an editor has left there must not keep the other lines from being heeded.
            return frozenset((self.path / REVOKED).read_text("utf-8", errors="replace").split())
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise KeysUnusable(f"{self.path / REVOKED} cannot be read: {error.strerror}") from error

    def _named(self, suffix: str) -> list[tuple[str, Path]]:
        try:
            return sorted((path.name.removesuffix(suffix), path) for path in self._paths(suffix))
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> KeysUnusable:
        return KeysUnusable(f"{self.path} cannot be read: {error.strerror}")

    def _paths(self, suffix: str) -> list[Path]:
        """
        List the files whose names end so: not by `glob`, which finds nothing where it cannot look.

        :raises OSError: the directory cannot be listed, or is there no more.
        """
        try:
            paths = [path for path in self.path.iterdir() if path.name.endswith(suffix)]
        except FileNotFoundError:
            if self._was_there:
                raise
            return []
        self._was_there = True
        return paths

    def _stamps(self) -> Iterator[tuple[str, int, int, int]]:
        for path in (*self._paths(PUBLIC_SUFFIX), self.path / REVOKED):
            try:
                status = path.stat()
            except FileNotFoundError:  # gone since it was listed
                continue
            yield path.name, status.st_ino, status.st_mtime_ns, status.st_size

    def _forget_unlocked(self) -> None:
        with self._writing():
            for key_id, path in self._named(PUBLIC_SUFFIX):
                if key_id.startswith(LENT) and not _is_locked(path):
                    path.unlink(missing_ok=True)

    def _write(self, name: str, content: bytes, *, mode: int) -> BinaryIO:
        """Write a file that is private from its first byte on, and never seen half written; return it open, locked."""
        unfinished = self.path / f"{name}.unfinished"
        with self._writing():
            file = open(unfinished, "xb", opener=created_with(mode))  # noqa: SIM115 - it is returned
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(content)
            file.flush()
            unfinished.rename(self.path / name)
        return file

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """:raises KeysUnusable: the directory cannot be written."""
        try:
            make_private_directory(self.path)
            yield
        except OSError as error:
            raise KeysUnusable(f"{self.path} cannot be written: {error.strerror}") from error


def _new_key(now: datetime, *, prefix: str = "") -> SigningKey:
    return SigningKey(f"{prefix}{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}", Ed25519PrivateKey.generate())


def _public_pem(key: SigningKey) -> bytes:
    return key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _public(path: Path) -> Ed25519PublicKey:
    key = _loaded(path, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise KeysUnusable(f"{path} is no Ed25519 key: remove it")
    return key


def _loaded(path: Path, load: Callable[[bytes], object]) -> object:
    try:
        return load(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise KeysUnusable(f"{path} cannot be read: remove it, or give it back its content") from error

"""Sealing secrets at rest: AES-256-GCM with keys from a file, the newest one sealing, all of them opening."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from st_ops.errors import StOpsError, UserError
from st_ops.expressions.masking import MASK, SIMPLE
from st_ops.security.private_files import create_once

_NONCE_BYTES = 12
_KEY_BYTES = 32
#: The single key of the object that stands for a sealed value inside stored JSON.
SEALED = "$sealed"


class SecretError(StOpsError):
    """Raised when a sealed value cannot be opened with any key of the key file."""


class SecretBox:
    """Seals and opens values. One key a line in the file (base64); the last line seals."""

    def __init__(self, keys: list[bytes]) -> None:
        """``keys``: 32 bytes each, oldest first; at least one."""
        self._keys = [AESGCM(key) for key in keys]
        self._raw = keys

    @classmethod
    def from_file(cls, path: Path) -> SecretBox:
        """Read the key file; when it is absent, make it (mode 0600) with a new key. Raises UserError when it is bad."""
        text = create_once(path, base64.b64encode(os.urandom(_KEY_BYTES)).decode() + "\n")
        try:
            keys = [base64.b64decode(line, validate=True) for line in text.split()]
        except binascii.Error as exc:
            raise UserError(f"{path}: expected one base64 key of {_KEY_BYTES} bytes a line.") from exc
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise UserError(f"{path}: expected one base64 key of {_KEY_BYTES} bytes a line.")
        return cls(keys)

    @property
    def signing_key(self) -> bytes:
        """Key material for signatures, apart from the sealing keys themselves."""
        from hashlib import sha256

        return sha256(b"st_ops signing\0" + self._raw[-1]).digest()

    def seal(self, text: str) -> str:
        """``text`` sealed, as base64 text."""
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + self._keys[-1].encrypt(nonce, text.encode(), None)).decode()

    def open(self, sealed: str) -> str:
        """The text that was sealed. Raises SecretError."""
        try:
            raw = base64.b64decode(sealed, validate=True)
        except binascii.Error as exc:
            raise SecretError("A sealed value is not base64 text; it was changed outside st_ops.") from exc
        for key in reversed(self._keys):
            try:
                return key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None).decode()
            except InvalidTag:
                continue
        raise SecretError("A sealed value opens with no key of the key file; was the key file replaced?")

    def seal_value(self, value: Any) -> dict[str, str]:
        """Any JSON value as ``{"$sealed": text}``."""
        return {SEALED: self.seal(orjson.dumps(value).decode())}

    def open_values(self, value: Any, note: Callable[[Any], None] | None = None) -> Any:
        """``value`` with every sealed object in it, however deep, opened; ``note`` is told what each holds.

        Raises SecretError.
        """
        if isinstance(value, Mapping):
            if is_sealed(value):
                opened = orjson.loads(self.open(value[SEALED]))
                if note is not None:
                    note(opened)
                return opened
            return {key: self.open_values(entry, note) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.open_values(entry, note) for entry in value]
        return value


def is_sealed(value: Any) -> bool:
    """True for the object that stands for a sealed value."""
    return isinstance(value, Mapping) and len(value) == 1 and SEALED in value


def holds_sealed(value: Any) -> bool:
    """True when there is a sealed value anywhere in ``value``."""
    if isinstance(value, Mapping):
        return is_sealed(value) or any(holds_sealed(entry) for entry in value.values())
    return isinstance(value, list) and any(holds_sealed(entry) for entry in value)


def masked_sealed(value: Any) -> Any:
    """``value`` with MASK in the place of every sealed value in it."""
    if isinstance(value, SIMPLE):
        return value
    if isinstance(value, Mapping):
        if len(value) == 1 and is_sealed(value):
            return MASK
        return {key: masked_sealed(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [masked_sealed(entry) for entry in value]
    return value

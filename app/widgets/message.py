"""What a component is sent: facts as JSON, raw bytes after them, and a stamp by which the browser knows them again."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def stamped(facts: Mapping[str, Any], body: bytes = b"") -> dict[str, Any]:
    """Facts with a stamp of themselves and of the bytes that go with them."""
    stamp = hashlib.blake2b(json.dumps(facts).encode() + body, digest_size=8).hexdigest()
    return {**facts, "stamp": stamp}


def headed(facts: Mapping[str, Any], body: bytes = b"") -> bytes:
    """Length of the header (4 bytes, little endian), header (JSON), body: components take bytes at the top level only."""
    header = json.dumps(facts).encode()
    return len(header).to_bytes(4, "little") + header + body

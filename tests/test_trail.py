"""The trail: what was written is read, and a damaged entry hides no other."""

from pathlib import Path

import pytest

from store import trail
from store.objects import connect


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"5", b"{}", b'{"action": 1, "by": 2, "at": "x", "what": []}'])
def test_a_damaged_entry_hides_no_other(damage: bytes, tmp_path: Path) -> None:
    objects = connect(str(tmp_path))
    entry = trail.note(objects, "thin", "Ada", {"run": "tiny-1"})
    objects.put("trail/9999999999999-aa.json", damage)
    assert trail.trail(objects) == [entry]

"""Bodies on disk by their digest: whole or not at all, bounded, and never a reason to fail."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from core.body_store import BodyStore


def by_digest(*bodies: bytes) -> dict[bytes, bytes]:
    return {hashlib.sha256(body).digest(): body for body in bodies}


def test_what_is_kept_is_found_and_nothing_else(tmp_path: Path) -> None:
    store, bodies = BodyStore(tmp_path / "new" / "folder", 1_000), by_digest(b"one", b"two", b"")
    store.keep(bodies)
    assert store.find([*bodies, hashlib.sha256(b"three").digest()]) == bodies


@pytest.mark.parametrize("damage", [b"", b"on", b"One", b"one more"])
def test_a_damaged_body_is_not_found(tmp_path: Path, damage: bytes) -> None:
    store, bodies = BodyStore(tmp_path, 1_000), by_digest(b"one")
    store.keep(bodies)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage)
    assert store.find(bodies) == {}
    store.keep(bodies)
    assert store.find(bodies) == bodies


def test_what_was_used_last_goes_last(tmp_path: Path) -> None:
    store, bodies = BodyStore(tmp_path, 250), by_digest(*(bytes([65 + n]) * 100 for n in range(3)))
    first, second, third = bodies
    for age, digest in enumerate((first, second)):
        store.keep({digest: bodies[digest]})
        os.utime(tmp_path / digest.hex(), (age, age))
    store.find([first])
    store.keep({third: bodies[third]})
    assert set(store.find(bodies)) == {first, third}


def test_a_disk_that_fails_is_told_and_costs_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a folder")
    store, bodies = BodyStore(tmp_path / "file", 1_000), by_digest(b"one")
    store.keep(bodies)
    assert store.find(bodies) == {}
    assert "bodies cannot be stored" in caplog.text
    assert "a stored body cannot be read" in caplog.text

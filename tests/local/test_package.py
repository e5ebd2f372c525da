"""What `make package` refuses to hand over."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.package import LIMITS, faults

ELF = b"\x7fELF" + bytes(14)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Sound artefacts of an architecture: a module of C for it, and the layer."""
    for function in LIMITS:
        (tmp_path / function).mkdir()
        (tmp_path / function / "fast.so").write_bytes(ELF + b"\xb7\x00")
    for ours in ("core", "aws"):
        (tmp_path / "CoreLayer" / "python" / ours).mkdir(parents=True)
    return tmp_path


def test_sound_artefacts_have_no_fault(built: Path) -> None:
    assert list(faults(built, "arm64")) == []


def test_a_function_above_its_limit_with_the_layer_is_named_with_its_size(built: Path) -> None:
    for path, size in ((built / "CoreLayer" / "python" / "core" / "x", 1), (built / "ApiFunction" / "x", 99)):
        with path.open("wb") as file:
            file.truncate(size * 1_000_000 + 30)
    (fault,) = faults(built, "arm64")
    assert fault == "arm64 ApiFunction: 100.0 MB with the layer, above 100"


@pytest.mark.parametrize(
    "name", ["ApiFunction/local", "ApiFunction/botocore", "ApiFunction/numpy/tests", "ApiFunction/x/__pycache__",
             "CollectFunction/a.pyx", "CollectFunction/a.pyi", "CoreLayer/python/numpy"]
)  # fmt: skip
def test_what_no_function_uses_is_named(built: Path, name: str) -> None:
    path = built / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch() if path.suffix else path.mkdir()
    (fault,) = faults(built, "arm64")
    assert path.name in fault


def test_a_module_of_the_other_architecture_is_named(built: Path) -> None:
    found = list(faults(built, "x86_64"))
    assert len(found) == len(LIMITS)
    assert "x86_64 ApiFunction/fast.so: is of another architecture" in found

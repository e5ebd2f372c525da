"""`make package`: what AWS Lambda is given, built for both of its architectures, and a check of what is in it.

`dist/<architecture>/` is SAM's build folder: `sam deploy --template-file dist/arm64/template.yaml`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURES = ("arm64", "x86_64")
LAYER = "CoreLayer"
# Most megabytes (10^6 bytes) of a function unzipped together with the layer. AWS allows 262.
LIMITS: Mapping[str, int] = {
    "CollectFunction": 100,
    "AnalyzeFunction": 220,
    "ApiFunction": 100,
    "StripeWebhookFunction": 100,
}
# At the top of an artefact: what is not the function's, and what the runtime brings itself.
_UNWANTED = {"tests", "local", "bench", "bin", "sql", "railway", "boto3", "botocore", "s3transfer", "pip", "setuptools"}
# Anywhere in it: what no running function reads.
_UNREAD_FOLDERS = {"tests", "__pycache__"}
_UNREAD_SUFFIXES = {".pyc", ".pyi", ".pyx", ".pxd", ".c", ".h", ".cpp", ".a"}
_ELF_MACHINES = {"arm64": 0xB7, "x86_64": 0x3E}


def build(architecture: str, folder: Path) -> None:
    """SAM's build for one architecture, with wheels for it whatever this machine is. Raises CalledProcessError."""
    command = [
        *(sys.executable, "-m", "samcli", "build", "--base-dir", str(ROOT), "--template", str(ROOT / "template.yaml")),
        *("--build-dir", str(folder), "--parameter-overrides", f"Architecture={architecture}"),
    ]
    environment = os.environ | {"ARCHITECTURE": architecture, "SAM_CLI_TELEMETRY": "0"}
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True)


def size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def faults(folder: Path, architecture: str) -> Iterator[str]:
    """What is wrong with the artefacts of one architecture, each in a line."""
    layer_mb = size_mb(folder / LAYER)
    for function, most_mb in LIMITS.items():
        if (found_mb := size_mb(folder / function) + layer_mb) > most_mb:
            yield f"{architecture} {function}: {found_mb:.1f} MB with the layer, above {most_mb}"
    ours = {path.name for path in (folder / LAYER / "python").iterdir()}
    if ours != {"core", "aws"}:
        yield f"{architecture} {LAYER}: holds {sorted(ours)}"
    for function in LIMITS:
        for name in sorted(_UNWANTED & {path.name for path in (folder / function).iterdir()}):
            yield f"{architecture} {function}: holds {name}"
    for path in sorted(folder.rglob("*")):
        if fault := _fault_of(path, architecture):
            yield f"{architecture} {path.relative_to(folder)}: {fault}"


def _fault_of(path: Path, architecture: str) -> str | None:
    if path.name in _UNREAD_FOLDERS or path.suffix in _UNREAD_SUFFIXES:
        return "is read by no running function"
    if ".so" in path.suffixes and _elf_machine(path) != _ELF_MACHINES[architecture]:
        return "is of another architecture"
    return None


def _elf_machine(path: Path) -> int:
    with path.open("rb") as file:
        return int.from_bytes(file.read(20)[18:], "little")


def show(folders: Mapping[str, Path]) -> None:
    table = Table("function", *(f"{name}, MB" for name in folders), "layer, MB", "at most together")
    for function, most_mb in LIMITS.items():
        sizes = [f"{size_mb(folder / function):.1f}" for folder in folders.values()]
        layers = {f"{size_mb(folder / LAYER):.1f}" for folder in folders.values()}
        table.add_row(function, *sizes, " ".join(layers), str(most_mb))
    Console(width=None if sys.stdout.isatty() else 100).print(table)


def main(folder: Path = ROOT / "dist") -> int:
    folders = {architecture: folder / architecture for architecture in ARCHITECTURES}
    for architecture, into in folders.items():
        try:
            build(architecture, into)
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"{architecture}: sam build failed\n{error.stderr[-4_000:]}\n")
            return 1
    show(folders)
    found = [fault for architecture, into in folders.items() for fault in faults(into, architecture)]
    sys.stderr.write("".join(f"{fault}\n" for fault in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

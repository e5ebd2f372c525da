"""What a function ships is what its code imports, also where it imports late."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.conftest import ROOT

OF_OTHERS = {"httpx"}  # stripe's asyncio client is there only with it
SHARED = ("core", "aws")
FUNCTIONS = ("collect", "analyze", "api", "stripe_webhook")
# What the host itself brings, and what only one of several hosts has.
OF_THE_HOST = {"boto3", "botocore", "granian", "functions_framework", "flask", "aws_lambda_powertools"}


def files_of(module: str) -> list[Path]:
    """The files that importing a module of ours runs: its packages' and its own."""
    parts = module.split(".")
    base = ROOT / ("layers" if parts[0] in SHARED else "functions")
    found = [base.joinpath(*parts[:end], "__init__.py") for end in range(1, len(parts) + 1)]
    return [path for path in [*found, base.joinpath(*parts).with_suffix(".py")] if path.exists()]


def imported(path: Path) -> Iterator[str]:
    """Every module that a file names in an import outside of type checking."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def needed(function: str) -> set[str]:
    """The outside packages that a function's files and all that they import of ours need."""
    ours = {function, *SHARED}
    waiting = list((ROOT / "functions" / function).rglob("*.py"))
    seen, outside = set(waiting), set[str]()
    while waiting:
        for module in imported(waiting.pop()):
            top = module.partition(".")[0]
            if top in ours:
                new = [path for path in files_of(module) if path not in seen]
                seen.update(new)
                waiting += new
            elif top not in sys.stdlib_module_names:
                outside.add(top)
    return outside - OF_THE_HOST


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_package_that_a_function_imports_is_in_its_requirements(function: str) -> None:
    lines = (ROOT / "functions" / function / "requirements.txt").read_text().splitlines()
    shipped = {normal(line.split("==")[0]) for line in lines if "==" in line and not line.startswith((" ", "#"))}
    providers = packages_distributions()
    lacking = {
        package for package in needed(function) if not shipped & {normal(name) for name in providers.get(package, [])}
    }
    assert lacking == set()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_declares_no_package_that_it_does_not_import(function: str) -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    declared, waiting = set[str](), [function]
    while waiting:
        for line in groups[waiting.pop()]:
            name = re.split(r"[<>=!~\[ ]", line)[0]
            if name == "oddwons":
                waiting += line.partition("[")[2].rstrip("]").split(",")
            else:
                declared.add(normal(name))
    providers = packages_distributions()
    imported_ones = {normal(name) for package in needed(function) for name in providers.get(package, [])}
    assert declared - imported_ones - OF_OTHERS == set()


def test_the_search_for_imports_finds_late_ones_and_those_of_what_is_imported() -> None:
    assert {"asyncpg", "numpy", "httpx", "orjson"} <= needed("collect")
    assert "groq" in needed("analyze")
    assert "groq" not in needed("collect")

"""Progress for a person on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console

console = Console(stderr=True, highlight=False)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Says what is being done, and that it is done."""
    if console.is_terminal:
        with console.status(f"{what} …"):
            yield
        console.print(f"[green]✓[/green] {what}")
    else:
        yield
        say(what)


def say(what: str, **more: object) -> None:
    if console.is_terminal:
        rest = " ".join(f"{key}={value}" for key, value in more.items())
        console.print(f"[dim]{what} {rest}[/dim]" if rest else what)
    else:
        line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "message": what, **more}
        sys.stderr.write(json.dumps(line, default=str) + "\n")
        sys.stderr.flush()


def fail(what: str) -> int:
    console.print(f"[red]✗[/red] {what}") if console.is_terminal else say(what, level="ERROR")
    return 1

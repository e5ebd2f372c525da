"""Progress for a person on a terminal, JSON lines elsewhere; and how such a person's Ctrl-C is heard."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

from rich.console import Console

# A closed terminal stops us too, unless we were started to outlive it.
STOPS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} - (
    {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
)

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


def on_stop(action: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    """What Ctrl-C, a polite kill and a closed terminal do, also where a shell started us with SIGINT ignored."""
    for number in STOPS:
        signal.signal(number, action)


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def uninterrupted() -> Iterator[None]:
    """For what must come to its end: impatience while we stop would leave processes behind."""
    if threading.current_thread() is not threading.main_thread():  # signals are no matter of ours
        yield
        return
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in STOPS}
    on_stop(lambda number, frame: None)  # unlike SIG_IGN, no child inherits it
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)

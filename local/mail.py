"""A mail server in a thread that keeps what it is given in a folder and sends nothing on: for the demo and tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from local.kit import free_port


class Keeper:
    """Writes each message to a file, in their order."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count()
        folder.mkdir(parents=True, exist_ok=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        body = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        path = self._folder / f"{time.time_ns()}-{next(self._numbers)}.eml"
        draft = path.with_suffix(".new")
        draft.write_bytes(body)
        draft.replace(path)
        return "250 OK"


def mails(folder: Path) -> list[EmailMessage]:
    """All that was caught, the oldest first."""
    found = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))]
    return [message for message in found if isinstance(message, EmailMessage)]


@contextmanager
def catching(folder: Path, port: int | None = None) -> Iterator[int]:
    """Catches mail while inside; yields the port."""
    port = port or free_port()
    controller: Any = Controller(Keeper(folder), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()

"""Bodies that a hosted database has sent once, by their SHA-256 on this host's disk: it need not send them again."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BodyStore:
    """A folder of files named by what is in them, so that none can be out of date; `most_bytes` bounds it.

    A disk that fails costs traffic, never a run: it is told, and the body is asked for again.
    """

    folder: Path
    most_bytes: int

    def find(self, digests: Iterable[bytes]) -> dict[bytes, bytes]:
        """Those that are here and whole."""
        found = {}
        for digest in digests:
            path = self.folder / digest.hex()
            try:
                body = path.read_bytes()
                os.utime(path)  # what was used last goes last
            except FileNotFoundError:
                continue
            except OSError as error:
                log.warning("a stored body cannot be read", extra={"path": str(path), "error": str(error)})
                continue
            if hashlib.sha256(body).digest() == digest:
                found[digest] = body
        return found

    def keep(self, bodies: Mapping[bytes, bytes]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for digest, body in bodies.items():
                unfinished = self.folder / f"{digest.hex()}.{os.getpid()}"
                unfinished.write_bytes(body)
                unfinished.replace(self.folder / digest.hex())
            self._prune()
        except OSError as error:
            log.warning("bodies cannot be stored", extra={"folder": str(self.folder), "error": str(error)})

    def _prune(self) -> None:
        """Deletes what was not used for longest until the rest fits."""
        with os.scandir(self.folder) as entries:
            files = sorted(((told := entry.stat()).st_mtime, told.st_size, entry.path) for entry in entries)
        over = sum(size for _, size, _ in files) - self.most_bytes
        for _, size, path in files:
            if over <= 0:
                return
            Path(path).unlink(missing_ok=True)
            over -= size

"""A load generator of its own process: keep-alive connections, one request at a time on each, headers in turn."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WARM_S = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """What came back: answers that were not `200 OK` are in `refused`."""

    requests: int
    refused: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def load(port: int, path: str, tokens: list[str], folder: Path, *, seconds: float, connections: int = 32) -> Load:
    """Runs the generator in a second process until it is done."""
    plan = folder / "load.json"
    plan.write_text(
        json.dumps({"port": port, "path": path, "tokens": tokens, "seconds": seconds, "connections": connections})
    )
    command = [sys.executable, "-m", "bench.load", str(plan)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  ourselves
    return Load(**json.loads(done.stdout))


def main(plan: dict[str, Any]) -> dict[str, Any]:
    head = f"GET {plan['path']} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nAuthorization: Bearer "
    requests = [f"{head}{token}\r\n\r\n".encode() for token in plan["tokens"]]
    poll, sockets = select.epoll(), {}
    for _ in range(plan["connections"]):
        connection = socket.create_connection(("127.0.0.1", plan["port"]))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(connection.fileno(), select.EPOLLIN)
        sockets[connection.fileno()] = connection
    lengths = _first(next(iter(sockets.values())), requests[0])
    sent, taken, refused, turn = dict.fromkeys(sockets, 0.0), array("d"), 0, 0
    parts: dict[int, bytes] = {}
    clock = time.perf_counter
    for number, connection in sockets.items():
        connection.sendall(requests[turn % len(requests)])
        sent[number], turn = clock(), turn + 1
    measured_from = clock() + WARM_S
    until = measured_from + plan["seconds"]
    while clock() < until:
        for number, _ in poll.poll(1):
            connection = sockets[number]
            data = connection.recv(1 << 20)
            if number in parts:
                data = parts.pop(number) + data
            end = data.find(b"\r\n\r\n")
            if end < 0 or len(data) < end + 4 + _length(data, end, lengths):
                if not data:
                    raise SystemExit("the server closed a connection")
                parts[number] = data
                continue
            now = clock()
            if now >= measured_from:
                taken.append(now - sent[number])
                refused += data[9:12] != b"200"
            connection.sendall(requests[turn % len(requests)])
            sent[number], turn = now, turn + 1
    seconds = clock() - measured_from
    ordered = sorted(taken)
    return {
        "requests": len(taken),
        "refused": refused,
        "seconds": seconds,
        "p50_ms": 1_000 * ordered[len(ordered) // 2],
        "p99_ms": 1_000 * ordered[int(len(ordered) * 0.99)],
    }


def _first(connection: socket.socket, request: bytes) -> dict[bytes, int]:
    """One answer, which tells how long those like it are: to read each one's headers would take too long."""
    connection.sendall(request)
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += connection.recv(1 << 20)
    length = _said(data, end)
    while len(data) < end + 4 + length:
        data += connection.recv(1 << 20)
    return {data[9:12]: length}


def _length(data: bytes, end: int, known: dict[bytes, int]) -> int:
    status = data[9:12]
    return known[status] if status in known and status == b"200" else _said(data, end)


def _said(data: bytes, end: int) -> int:
    head = data[:end].lower()
    at = head.index(b"content-length:") + 15
    return int(head[at:].split(b"\r\n", 1)[0])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))

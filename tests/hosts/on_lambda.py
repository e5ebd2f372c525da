"""Built artefacts under Lambda's own runtime interface: nothing of the checkout or its environment is on their path."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from filelock import FileLock

from tests.conftest import ROOT, servers
from tests.hosts.hosting import Hosted, hosted
from tests.hosts.template import FUNCTIONS, read_template

UV = ROOT / ".venv" / "bin" / "uv"
MACHINE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine())
# What Lambda's Python runtime brings besides Python.
_RUNTIME = {
    *("awslambdaric", "simplejson", "snapshot-restore-py"),
    *("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"),
}


def emulator() -> Path | None:
    """Amazon's runtime interface emulator, out of the package of its command line tool."""
    spec = importlib.util.find_spec("samcli")
    if spec is None or spec.origin is None or MACHINE is None or sys.platform != "linux":
        return None
    binary = Path(spec.origin).parent / "local" / "rapid" / f"aws-lambda-rie-{MACHINE}"
    return binary if os.access(binary, os.X_OK) else None


needs_emulator = pytest.mark.skipif(emulator() is None, reason="no runtime interface emulator for this platform")


@cache
def runtime_python() -> tuple[str, str]:
    """(version, program): the one that the template names where this machine has it, else the one that tests run on."""
    wanted = read_template()["Resources"]["ApiFunction"]["Properties"]["Runtime"].removeprefix("python")
    find = [str(UV), "python", "find", "--no-project", "--no-python-downloads", wanted]
    found = subprocess.run(find, capture_output=True, text=True, cwd="/", check=False)
    if found.returncode == 0:
        return wanted, found.stdout.strip()
    return f"{sys.version_info[0]}.{sys.version_info[1]}", sys.executable


def artefact(name: str) -> Path:
    """A function's artefact, the layer's or the runtime's packages: built for this machine, once in a test run."""
    folder = servers() / "lambda" / name
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            draft = folder.with_suffix(".draft")
            (_build_runtime if name == "runtime" else _build)(draft, name)
            draft.rename(folder)
    return folder


def _build(folder: Path, name: str) -> None:
    makefile, target = ("layers", "CoreLayer") if name == "layer" else ("functions", FUNCTIONS[name])
    command = ["make", "-s", "-f", str(ROOT / makefile / "Makefile"), f"build-{target}", f"ARTIFACTS_DIR={folder}"]
    command += [f"ARCHITECTURE={MACHINE}", f"PYTHON_VERSION={runtime_python()[0]}"]
    subprocess.run(command, check=True)


def _build_runtime(folder: Path, _: str) -> None:
    locked = (ROOT / "requirements" / "dev.txt").read_text()
    pins = re.findall(r"^([\w.-]+)(==[^\n]*(?:\n +--hash[^\n]*)*)", locked, re.MULTILINE)
    wanted = folder.with_suffix(".txt")
    wanted.write_text("".join(f"{name}{rest}\n" for name, rest in pins if name in _RUNTIME))
    assert {name for name, _ in pins} >= _RUNTIME
    command = [str(UV), "pip", "install", "--quiet", "--target", str(folder), "--no-deps", "--require-hashes"]
    subprocess.run([*command, "--python-version", runtime_python()[0], "-r", str(wanted)], check=True)


class Container:
    """One warm execution environment of a function."""

    def __init__(self, server: Hosted) -> None:
        self.server = server

    def post(self, event: object, **headers: str) -> httpx.Response:
        url = f"{self.server.url}/2015-03-31/functions/function/invocations"
        return httpx.post(url, json=event, headers=headers, timeout=120)

    def invoke(self, event: object) -> Any:
        return self.post(event).json()

    def request(self, method: str, path: str, **parts: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.invoke(http_event(method, path, **parts))
        return answer


class Deploy(Protocol):
    def __call__(
        self, function: str, environment: Mapping[str, str], timeout_s: int = 60
    ) -> AbstractContextManager[Container]: ...


@contextmanager
def deployed(function: str, environment: Mapping[str, str], timeout_s: int = 60) -> Iterator[Container]:
    logical_id = FUNCTIONS[function]
    handler = read_template()["Resources"][logical_id]["Properties"]["Handler"]
    code, layer, runtime = artefact(function), artefact("layer"), artefact("runtime")
    lambda_variables = {
        "LAMBDA_TASK_ROOT": str(code),
        "PYTHONPATH": f"{code}:{layer / 'python'}:{runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": logical_id,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_s),
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "of-the-tests",
        "AWS_SECRET_ACCESS_KEY": "of-the-tests",
    }

    def command(port: int, spare: int) -> list[str]:
        addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
        addresses += ["--runtime-api-address", f"127.0.0.1:{spare}"]
        # -S: without the site-packages of whoever runs the tests.
        return [str(emulator()), *addresses, runtime_python()[1], "-S", "-m", "awslambdaric", handler]

    with hosted(command, dict(environment) | lambda_variables, code) as server:
        yield Container(server)


def http_event(
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    is_base64: bool = False,
    query: str = "",
) -> dict[str, Any]:
    """What an HTTP API sends to a Lambda, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "abc.execute-api.eu-west-1.amazonaws.com", "x-forwarded-proto": "https", **(headers or {})},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "abc",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "tests",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "22/Nov/2026:13:05:00 +0000",
            "timeEpoch": 1795352700000,
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }

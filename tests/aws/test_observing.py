"""The trace of an invocation, as the SDK sends it to the daemon beside a function (the emulator traces nothing)."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

from tests.hosts.hosting import clean_environment

FUNCTION = """
from types import SimpleNamespace
from core import log
log.configure("INFO")
from aws.observing import observed

@observed("collect")
def handler(event, context):
    return {"status": "ok", "token": "that nobody else may see"}

context = SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="arn", aws_request_id="r",
                          tenant_id=None)
handler({"job": "settle"}, context)
"""


def test_an_invocation_that_is_sampled_sends_a_segment_without_its_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(60)
        environment = clean_environment(
            LAMBDA_TASK_ROOT=str(tmp_path),
            AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{daemon.getsockname()[1]}",
            _X_AMZN_TRACE_ID="Root=1-6740d6a8-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1",
        )
        subprocess.run([sys.executable, "-c", FUNCTION], env=environment, cwd=tmp_path, check=True)
        said = daemon.recv(65_535)
    segment = json.loads(said.split(b"\n", 1)[1])
    assert segment["name"].startswith("## ")
    assert segment["annotations"]["Service"] == "oddwons-collect"
    assert b"nobody else" not in said

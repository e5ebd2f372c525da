"""`python -m tests.analyze.lambda_worker URL FOLDER`: what Lambda's event source mapping does, until it is killed.

It polls the queue, hands each batch to the function's own handler, and deletes what that did not tell as failed. A file
in the folder, named after its process, tells that it has been given work.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

BATCH, WITHIN_S = 10, 40.0


@dataclass
class Context:
    """What Lambda gives a handler besides the event."""

    aws_request_id: str = "of-the-tests"
    function_name: str = "AnalyzeFunction"
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:AnalyzeFunction"
    memory_limit_in_mb: int = 2_048
    ends_at: float = field(default_factory=lambda: time.monotonic() + WITHIN_S)

    def get_remaining_time_in_millis(self) -> int:
        return int(1_000 * (self.ends_at - time.monotonic()))


def record_of(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {},
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:candidates",
        "awsRegion": "eu-west-1",
    }


def main(url: str, folder: Path) -> None:
    from analyze.handler import handler  # reads the environment

    client = boto3.client("sqs")
    while True:
        messages: list[Any] = client.receive_message(QueueUrl=url, MaxNumberOfMessages=BATCH).get("Messages", [])
        if not messages:
            time.sleep(0.5)
            continue
        (folder / str(os.getpid())).touch()
        answer = handler({"Records": [record_of(message) for message in messages]}, Context())
        failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        done: list[Any] = [
            {"Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"]}
            for message in messages
            if message["MessageId"] not in failed
        ]
        if done:
            client.delete_message_batch(QueueUrl=url, Entries=done)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

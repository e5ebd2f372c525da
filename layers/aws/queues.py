"""An SQS queue: messages sent to it, and a batch out of it answered with those that failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.errors import QueueDown

_BATCH, _BATCH_BYTES = 10, 262_144  # of SQS: entries and bytes of a request


def send(url: str, bodies: Sequence[str]) -> None:
    """Raises QueueDown where one of them was not taken; others may have been."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    within = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
    client = boto3.client("sqs", config=within)
    try:
        for batch in _batches(bodies):
            entries: list[Any] = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(batch)]
            told = client.send_message_batch(QueueUrl=url, Entries=entries)
            if failed := told.get("Failed"):
                raise QueueDown(f"sqs: {len(failed)} messages were not taken: {failed[0].get('Message', '')}")
    except (BotoCoreError, ClientError) as error:
        raise QueueDown(f"sqs: {error}") from error


def _batches(bodies: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    held = 0
    for body in bodies:
        size = len(body.encode())
        if batch and (len(batch) == _BATCH or held + size > _BATCH_BYTES):
            yield batch
            batch, held = [], 0
        batch.append(body)
        held += size
    if batch:
        yield batch


def bodies_of(event: Mapping[str, Any]) -> dict[str, str]:
    """Of an SQS event, by the messages' ids."""
    return {record["messageId"]: record["body"] for record in event["Records"]}


def answered(event: dict[str, Any], failures: Mapping[str, Exception], context: Any) -> dict[str, Any]:
    """What Lambda is told: the messages that failed come again, the others are deleted from the queue.

    Also where all have failed: an error would say that the function is broken.
    """
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    def outcome(record: SQSRecord) -> None:
        if (failure := failures.get(record.message_id)) is not None:
            raise failure

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return dict(process_partial_response(event, outcome, processor, context))

"""An SQS queue: messages sent to it, and a batch out of it answered with those that failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Of a request: entries, and bytes. SQS takes four times that since 2025; older queues keep the limit they were given.
_BATCH, _BATCH_BYTES = 10, 262_144


def send(url: str, bodies: Sequence[str]) -> dict[int, str]:
    """Sends ASCII texts: of others SQS refuses some. Returns, by their place, why it may not have taken which."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    within = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
    client = boto3.client("sqs", config=within)
    large = f"sqs: a message of more than {_BATCH_BYTES} bytes"
    refused = {place: large for place, body in enumerate(bodies) if len(body) > _BATCH_BYTES}
    away = ""
    for batch in _batches({place: body for place, body in enumerate(bodies) if place not in refused}):
        if away:
            refused |= dict.fromkeys(batch, away)
            continue
        entries: list[Any] = [{"Id": str(place), "MessageBody": body} for place, body in batch.items()]
        try:
            told = client.send_message_batch(QueueUrl=url, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            away = f"sqs: {error}"
            refused |= dict.fromkeys(batch, away)
        else:
            failed = told.get("Failed", [])
            refused |= {int(one["Id"]): f"sqs: {one['Code']} {one.get('Message', '')}" for one in failed}
    return refused


def _batches(bodies: Mapping[int, str]) -> Iterator[dict[int, str]]:
    batch: dict[int, str] = {}
    held = 0
    for place, body in bodies.items():
        if batch and (len(batch) == _BATCH or held + len(body) > _BATCH_BYTES):
            yield batch
            batch, held = {}, 0
        batch[place] = body
        held += len(body)
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

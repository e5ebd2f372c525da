"""What is read from a verified event: its name, and whom it is about. What became of them Stripe itself is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from core.errors import BadRequest

_LONGEST = 255  # of Stripe's ids, as it says


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """`created` is None when the event does not say it in a way we understand, `customer_id` when it names none."""

    id: str
    type: str
    created: datetime | None
    customer_id: str | None
    body: dict[str, Any]


def parse_event(body: bytes) -> StripeEvent:
    """Raises BadRequest for what has no name to be stored under."""
    try:
        event = orjson.loads(body)
        kind, name = event["type"], event["id"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BadRequest(f"not an event: {type(error).__name__}") from None
    if not (_is_name(name) and _is_name(kind)):
        raise BadRequest("not an event: id and type must be text")
    return StripeEvent(name, kind, _time(event.get("created")), _customer(event), event)


def _customer(event: Mapping[str, Any]) -> str | None:
    """The customer that the event's object is or belongs to; named by its id, or whole where it was expanded."""
    data = event.get("data")
    about = data.get("object") if isinstance(data, Mapping) else None
    if not isinstance(about, Mapping):
        return None
    found = about.get("id") if about.get("object") == "customer" else about.get("customer")
    if isinstance(found, Mapping):
        found = found.get("id")
    return found if _is_name(found) else None


def needs_customer(event: StripeEvent) -> bool:
    """Whether an event of this type is about somebody's access, so that one that names nobody is odd."""
    return event.type.startswith(("customer.subscription.", "invoice.", "customer.deleted"))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()


def _time(value: object) -> datetime | None:
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        pass
    return None

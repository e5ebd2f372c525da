"""Whose words these are: only what one of our secrets signed lately is read any further."""

from __future__ import annotations

from core.errors import BadRequest
from core.settings import WebhookSettings


def verify(body: bytes, signature: str | None, settings: WebhookSettings) -> bytes:
    """The body, signed. Raises BadRequest unless one of our secrets signed exactly these bytes lately."""
    from stripe import SignatureVerificationError, WebhookSignature

    for secret in settings.stripe_webhook_secret.get_secret_value().split(","):
        try:
            WebhookSignature.verify_header(body, signature, secret.strip(), tolerance=settings.stripe_tolerance_s)
            return body
        except (SignatureVerificationError, TypeError, ValueError):  # also a header or a body that is not text
            continue
    raise BadRequest("the signature does not match")

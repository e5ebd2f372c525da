"""Whose words these are: only what one of our secrets signed lately is read any further."""

from __future__ import annotations

from core.errors import BadRequest
from core.settings import WebhookSettings

_LONGEST = 1_000  # bytes of header; Stripe's has some 90 for each secret


def promising(signature: str | None) -> str:
    """Raises BadRequest for what cannot be a signature, before the body is read."""
    if not signature or len(signature) > _LONGEST or "t=" not in signature or "v1=" not in signature:
        raise BadRequest("the signature does not match")
    return signature


def verify(body: bytes, signature: str, settings: WebhookSettings) -> bytes:
    """The body, signed. Raises BadRequest unless one of our secrets signed exactly these bytes lately.

    Every secret is tried whatever the first says: a refusal takes the same work for whatever reason it is one.
    """
    from stripe import SignatureVerificationError, WebhookSignature

    signed = False
    for secret in settings.stripe_webhook_secret.get_secret_value().split(","):
        try:
            WebhookSignature.verify_header(body, signature, secret.strip(), tolerance=settings.stripe_tolerance_s)
            signed = True
        except (SignatureVerificationError, TypeError, ValueError):  # also a header or a body that is not text
            continue
    if not signed:
        raise BadRequest("the signature does not match")
    return body

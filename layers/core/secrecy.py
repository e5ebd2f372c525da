"""Keeps secrets out of what is written: the values that this process was configured with, and what looks like one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, SecretStr

HIDDEN = "[hidden]"
_SHORTEST = 4  # what is shorter is in half of all words

# Of others, whose values we are not configured with: passwords in URLs, bearer and signed tokens, providers' keys.
_LOOKS_SECRET = re.compile(
    r"(?<=://)[^\s/@\"']*:[^\s/@\"']*(?=@)"
    r"|(?<=Bearer )[\w.~+/=-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|\b(?:sk|rk|pk)_(?:live|test)_\w{8,}|\bwhsec_\w{8,}|\bgsk_\w{8,}",
    re.IGNORECASE,
)
_known: re.Pattern[str] | None = None


def secrets_of(settings: BaseModel) -> Iterator[str]:
    """The secret values of the settings, and the passwords in those that are addresses."""
    for value in dict(settings).values():
        if isinstance(value, SecretStr):
            secret = value.get_secret_value()
            yield from (part.strip() for part in secret.split(","))
            yield secret
            if "://" in secret and (password := urlsplit(secret).password):
                yield from (password, unquote(password))


def hide(secrets: Iterable[str]) -> None:
    """From now on `redacted` hides these, in every form in which a line may carry them."""
    global _known
    known = [secret for secret in secrets if len(secret) >= _SHORTEST]
    # Twice: the text of an object is quoted again in JSON.
    forms = {again for secret in known for form in _forms(secret) for again in _forms(form)}
    # The longest first, so that a secret within another leaves no rest of that.
    spelt = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    _known = re.compile(spelt) if spelt else None


def _forms(secret: str) -> set[str]:
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        repr(secret.encode(errors="replace"))[2:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    }


def redacted(text: str) -> str:
    if _known is not None:
        text = _known.sub(HIDDEN, text)
    return _LOOKS_SECRET.sub(HIDDEN, text)

"""What the model is told of the faults in its answer, when it is asked once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

_MOST_FAULTS, _FAULT_CHARS, _SAID_CHARS = 20, 300, 8_000

_AGAIN = """Your answer cannot be published. Its faults, quoted as data:
<faults>
{faults}
</faults>
Answer once more, in the same form, from the same evidence and by the same rules. Leave out what is at fault, or say it
in the words that the rules allow. Mend nothing by inventing: "no real edge", CAUTION and WAIT are good answers."""


def repaired(messages: Sequence[Mapping[str, str]], said: str, faults: Sequence[str]) -> list[Mapping[str, str]]:
    """The conversation with the answer and its faults; the beginning stays the same, so that it is cached."""
    told = orjson.dumps([_sendable(fault[:_FAULT_CHARS]) for fault in dict.fromkeys(faults)][:_MOST_FAULTS]).decode()
    asked = {"role": "user", "content": _AGAIN.format(faults=told.replace("<", "\\u003c"))}
    answered = [{"role": "assistant", "content": _sendable(said[:_SAID_CHARS])}] if said.strip() else []
    return [*messages, *answered, asked]


def _sendable(text: str) -> str:
    """Without halves of surrogate pairs, which a model can write but no request can hold."""
    return text.encode("utf-8", "replace").decode()

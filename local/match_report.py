"""`make match-report PAIRS=file.csv`: the wrong ones listed; the last line is precision, recall, whole and tickers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from core.match.report import answer, read_labelled, score, wrong


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("which pairs? make match-report PAIRS=file.csv\n")
        return 2
    try:
        labelled = read_labelled(Path(arguments[0]).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        sys.stderr.write(f"{arguments[0]} cannot be scored: {error}\n")
        return 2
    verdicts = answer(labelled)
    for line in wrong(labelled, verdicts):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{orjson.dumps(score(labelled, verdicts)).decode()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A function's secrets from SSM's Parameter Store: of each, the ones that its settings name and no others."""

from __future__ import annotations

import sys
from typing import TypeVar

from pydantic import SecretStr

from core.runtime import configured as configured_by
from core.settings import LambdaSettings, Settings, load

S = TypeVar("S", bound=Settings)


def secret_names(kind: type[Settings]) -> list[str]:
    """The variables of `kind` whose values nobody may read, in order."""
    return sorted(
        name.upper() for name, field in kind.model_fields.items() if field.annotation in (SecretStr, SecretStr | None)
    )


def configured(kind: type[S]) -> S:
    """As core.runtime.configured, with secrets out of SECRETS_PATH where that is set. Exit 2 when it cannot be read.

    Read once for each execution environment: one that lives keeps the value that it began with.
    """
    path = load(LambdaSettings).secrets_path
    return configured_by(kind, **({} if path is None else _read(path, secret_names(kind))))


def _read(path: str, names: list[str]) -> dict[str, str]:
    from aws_lambda_powertools.utilities.parameters import SSMProvider
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    within = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 3, "mode": "standard"})
    asked: dict[str, dict[str, str]] = {f"{path}/{name}": {} for name in names}
    try:
        # What is not stored is listed under "_errors", and is then a missing setting like any other.
        told = SSMProvider(boto_config=within).get_parameters_by_name(asked, decrypt=True, raise_on_error=False)
    except (GetParameterError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"SECRETS_PATH {path}: {error}\n")
        raise SystemExit(2) from None
    return {name.lower(): str(told[f"{path}/{name}"]) for name in names if told.get(f"{path}/{name}")}

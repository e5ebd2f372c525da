"""A function's secrets from SSM's Parameter Store or Secrets Manager: those that its settings name and no others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from pydantic import SecretStr

from core.runtime import configured as configured_by
from core.settings import LambdaSettings, Settings, load

if TYPE_CHECKING:
    from botocore.config import Config

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
    where = load(LambdaSettings)
    if where.secrets_path is None:
        return configured_by(kind)
    read = _from_parameters if where.secrets_from == "ssm" else _from_secrets
    return configured_by(kind, **_read(where.secrets_path, secret_names(kind), read))


def _read(path: str, names: list[str], read: Callable[[list[str], Config], Mapping[str, object]]) -> dict[str, str]:
    """By the names of settings. What is not stored is left out, and is then a missing setting like any other."""
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    within = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 3, "mode": "standard"})
    try:
        told = read([f"{path}/{name}" for name in names], within)
    except (GetParameterError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"SECRETS_PATH {path}: {error}\n")
        raise SystemExit(2) from None
    return {name.lower(): str(told[f"{path}/{name}"]) for name in names if told.get(f"{path}/{name}")}


def _from_parameters(names: list[str], within: Config) -> Mapping[str, object]:
    from aws_lambda_powertools.utilities.parameters import SSMProvider

    asked: dict[str, dict[str, str]] = {name: {} for name in names}
    return SSMProvider(boto_config=within).get_parameters_by_name(asked, decrypt=True, raise_on_error=False)


def _from_secrets(names: list[str], within: Config) -> Mapping[str, object]:
    """One by one: to ask for several at once a function would have to be allowed to list all of the account."""
    from aws_lambda_powertools.utilities.parameters import SecretsProvider
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    store = SecretsProvider(boto_config=within)
    told: dict[str, object] = {}
    for name in names:
        try:
            told[name] = store.get(name)
        except GetParameterError as error:
            if "ResourceNotFoundException" not in str(error):
                raise
    return told

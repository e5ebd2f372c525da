"""template.yaml as plain data."""

from __future__ import annotations

from functools import cache
from typing import Any

from samcli.yamlhelper import yaml_parse

from tests.conftest import ROOT

FUNCTIONS = {
    "collect": "CollectFunction",
    "analyze": "AnalyzeFunction",
    "api": "ApiFunction",
    "stripe_webhook": "StripeWebhookFunction",
}


@cache
def read_template() -> dict[str, Any]:
    template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    return template

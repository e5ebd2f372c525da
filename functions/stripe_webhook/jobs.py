"""The jobs that live here, by name."""

from collections.abc import Mapping

from core.runtime import Work
from core.settings import WebhookSettings
from stripe_webhook import reconcile

WORK: Mapping[str, Work[WebhookSettings]] = {"reconcile": reconcile.run}

"""The application as servers load it, configured from the environment."""

from core.runtime import configured
from core.settings import WebhookSettings
from stripe_webhook.app import make_app

SETTINGS = configured(WebhookSettings)
app = make_app(SETTINGS)

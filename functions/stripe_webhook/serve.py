"""The application as servers load it, configured from the environment."""

from core.runtime import configured
from core.settings import WebhookSettings
from stripe_webhook.app import make_app

app = make_app(configured(WebhookSettings))

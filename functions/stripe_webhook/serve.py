"""The application as servers load it, configured from the environment."""

from core import log
from core.settings import WebhookSettings, load
from stripe_webhook.app import make_app

settings = load(WebhookSettings)
log.configure(settings.log_level)
app = make_app(settings)

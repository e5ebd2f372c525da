"""`python -m stripe_webhook`: the server, on PORT, until it is told to stop."""

from core.runtime import serve
from core.settings import WebhookSettings

if __name__ == "__main__":
    serve("stripe_webhook.serve:app", WebhookSettings)

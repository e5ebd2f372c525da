"""`python -m stripe_webhook`: the server, on PORT, until it is told to stop. With `reconcile`: that job, once."""

import sys

from core.runtime import cron_main, serve
from core.settings import WebhookSettings

if __name__ == "__main__":
    if sys.argv[1:]:
        from stripe_webhook.jobs import WORK

        sys.exit(cron_main("reconcile", WORK, WebhookSettings))
    serve("stripe_webhook.serve:app", WebhookSettings)

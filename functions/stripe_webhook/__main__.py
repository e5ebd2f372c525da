"""`python -m stripe_webhook`: the server, on PORT, until it is told to stop."""

import sys

from core import log
from core.errors import ConfigError
from core.settings import WebhookSettings, load


def main() -> int:
    try:
        settings = load(WebhookSettings)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    log.configure(settings.log_level)
    from granian.constants import Interfaces
    from granian.server import Server

    Server(
        "stripe_webhook.serve:app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        log_access=False,
    ).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m collect [job]`: one run, as cron and by hand. Exit 0 done, 1 failed, 2 misconfigured."""

import sys

from collect.jobs import WORK
from core.runtime import cron_main
from core.settings import CollectSettings

if __name__ == "__main__":
    sys.exit(cron_main("collect", WORK, CollectSettings))

"""`python -m analyze [job]`: one run, as cron and by hand. Exit 0 done, 1 failed, 2 misconfigured."""

import sys

from analyze.jobs import WORK
from core.runtime import cron_main
from core.settings import AnalyzeSettings

if __name__ == "__main__":
    sys.exit(cron_main("analyze", WORK, AnalyzeSettings))

"""The API on AWS Lambda, behind an HTTP API."""

from __future__ import annotations

import gc
import sys

gc.disable()  # nothing that is imported is garbage: looking for some among it takes a tenth of a cold start
# FastAPI asks of each model whether it is one of pydantic 1, and goes without where there is none: it is a twelfth.
sys.modules["pydantic.v1"] = None  # type: ignore[assignment]

from mangum import Mangum  # noqa: E402

from api.app import make_app  # noqa: E402
from aws.observing import observed  # noqa: E402
from aws.secrets import configured  # noqa: E402
from core.settings import ApiSettings  # noqa: E402

_app = make_app(configured(ApiSettings))
handler = observed("api", traced=False)(Mangum(_app, lifespan="off"))

gc.freeze()
gc.enable()

"""A function's cold start on AWS Lambda: its built artefact up to its handler, beside importing only its frameworks.

Processor time of a fresh process without compiled bytecode, as Lambda starts one from what `make package` builds.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from bench.result import Result, at_most
from local.kit import DATA

ROOT = Path(__file__).resolve().parent.parent
TIMES = 9
_POWERTOOLS = "from aws_lambda_powertools import Logger, Metrics\n"
_TRACED = f"{_POWERTOOLS}from aws_lambda_powertools import Tracer\nTracer(service='x', auto_patch=False)\n"
_JOB = "import aiolimiter, asyncpg, httpx, numpy, orjson, pydantic_settings, stamina\n"
_HTTP = "import asyncpg, pydantic_settings\nfrom mangum import Mangum\n"
# The function's package: (its target in functions/Makefile, its frameworks).
FUNCTIONS: Mapping[str, tuple[str, str]] = {
    "collect": ("CollectFunction", _TRACED + _JOB),
    "analyze": ("AnalyzeFunction", _TRACED + _JOB + "import rapidfuzz.distance"),
    # Readers wait for this one: beside the barest there can be, without Powertools.
    "api": (
        "ApiFunction",
        "import asyncpg\nfrom fastapi import FastAPI\nfrom mangum import Mangum\nMangum(FastAPI(), lifespan='off')",
    ),
    "stripe_webhook": (
        "StripeWebhookFunction",
        _POWERTOOLS + _HTTP + "from starlette.applications import Starlette\nMangum(Starlette(), lifespan='off')",
    ),
}
_SETTINGS = {
    "DATABASE_URL": "postgresql://x@127.0.0.1/x",
    "JWT_SECRET": "a secret of the benches, long enough for HS256",
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_of_the_benches",
    "STRIPE_PRICE_BASIC": "a",
    "STRIPE_PRICE_PREMIUM": "b",
    "STRIPE_PRICE_PRO": "c",
}


async def run() -> list[Result]:
    folder = DATA / "bench-lambda"
    shutil.rmtree(folder, ignore_errors=True)
    _build("layers", "CoreLayer", folder / "layer")
    results = []
    for function, (target, frameworks) in FUNCTIONS.items():
        _build("functions", target, folder / function)
        # Last, what Lambda's runtime brings: boto3.
        path = [folder / function, folder / "layer" / "python", sysconfig.get_path("purelib")]
        environment = {"PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1"} | _SETTINGS
        times: dict[str, list[float]] = {"floor": [], "function": []}
        for _ in range(TIMES):  # in turn, so that what else the machine does meets both
            for name, code in (("floor", frameworks), ("function", f"import {function}.handler")):
                times[name].append(await _cpu_ms(code, environment))
        floor, ours = median(times["floor"]), median(times["function"])
        told = f"its frameworks {floor:.0f} ms, the function {ours:.0f} ms; not compiled before"
        results.append(at_most(f"cold_vs_floor_{function}", ours / floor, "×", told, 1.5))
    return results


def _build(folder: str, target: str, into: Path) -> None:
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    command = ["make", "-s", "-f", str(ROOT / folder / "Makefile"), f"build-{target}", f"ARTIFACTS_DIR={into}"]
    command += [f"ARCHITECTURE={machine}", f"PYTHON_VERSION={version}"]
    subprocess.run(command, check=True)  # noqa: S603  our own Makefile


async def _cpu_ms(code: str, environment: Mapping[str, str]) -> float:
    timed = f"import time; began = time.process_time()\n{code}\nprint(time.process_time() - began)"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-c", timed, env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return 1_000 * float(said)

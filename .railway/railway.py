"""What runs on Railway. Read by `railway config plan` and `railway config apply`; railway/README.md says how."""

from typing import Any

from railway_sdk import Project, Service, define_railway, postgres, preserve, project, redis, service

from analyze.jobs import WORK as ANALYZE
from collect.jobs import WORK as COLLECT
from core.runtime import JOBS, Job
from stripe_webhook.jobs import WORK as BILLING

BUILD = {
    "builder": "DOCKERFILE",
    "dockerfilePath": "railway/Dockerfile",
    "watchPatterns": ["functions/**", "layers/**", "requirements/**", "sql/**", "railway/Dockerfile"],
}
# Railway keeps these values, set there by hand; what is not named here is removed by `apply`.
SECRET = preserve()
SALES = dict.fromkeys(("STRIPE_SECRET_KEY", "STRIPE_PRICE_BASIC", "STRIPE_PRICE_PREMIUM", "STRIPE_PRICE_PRO"), SECRET)
WEBHOOK = SALES | {"STRIPE_WEBHOOK_SECRET": SECRET}


@define_railway  # type: ignore[untyped-decorator]
def main(context: Any = None) -> Project:
    database, cache = postgres("postgres"), redis("redis")
    staging = (context or {}).get("environment") == "staging"
    common = {
        "ENVIRONMENT": "staging" if staging else "production",
        "LOG_LEVEL": "INFO",
        "DATABASE_URL": database.env.DATABASE_URL,
        "REDIS_URL": cache.env.REDIS_URL,
        "SENTRY_DSN": SECRET,
    }
    analyst = {
        "AI_ANALYSIS_ENABLED": "false" if staging else "true",
        "AI_MODEL": "openai/gpt-oss-20b",
        "GROQ_API_KEY": SECRET,
    }
    jobs = [
        cron(job, common | {"analyze": analyst, "stripe_webhook": WEBHOOK}.get(job.function, {}))
        for job in JOBS.values()
        if job.cron and job.name in {*COLLECT, *ANALYZE, *BILLING}
    ]
    return project(
        "oddwons", resources=[database, cache, api(common, 1 if staging else 2), stripe_webhook(common), *jobs]
    )


def cron(job: Job, variables: dict[str, Any]) -> Service:
    """A service that Railway starts on time and that exits. A stuck one ends by the job's own deadline."""
    return service(
        job.name,
        build=BUILD,
        start=f"python -m {job.function} {job.name}",
        deploy={"cronSchedule": job.cron, "restartPolicyType": "NEVER"},
        env=variables,
    )


def api(common: dict[str, Any], replicas: int) -> Service:
    mail = ("PUBLIC_URL", "SMTP_HOST", "SMTP_USERNAME", "SMTP_PASSWORD", "MAIL_FROM")
    return service(
        "api",
        build=BUILD,
        start="python -m api",
        preDeploy="alembic upgrade head",
        healthcheck="/health",
        healthcheckTimeout=120,
        replicas=replicas,
        deploy={
            "restartPolicyType": "ON_FAILURE",
            "restartPolicyMaxRetries": 10,
            "overlapSeconds": 20,
            "drainingSeconds": 20,
        },
        # One proxy of Railway's stands before it and names the caller's address.
        env=common | SALES | dict.fromkeys(("JWT_SECRET", "CORS_ORIGINS", *mail), SECRET) | {"FORWARDED_HOPS": "1"},
    )


def stripe_webhook(common: dict[str, Any]) -> Service:
    return service(
        "stripe-webhook",
        build=BUILD,
        start="python -m stripe_webhook",
        healthcheck="/health",
        deploy={"restartPolicyType": "ON_FAILURE", "restartPolicyMaxRetries": 10},
        env=common | WEBHOOK,
    )

"""The environment, read once at start. One class per function: what a function does not need it does not ask for."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import ConfigError

Environment = Literal["development", "staging", "production"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


_HOST = r"(\[[^\]@]+\]|[^:,@\[\]\s]*)(:[0-9]{1,5})?"
_ORIGIN = re.compile(r"(http(?!.*:80$)|https(?!.*:443$))://([a-z0-9_][a-z0-9_.-]*|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")
_AUTHORITY = re.compile(rf"(.*@)?{_HOST}(,{_HOST})*")


def _sound(value: SecretStr) -> SecretStr:
    """Refuses here what a client library would refuse later with parts of the password in its message."""
    try:
        sound = _AUTHORITY.fullmatch(urlsplit(value.get_secret_value()).netloc) is not None
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("is not a usable URL: special characters in user name and password must be percent-encoded")
    return value


def _web_address(value: str) -> str:
    try:
        sound = (
            urlsplit(value).scheme in ("http", "https") and bool(urlsplit(value).hostname) and urlsplit(value).port != 0
        )
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("must be an address such as https://example.com")
    return value


def _origin(value: str) -> str:
    """Only as browsers send it (lower case, no usual port, no slash): another form would never match."""
    if not _ORIGIN.fullmatch(value):
        raise ValueError("must be origins such as https://example.com, comma-separated, without a path; or * alone")
    return value


class Settings(BaseSettings):
    """What every function reads. Empty variables count as unset."""

    # Deferred: a function builds only the settings that it loads.
    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True, defer_build=True)

    environment: Environment = "development"
    log_level: LogLevel = "INFO"

    database_url: SecretStr
    database_pool_size: int = Field(default=4, ge=1, le=50)
    database_timeout_s: float = Field(default=10.0, gt=0, le=600)
    database_bulk_timeout_s: float = Field(default=120.0, gt=0, le=3_600, description="for a read or delete of days")
    database_connect_timeout_s: float = Field(default=5.0, gt=0, le=60)
    database_statement_cache: int = Field(default=100, ge=0, le=10_000, description="0 behind a transaction pooler")

    upstash_redis_rest_url: str | None = None
    upstash_redis_rest_token: SecretStr | None = None
    redis_url: SecretStr | None = None
    cache_timeout_s: float = Field(default=1.0, gt=0, le=30)

    sentry_dsn: SecretStr | None = Field(default=None, description="where errors are reported; none without it")

    lease_ttl_s: float = Field(default=60.0, ge=1, le=3_600, description="a dead run's job is free again after this")

    max_clock_skew_s: float = Field(default=60.0, ge=1, le=3_600, description="off the database's clock; no job beyond")
    standby_after_s: int | None = Field(
        default=None, ge=0, le=86_400, description="run only what was due this long ago and nobody did; unset: always"
    )

    jobs_watched: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("collect", "settle", "upkeep", "analyze", "requests", "digest", "base-rates", "grade", "reconcile"),
        description="whose missing is an alarm; comma-separated",
    )
    missed_after_s: int = Field(default=1_200, ge=0, le=86_400, description="past a job's time and deadline")

    collect_interval_s: int = Field(default=900, ge=60, le=86_400)
    analyze_interval_s: int = Field(default=900, ge=60, le=86_400)

    # A moving clock for the local kit and simulations; refused in production.
    clock_start: AwareDatetime | None = None
    clock_origin: float | None = Field(default=None, description="unix time at which it was CLOCK_START")
    clock_speed: float = Field(default=1.0, ge=0, le=100_000)

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql://")
        return _sound(value)

    @field_validator("jobs_watched", mode="before")
    @classmethod
    def _is_listed(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        if not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis:// or rediss://")
        return _sound(value)

    @field_validator("upstash_redis_rest_url")
    @classmethod
    def _is_rest(cls, value: str | None) -> str | None:
        return None if value is None else _web_address(value)

    @model_validator(mode="after")
    def _is_consistent(self) -> Settings:
        if self.upstash_redis_rest_url and not self.upstash_redis_rest_token:
            raise ValueError("UPSTASH_REDIS_REST_TOKEN is needed with UPSTASH_REDIS_REST_URL")
        if self.clock_start is not None and self.environment == "production":
            raise ValueError("CLOCK_START is for the local kit and is refused when ENVIRONMENT=production")
        return self


class LambdaSettings(BaseSettings):
    """What is read before a function's own settings on AWS Lambda."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True, defer_build=True)

    secrets_from: Literal["ssm", "secretsmanager"] = Field(default="ssm", description="which of AWS's stores it is in")
    secrets_path: str | None = Field(
        default=None, pattern=r"^(/[\w.-]+)+$", description="where the secrets are kept, each by its variable's name"
    )


class CollectSettings(Settings):
    kalshi_base_url: str = "https://external-api.kalshi.com/trade-api/v2"
    polymarket_gamma_url: str = "https://gamma-api.polymarket.com"
    polymarket_clob_url: str = "https://clob.polymarket.com"
    kalshi_requests_per_s: float = Field(default=5.0, gt=0, le=1_000)
    polymarket_requests_per_s: float = Field(default=15.0, gt=0, le=1_000)
    http_timeout_s: float = Field(default=20.0, gt=0, le=300)
    http_attempts: int = Field(default=4, ge=1, le=20)
    http_max_body_mb: int = Field(default=64, ge=1, le=1_024)
    listing_min_share: float = Field(default=0.5, ge=0, le=1, description="of the last one's markets, or it is doubted")
    listing_doubt_s: int = Field(default=3_600, ge=0, le=86_400, description="how long a shrunken listing is doubted")
    collect_max_pages: int = Field(default=5_000, ge=1, le=1_000_000)
    control_sweep_every_s: int = Field(default=3_600, ge=0, le=86_400)
    collect_books_most: int = Field(default=200, ge=0, le=2_000, description="markets a run reads the books of")
    snapshot_every_s: int = Field(default=3_600, ge=60, le=86_400)
    retention_days: int = Field(default=7, ge=1, le=3_650, description="of snapshots; candles outlive them")
    retention_min_days: int = Field(default=3, ge=1, le=3_650, description="of snapshots, whatever the disk budget")
    columnstore_after_days: int = Field(default=7, ge=1, le=3_650, description="when TimescaleDB packs snapshots")
    ended_retention_days: int = Field(default=2, ge=1, le=3_650, description="of a final market's snapshots and answer")
    ended_market_days: int = Field(default=30, ge=1, le=3_650, description="of final markets that nothing refers to")
    hourly_candle_days: int = Field(default=30, ge=1, le=3_650)
    daily_candle_days: int = Field(default=365, ge=1, le=36_500)
    history_days: int = Field(default=90, ge=4, le=3_650, description="of the compact history")
    pattern_days: int = Field(default=30, ge=1, le=3_650)
    withheld_days: int = Field(default=30, ge=1, le=3_650)
    ai_call_days: int = Field(default=90, ge=2, le=3_650, description="of calls to the analyst and what they cost")
    arbitrage_days: int = Field(default=90, ge=1, le=3_650)
    digest_days: int = Field(default=365, ge=1, le=36_500)
    job_run_days: int = Field(default=90, ge=1, le=3_650)
    stripe_event_days: int = Field(default=30, ge=4, le=3_650, description="of what a handled event of Stripe's said")
    unverified_days: int = Field(default=7, ge=1, le=365, description="of accounts whose address nobody confirmed")
    disk_budget_gb: float = Field(default=0.0, ge=0, le=100_000, description="of 10^9 bytes, without the WAL; 0: none")
    backfill_days: int = Field(default=7, ge=1, le=90)
    # 4,200 outcomes for base rates, of markets whose price means something; at 215 bytes an hour at most 90 MB.
    backfill_settled_days: int = Field(default=14, ge=0, le=60, description="in which markets settled that are wanted")
    backfill_settled_per_day: int = Field(default=150, ge=1, le=10_000, description="the largest of a day and venue")
    backfill_settled_min_volume: int = Field(default=10_000, ge=0, description="contracts on Kalshi, USD on Polymarket")

    @field_validator("kalshi_base_url", "polymarket_gamma_url", "polymarket_clob_url")
    @classmethod
    def _is_venue(cls, value: str) -> str:
        return _web_address(value)


class AnalyzeSettings(CollectSettings):
    ai_analysis_enabled: bool = True
    ai_model: str = "openai/gpt-oss-20b"
    groq_api_key: SecretStr | None = None
    groq_base_url: str = "https://api.groq.com"
    ai_service_tier: Literal["on_demand", "auto", "flex", "performance"] = "on_demand"
    ai_timeout_s: float = Field(default=60.0, gt=0, le=600, description="for one call; waiting for limits is apart")
    ai_attempts: int = Field(default=2, ge=1, le=10, description="where the service fails")
    ai_busy_attempts: int = Field(default=10, ge=1, le=100, description="where it says when to come again")
    ai_concurrency: int = Field(default=32, ge=1, le=256)
    ai_requests_per_minute: int = Field(default=900, ge=0, description="1,000 for developers, 30 free; 0: no limit")
    ai_tokens_per_minute: int = Field(default=0, ge=0, description="of all processes together; 0: as headers tell each")
    ai_tokens_per_day: int = Field(default=0, ge=0, description="of the plan, by UTC days; 0: no limit")
    ai_max_completion_tokens: int = Field(default=4_096, ge=256, le=65_536)
    ai_budget_usd_per_day: float = Field(default=0.50, ge=0, le=10_000)
    ai_budget_usd_per_run: float = Field(default=0.10, ge=0, le=10_000)
    ai_requests_share: float = Field(
        default=0.2, ge=0, le=1, description="of the day's budget, for what pro users ask for and nothing else"
    )
    ai_deep_share: float = Field(default=0.2, ge=0, le=1, description="of the day's budget at most, for deep analyses")
    ai_deep_model: str = "openai/gpt-oss-120b"
    ai_deep_per_run: int = Field(default=1, ge=0, le=100, description="deep analyses of a run's best insights")
    ai_bundles_per_run: int = Field(default=10, ge=0, le=1_000, description="opportunities explained, the widest first")
    ai_digest_insights: int = Field(default=15, ge=1, le=100, description="of which the analyst writes the digest")
    ai_requests_per_run: int = Field(default=20, ge=1, le=1_000)
    ai_requests_wait_s: int = Field(default=86_400, ge=60, description="after which a request is given up")
    max_quote_age_s: float = Field(default=1_800.0, gt=0, le=86_400)
    analyze_score_threshold: int = Field(default=50, ge=0, le=100)
    analyze_score_margin: int = Field(
        default=10, ge=0, le=100, description="below the threshold, before a pattern ends"
    )
    analyze_max_insights: int = Field(default=20, ge=0, le=2_000)
    analyze_queue_url: str | None = Field(
        default=None, description="of SQS, on AWS: candidates are analysed by workers out of it; unset: by the run"
    )
    rate_moment_days: int = Field(
        default=90, ge=7, le=3_650, description="of history that base rates are measured from"
    )
    base_rate_days: int = Field(default=365, ge=1, le=36_500)
    grade_batch: int = Field(default=500, ge=1, le=10_000, description="insights graded in one transaction")
    calibration_days: int = Field(default=365, ge=7, le=3_650, description="of insights that a model is judged by")
    calibration_min_events: int = Field(default=30, ge=1, description="settled, before its number moves any")
    calibration_min_evidence: float = Field(
        default=20.0,
        ge=1,
        le=1e6,
        description="Bayes factor for it; 1 / the chance of believing one that knows nothing",
    )
    parrot_cents: float = Field(default=1.0, ge=0, le=50, description="off the price, within which it is repeated")
    arbitrage_min_edge_pct: float = Field(default=2.0, ge=0, le=100)
    body_store_dir: Path | None = Field(default=None, description="where a host with a disk keeps what it was sent")
    body_store_mb: int = Field(default=512, ge=1, le=100_000)
    arbitrage_max_book_age_s: float = Field(default=30.0, gt=0, le=600)


class ServerSettings(Settings):
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65_535)


class StripeSettings(ServerSettings):
    """A price's variable may hold several ids, comma-separated: the first is sold, the others are still honoured."""

    stripe_secret_key: SecretStr | None = Field(default=None, description="without it nothing can be bought")
    stripe_base_url: str = "https://api.stripe.com"
    stripe_timeout_s: float = Field(default=8.0, gt=0, le=60, description="for one try")
    stripe_retries: int = Field(default=1, ge=0, le=5)
    stripe_price_basic: Annotated[tuple[str, ...], NoDecode] = ()
    stripe_price_premium: Annotated[tuple[str, ...], NoDecode] = ()
    stripe_price_pro: Annotated[tuple[str, ...], NoDecode] = ()
    grace_days: int = Field(default=7, ge=0, le=60, description="of access after a payment was due and failed")

    @field_validator("stripe_base_url")
    @classmethod
    def _is_stripe(cls, value: str) -> str:
        return _web_address(value).rstrip("/")

    @field_validator("stripe_price_basic", "stripe_price_premium", "stripe_price_pro", mode="before")
    @classmethod
    def _are_prices(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        prices = tuple(price.strip() for price in value.split(","))
        if not all(prices):
            raise ValueError("must be ids of prices, comma-separated")
        return prices

    @model_validator(mode="after")
    def _prices_differ(self) -> StripeSettings:
        prices = [self.stripe_price_basic, self.stripe_price_premium, self.stripe_price_pro]
        every = [price for of_tier in prices for price in of_tier]
        if len(set(every)) < len(every):
            raise ValueError("STRIPE_PRICE_BASIC, STRIPE_PRICE_PREMIUM and STRIPE_PRICE_PRO must differ")
        if self.stripe_secret_key is not None and not all(prices):
            raise ValueError(
                "STRIPE_PRICE_BASIC, STRIPE_PRICE_PREMIUM and STRIPE_PRICE_PRO are needed with STRIPE_SECRET_KEY"
            )
        return self


class ApiSettings(StripeSettings):
    jwt_secret: SecretStr = Field(min_length=32)
    jwt_algorithm: Literal["HS256"] = "HS256"
    access_token_expire_minutes: int = Field(default=30, ge=1, le=1_440)
    refresh_token_days: int = Field(default=30, ge=1, le=365)
    password_hashes_at_once: int = Field(default=1, ge=1, le=16, description="19 MiB and some 30 ms of a core each")
    public_url: str = Field(default="http://127.0.0.1:8000", description="where links in mails lead")
    forwarded_hops: int = Field(default=0, ge=0, le=5, description="proxies before us that name their caller")
    smtp_host: str | None = Field(default=None, description="without it accounts cannot be opened by mail")
    smtp_port: int = Field(default=587, ge=1, le=65_535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_timeout_s: float = Field(default=10.0, gt=0, le=60)
    mail_from: str = "OddWons <no-reply@localhost>"
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="whose pages may read answers in a browser; comma-separated"
    )
    tier_fresh_s: float = Field(default=4.0, ge=0, le=5, description="a downgrade counts within it everywhere")
    tier_grace_s: float = Field(default=300.0, ge=0, le=3_600, description="with the database away")
    preview_tier: Literal["basic", "premium", "pro"] | None = Field(
        default=None, description="whose view the page shows to anyone; for the local kit, refused in production"
    )
    insights_ttl_s: int = Field(default=300, ge=1, le=86_400)
    arbitrage_ttl_s: int = Field(default=60, ge=1, le=86_400)
    stale_s: int = Field(default=300, ge=0, le=3_600, description="answers past their time, with the database away")
    ready_s: float = Field(default=2.0, ge=0, le=10, description="answers in memory, before the cache is asked again")
    ready_mb: int = Field(default=32, ge=1, le=4_096, description="of answers in memory")
    request_timeout_s: float = Field(default=15.0, gt=0, le=120)
    request_max_body_kb: int = Field(default=64, ge=1, le=10_240)
    requests_free: int = Field(default=30, ge=1, description="a minute, over all instances")
    requests_basic: int = Field(default=60, ge=1)
    requests_premium: int = Field(default=120, ge=1)
    requests_pro: int = Field(default=600, ge=1)
    requests_anonymous: int = Field(default=60, ge=1, description="a minute and address")
    login_attempts: int = Field(default=10, ge=1, description="a minute, of an address and for an account each")
    analyses_per_day: int = Field(default=20, ge=0, description="that a pro user may ask for")
    trial_days: int = Field(default=0, ge=0, le=730, description="of a user's first subscription; 0: none")

    @field_validator("public_url")
    @classmethod
    def _is_public(cls, value: str) -> str:
        return _web_address(value).rstrip("/")

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _is_split(cls, value: object) -> object:
        return tuple(origin.strip() for origin in value.split(",")) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return value if value == ("*",) else tuple(_origin(origin) for origin in value)

    @model_validator(mode="after")
    def _shows_nobody_elses_view(self) -> ApiSettings:
        if self.preview_tier is not None and self.environment == "production":
            raise ValueError("PREVIEW_TIER is for the local kit and is refused when ENVIRONMENT=production")
        return self


class WebhookSettings(StripeSettings):
    stripe_secret_key: SecretStr
    stripe_webhook_secret: SecretStr = Field(description="several, comma-separated, while one is rolled")
    stripe_price_basic: Annotated[tuple[str, ...], NoDecode] = Field(min_length=1)
    stripe_price_premium: Annotated[tuple[str, ...], NoDecode] = Field(min_length=1)
    stripe_price_pro: Annotated[tuple[str, ...], NoDecode] = Field(min_length=1)
    stripe_tolerance_s: int = Field(default=300, ge=1, le=3_600)
    webhook_max_body_kb: int = Field(default=512, ge=1, le=10_240)

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _has_no_empty_secret(cls, value: SecretStr) -> SecretStr:
        if any(len(secret.strip()) < 8 for secret in value.get_secret_value().split(",")):
            raise ValueError("each of the comma-separated secrets needs 8 characters or more")
        return value


S = TypeVar("S", bound=BaseSettings)


def load(kind: type[S], **overrides: object) -> S:
    """Reads the environment into `kind`. Raises ConfigError whose one line names every faulty variable."""
    try:
        return kind(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = "; ".join(_fault(detail["loc"], detail["msg"]) for detail in error.errors(include_input=False))
        raise ConfigError(f"environment: {faults}") from None


def _fault(location: tuple[int | str, ...], message: str) -> str:
    name = str(location[0]).upper() if location else ""
    said = message.removeprefix("Value error, ")
    return f"{name}: {said}" if name else said


def simulated_now(settings: Settings, unix_time: float) -> datetime | None:
    """The moving clock's time at `unix_time`, or None when the real time is meant."""
    if settings.clock_start is None:
        return None
    origin = unix_time if settings.clock_origin is None else settings.clock_origin
    return settings.clock_start + timedelta(seconds=(unix_time - origin) * settings.clock_speed)

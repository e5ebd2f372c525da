"""Every error this product raises on purpose, in one tree. `status` is what HTTP says of it; 500 means a bug.

OddWonsError
├── ConfigError               a setting is missing or wrong (exit 2)
├── OutsideError              something that is not ours failed
│   ├── VenueError            a venue did not answer usefully: VenueDown, VenueAnswerError (VenueForbids)
│   ├── DatabaseDown          no connection or no answer in time
│   ├── MailDown              a mail could not be handed over
│   ├── QueueDown             a message could not be handed over
│   ├── StripeError           Stripe did not answer usefully: StripeDown, StripeRefuses
│   └── AnalystError          the model's service or its answer: AnalystUnavailable (AnalystBusy),
│                             AnswerRejected, BudgetSpent
├── JobError                  JobFailed, JobOverlap, JobNotDue, UnknownJob, TaskTaken, BadMessage
└── RequestError              the caller's: BadRequest, Unauthorized, Forbidden, NotFound, Conflict, TooLarge, TooMany
"""

from decimal import Decimal


class OddWonsError(Exception):
    """A fact in words. Subclasses set `status`."""

    status = 500


class ConfigError(OddWonsError):
    """A setting is missing or wrong; the message names it."""


class OutsideError(OddWonsError):
    status = 502


class VenueError(OutsideError):
    """A venue did not give a usable answer."""


class VenueDown(VenueError):
    """No answer, a refusal or an overload, after all retries."""


class VenueAnswerError(VenueError):
    """An answer arrived that is not what the venue's protocol allows."""


class VenueForbids(VenueAnswerError):
    """The venue keeps this to holders of a key, or from where we are."""


class DatabaseDown(OutsideError):
    status = 503


class MailDown(OutsideError):
    """No mail server is set, or it did not take the message."""

    status = 503


class QueueDown(OutsideError):
    """The queue did not take all messages."""

    status = 503


class StripeError(OutsideError):
    """Stripe did not give a usable answer."""


class StripeDown(StripeError):
    """No answer, an overload or a fault of theirs, after all retries."""

    status = 503


class StripeRefuses(StripeError):
    """Stripe does not take our key or our request, or answers in a shape that we do not know. Retrying is no help."""


class AnalystError(OutsideError):
    """The analyst gave nothing publishable."""


class AnalystUnavailable(AnalystError):
    """The model's service is down, out of quota, refuses the key, or is switched off."""


class AnalystBusy(AnalystUnavailable):
    """Its limits allow no call for `wait_s` seconds, which is longer than the run has."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class BudgetSpent(AnalystError):
    """The call that was to be made could cost more than is left; the message says of what."""


class AnswerRejected(AnalystError):
    """The model answered, but not in the schema. `said` is what it said where that is known.

    `cost_usd` is what that cost, 0 where the service does not say; then `is_cost_known` is False if it may have cost.
    """

    def __init__(
        self, message: str, cost_usd: Decimal = Decimal(0), *, said: str | None = None, is_cost_known: bool = True
    ) -> None:
        super().__init__(message)
        self.cost_usd = cost_usd
        self.said = said
        self.is_cost_known = is_cost_known


class JobError(OddWonsError):
    pass


class UnknownJob(JobError):
    """No such job, or its work lives in another function."""


class JobOverlap(JobError):
    """Another run holds this job's lease."""


class JobNotDue(JobError):
    """A stand-by's turn has not come: the job ran in time elsewhere."""


class JobFailed(JobError):
    """The job's work failed as a whole; the message says which part."""


class TaskTaken(JobError):
    """Another worker is at the same task."""


class BadMessage(JobError):
    """What came out of a queue is not what is put into it."""


class RequestError(OddWonsError):
    status = 400


class BadRequest(RequestError):
    status = 400


class Unauthorized(RequestError):
    status = 401


class Forbidden(RequestError):
    """The caller is known but the tier does not include this; `upgrade_to` names the tier that does."""

    status = 403

    def __init__(self, message: str, upgrade_to: str | None = None) -> None:
        super().__init__(message)
        self.upgrade_to = upgrade_to


class NotFound(RequestError):
    status = 404


class Conflict(RequestError):
    """What is asked for does not go together with what is there."""

    status = 409


class TooLarge(RequestError):
    status = 413


class TooMany(RequestError):
    """More requests than are allowed; the next has a chance in `retry_after_s` seconds."""

    status = 429

    def __init__(self, message: str, retry_after_s: int, upgrade_to: str | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.upgrade_to = upgrade_to

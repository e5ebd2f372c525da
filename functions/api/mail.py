"""Mail through SMTP: one message, one deadline. aiosmtplib's errors stop here."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from core.errors import MailDown
from core.settings import ApiSettings


async def send(settings: ApiSettings, to: str, subject: str, text: str) -> None:
    """Hands one text message to the mail server. Raises MailDown when none is set or it did not take it."""
    if settings.smtp_host is None:
        raise MailDown("SMTP_HOST is not set")
    import aiosmtplib  # only those who send need it

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.mail_from, to, subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="oddwons")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="7bit")  # our texts are ASCII, and links stay whole
    password = settings.smtp_password
    try:
        async with asyncio.timeout(settings.smtp_timeout_s):
            await aiosmtplib.send(
                message,
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_username,
                password=None if password is None else password.get_secret_value(),
                use_tls=settings.smtp_security == "tls",
                start_tls=settings.smtp_security == "starttls",
                timeout=settings.smtp_timeout_s,
            )
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        raise MailDown(f"mail: {type(error).__name__} {error}"[:300]) from error

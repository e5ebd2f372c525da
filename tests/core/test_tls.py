"""A database across the internet: with verify-full only a server with a certificate for its name is talked to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core import db
from core.errors import DatabaseDown
from core.settings import Settings

_SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
Url = Callable[..., str]


def make_certificate(folder: Path, address: str) -> Path:
    """A file with a key and a certificate that signs itself, for an address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "database of the tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / f"{address}-{key.private_numbers().private_value % 10**6}.pem"
    file.write_bytes(certificate.public_bytes(pem) + private)
    return file


class TlsBefore:
    """What a hosted database has before it: takes PostgreSQL's request for TLS, then hands on what comes."""

    def __init__(self, socket_path: str, certificate: Path) -> None:
        self._path = socket_path
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        self._open: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            assert await reader.readexactly(8) == _SSL_REQUEST
            writer.write(b"S")
            await writer.start_tls(self._tls)
            there, back = await asyncio.open_unix_connection(self._path)
            self._open.append(back)
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                target.write(data)
        target.close()

    async def close(self) -> None:
        for writer in self._open:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@pytest.fixture
async def hosted(database_url: str, tmp_path: Path) -> AsyncIterator[Url]:
    """hosted(trusted file, host): the test's database behind TLS with a certificate for 127.0.0.1."""
    parts = urlsplit(database_url)
    query = parse_qs(parts.query)
    certificate = make_certificate(tmp_path, "127.0.0.1")
    before = TlsBefore(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}", certificate)
    server = await asyncio.start_server(before.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def url(trusted: Path = certificate, host: str = "127.0.0.1") -> str:
        verified = f"sslmode=verify-full&sslrootcert={quote(str(trusted))}"
        return f"postgresql://postgres@{host}:{port}{parts.path}?{verified}"

    yield url
    server.close()
    await before.close()


async def reached(url: str) -> None:
    pool = await db.make_pool(Settings(database_url=url))
    try:
        async with db.acquire(pool, 10) as connection:
            await db.ping(connection)
    finally:
        await pool.close()


async def test_a_server_with_a_trusted_certificate_for_its_name_is_talked_to(hosted: Url) -> None:
    await reached(hosted())


async def test_a_server_whose_certificate_nobody_vouches_for_is_not(hosted: Url, tmp_path: Path) -> None:
    with pytest.raises(DatabaseDown, match="CERTIFICATE_VERIFY_FAILED"):
        await reached(hosted(trusted=make_certificate(tmp_path, "127.0.0.1")))


async def test_a_server_with_a_certificate_for_another_name_is_not(hosted: Url) -> None:
    with pytest.raises(DatabaseDown, match="Hostname mismatch"):
        await reached(hosted(host="localhost"))

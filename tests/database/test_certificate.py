"""When the database's certificate ends: seen as a client sees it, without logging in."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.database.certificate import SSL_REQUEST, Certificate

ENDS = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


def certified(folder: Path) -> ssl.SSLContext:
    """Return the context of a server with a certificate of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a database")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ENDS - timedelta(days=3650))
        .not_valid_after(ENDS)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@contextmanager
def listening(context: ssl.SSLContext | None) -> Iterator[str]:
    """Answer one SSLRequest as PostgreSQL does; yield the URL."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(8) == SSL_REQUEST
            connection.sendall(b"N" if context is None else b"S")
            with suppress(OSError):
                if context is not None:
                    context.wrap_socket(connection, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        answered = thread.submit(answer)
        port = listener.getsockname()[1]
        yield f"postgresql://somebody@127.0.0.1:{port}/todo?sslmode=require"
        answered.result(20)


async def looked_at(url: str) -> float | None:
    certificate = Certificate(url)
    looking = asyncio.create_task(certificate.keep_looking())
    async with asyncio.timeout(20):
        while certificate.ends_at is None and not looking.done():
            await asyncio.sleep(0.01)
    looking.cancel()
    return certificate.ends_at


async def test_the_end_of_the_certificate_is_seen(tmp_path: Path) -> None:
    with listening(certified(tmp_path)) as url:
        assert await looked_at(url) == ENDS.timestamp()


async def test_a_database_without_tls_has_none() -> None:
    with listening(None) as url:
        assert await Certificate(url)._end() is None


async def test_by_a_socket_of_the_file_system_nothing_is_looked_at() -> None:
    assert await looked_at("postgresql://somebody@/todo?host=/var/run/postgresql") is None


@pytest.mark.parametrize(
    ("places", "port"), [("a", 5432), ("a:1,b:2", 1), ("a,b", 5432), ("a,b:2", 5432)]
)
def test_of_several_servers_the_first_is_looked_at(places: str, port: int) -> None:
    certificate = Certificate(f"postgresql://somebody@{places}/todo")
    assert (certificate._host, certificate._port) == ("a", port)


async def test_a_database_that_is_away_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setattr("app.database.certificate.INTERVAL", 0.01)
    certificate = Certificate(f"postgresql://somebody@127.0.0.1:{unused_tcp_port}/todo")
    looking = asyncio.create_task(certificate.keep_looking())
    await asyncio.sleep(0.1)
    assert not looking.done()
    looking.cancel()

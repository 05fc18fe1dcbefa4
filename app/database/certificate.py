"""When the certificate of the database ends: it is asked for without logging in.

A client begins with SSLRequest, and the TLS handshake follows
(https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL); libpq does not show
what it was given. A database that sleeps is not woken by this.
"""

import asyncio
import logging
import ssl

from cryptography import x509
from psycopg.conninfo import conninfo_to_dict

from app.database.urls import libpq_url

logger = logging.getLogger(__name__)

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
WILLING = b"S"

INTERVAL = 6 * 3600.0
"""Seconds between two looks."""

PATIENCE = 10.0
"""Seconds that a look may take."""


class Certificate:
    """The certificate that a database shows, as it was seen last."""

    def __init__(self, url: str) -> None:
        options = conninfo_to_dict(libpq_url(url))
        self._host = str(options.get("host") or "").partition(",")[0]
        # One that is left out, of several, is the usual one.
        self._port = int(str(options.get("port") or "").partition(",")[0] or 5432)
        self.ends_at: float | None = None
        """In seconds since the epoch; None where none was seen."""

    async def keep_looking(self) -> None:
        """Look now and then, for as long as the server runs."""
        # By a socket of the file system there is no TLS.
        while self._host and not self._host.startswith("/"):
            try:
                async with asyncio.timeout(PATIENCE):
                    self.ends_at = await self._end()
            except (OSError, EOFError) as error:
                logger.info("The database's certificate cannot be seen: %s", error)
            await asyncio.sleep(INTERVAL)

    async def _end(self) -> float | None:
        """Return when the certificate ends; None where the database has no TLS.

        Raises:
            OSError, EOFError: it cannot be reached, or does not answer.
        """
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(SSL_REQUEST)
            if await reader.readexactly(1) != WILLING:
                return None
            # Whether to trust it is libpq's to say: here it is only read.
            unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            unverified.check_hostname = False
            unverified.verify_mode = ssl.CERT_NONE
            await writer.start_tls(unverified, server_hostname=self._host)
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return x509.load_der_x509_certificate(shown).not_valid_after_utc.timestamp()
        finally:
            writer.transport.abort()

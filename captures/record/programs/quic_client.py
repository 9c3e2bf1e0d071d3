"""Open a QUIC connection that offers HTTP/3 (aioquic).

Arguments: host, port, PEM bundle of trust anchors, timeout in seconds.
"""

from __future__ import annotations

import asyncio
import sys

from aioquic.asyncio import connect  # type: ignore[attr-defined, import-not-found, unused-ignore]
from aioquic.h3.connection import H3_ALPN  # type: ignore[import-not-found, unused-ignore]
from aioquic.quic.configuration import QuicConfiguration  # type: ignore[import-not-found, unused-ignore]


async def _connect(host: str, port: int, configuration: QuicConfiguration) -> None:
    async with connect(host, port, configuration=configuration) as connection:
        await connection.ping()


def main(host: str, port: str, bundle: str, timeout: str) -> int:
    """Print why the connection failed; give the exit status, 0 when it was made."""
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, cafile=bundle)
    try:
        asyncio.run(asyncio.wait_for(_connect(host, int(port), configuration), float(timeout)))
    except (ConnectionError, TimeoutError) as error:
        print(f"error: {type(error).__name__}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

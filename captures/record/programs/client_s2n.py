"""GET a page by s2n-tls, through awscrt.

Arguments: host, port, PEM bundle of trust anchors, timeout in seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

from awscrt.exceptions import AwsCrtError  # type: ignore[import-not-found, unused-ignore]
from awscrt.http import HttpClientConnection, HttpHeaders, HttpRequest  # type: ignore[import-not-found, unused-ignore]
from awscrt.io import (  # type: ignore[import-not-found, unused-ignore]
    ClientTlsContext,
    SocketOptions,
    TlsContextOptions,
)


def main(host: str, port: str, bundle: str, timeout: str) -> int:
    """Print what came back, or the error; give the exit status."""
    options = TlsContextOptions()
    options.override_default_trust_store(Path(bundle).read_bytes())
    tls = ClientTlsContext(options).new_connection_options()
    tls.set_server_name(host)
    socket = SocketOptions()
    socket.connect_timeout_ms = int(float(timeout) * 1000)
    size = 0

    def on_body(chunk: bytes, **_: object) -> None:
        nonlocal size
        size += len(chunk)

    try:
        connecting = HttpClientConnection.new(
            host_name=host, port=int(port), socket_options=socket, tls_connection_options=tls
        )
        connection = connecting.result(float(timeout))
        headers = HttpHeaders([("Host", host), ("Connection", "close")])
        stream = connection.request(HttpRequest("GET", "/", headers), on_body=on_body)
        stream.activate()
        stream.completion_future.result(float(timeout))
    except (AwsCrtError, TimeoutError) as error:
        print(f"error: {error}")
        return 1
    print(f"{size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""GET a page by Python's ssl module.

Arguments: host, port, PEM bundle of trust anchors, timeout in seconds.
"""

from __future__ import annotations

import socket
import ssl
import sys


def main(host: str, port: str, bundle: str, timeout: str) -> int:
    """Print what came back, or the exception; give the exit status."""
    context = ssl.create_default_context(cafile=bundle)
    try:
        with (
            socket.create_connection((host, int(port)), timeout=float(timeout)) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            secure.sendall(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            size = 0
            while chunk := secure.recv(65536):
                size += len(chunk)
    except OSError as error:
        print(f"error: {type(error).__name__}: {error}")
        return 1
    print(f"{size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

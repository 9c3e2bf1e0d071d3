"""GET a page by Python's ssl module.

Arguments: host, port, PEM bundle of trust anchors, timeout in seconds, then NAME=VALUE:

cert=FILE, key=FILE  the client's certificates and its key, as PEM files
min=VERSION          the lowest version of TLS, as in 1.2
max=VERSION          the highest
ciphers=LIST         as OpenSSL writes it
alpn=LIST            the application protocols, with commas between them
"""

from __future__ import annotations

import socket
import ssl
import sys

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


def main(host: str, port: str, bundle: str, timeout: str, *settings: str) -> int:
    """Print what came back, or the exception; give the exit status."""
    context = _context(bundle, dict(setting.split("=", 1) for setting in settings))
    try:
        with (
            socket.create_connection((host, int(port)), timeout=float(timeout)) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            secure.sendall(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            answer = b""
            while chunk := secure.recv(65536):
                answer += chunk
    except OSError as error:
        print(f"error: {type(error).__name__}: {error}")
        return 1
    print(f"{len(answer)} bytes")
    return int(b" 400 " in answer[:16])


def _context(bundle: str, options: dict[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=bundle)
    if "cert" in options:
        context.load_cert_chain(options["cert"], options["key"])
    if "min" in options:
        context.minimum_version = _VERSIONS[options["min"]]
    if "max" in options:
        context.maximum_version = _VERSIONS[options["max"]]
    if "ciphers" in options:
        context.set_ciphers(options["ciphers"])
    if "alpn" in options:
        context.set_alpn_protocols(options["alpn"].split(","))
    return context


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

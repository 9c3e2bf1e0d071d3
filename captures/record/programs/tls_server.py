"""Answer GET requests by Python's ssl module, one connection after the other.

Arguments: port, PEM chain, PEM key, the one version of TLS, then NAME=VALUE:

verify=require  refuse a client without a certificate that leads to one of ca
verify=given    ask for a certificate, and check it if there is one
ca=FILE         PEM bundle of the CAs of clients
ciphers=LIST    as OpenSSL writes it
alpn=LIST       the application protocols, with commas between them
sni=HOST        refuse clients that ask for another name, or for none: unrecognized_name
pause=SECONDS   wait after the accept before the handshake begins
stall=SECONDS   send the first record of the server's flight, wait, then send the rest
"""

from __future__ import annotations

import socket
import ssl
import sys
import time

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
_VERIFY = {"require": ssl.CERT_REQUIRED, "given": ssl.CERT_OPTIONAL}
_PAGE = b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"
_RECORD_HEADER = 5


def main(port: str, chain: str, key: str, version: str, *settings: str) -> None:
    """Serve IPv4 and IPv6 until killed."""
    options = dict(setting.split("=", 1) for setting in settings)
    context = _context(chain, key, version, options)
    with socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        while True:
            connection, _ = listener.accept()
            connection.settimeout(10)
            time.sleep(float(options.get("pause", 0)))
            try:
                if "stall" in options:
                    _serve_slowly(connection, context, float(options["stall"]))
                else:
                    with context.wrap_socket(connection, server_side=True) as secure:
                        secure.recv(65536)
                        secure.sendall(_PAGE)
                        secure.unwrap().close()
            except OSError as error:
                print(f"refused: {error}", flush=True)
                connection.close()


def _context(chain: str, key: str, version: str, options: dict[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    context.minimum_version = context.maximum_version = _VERSIONS[version]
    context.verify_mode = _VERIFY.get(options.get("verify", ""), ssl.CERT_NONE)
    if "ca" in options:
        context.load_verify_locations(options["ca"])
    if "ciphers" in options:
        context.set_ciphers(options["ciphers"])
    if "alpn" in options:
        context.set_alpn_protocols(options["alpn"].split(","))
    if "sni" in options:

        def check(_: ssl.SSLObject | ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> int | None:
            return None if name == options["sni"] else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

        context.sni_callback = check
    return context


def _serve_slowly(connection: socket.socket, context: ssl.SSLContext, seconds: float) -> None:
    """Begin a handshake, and let the flight after its first record come late; then close."""
    fromclient, toclient = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = context.wrap_bio(fromclient, toclient, server_side=True)
    late = False
    while True:
        try:
            handshake.do_handshake()
        except ssl.SSLWantReadError:
            answer = toclient.read()
            if answer and not late:
                length = _RECORD_HEADER + int.from_bytes(answer[3:5])
                connection.sendall(answer[:length])
                answer = answer[length:]
                time.sleep(seconds)
                late = True
            connection.sendall(answer)
            if not (arrived := connection.recv(65536)):
                break
            fromclient.write(arrived)
        else:
            connection.sendall(toclient.read())
            break
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Answer GET requests by Python's ssl module, one connection after the other.

Arguments: port, PEM chain, PEM key, the one version of TLS, then NAME=VALUE:

verify=require  refuse a client without a certificate that leads to one of ca
verify=given    ask for a certificate, and check it if there is one
ca=FILE         PEM bundle of the CAs of clients
ciphers=LIST    as OpenSSL writes it
alpn=LIST       the application protocols, with commas between them
sni=HOST        refuse clients that ask for another name, or for none: unrecognized_name
keylog=FILE     write the session secrets there
pause=SECONDS   wait after the accept before the handshake begins
stall=SECONDS   send the first record of the server's flight, wait, then send the rest
leave=WHEN:HOW  leave without an alert: WHEN is record (the first record of the flight is out) or answer (the
                client's answer to the flight has come); HOW is fin or rst
"""

from __future__ import annotations

import socket
import ssl
import struct
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
                if "stall" in options or "leave" in options:
                    _serve_badly(connection, context, float(options.get("stall", 0)), options.get("leave", ""))
                else:
                    with context.wrap_socket(connection, server_side=True) as secure:
                        if secure.recv(65536):
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
    if "keylog" in options:
        context.keylog_filename = options["keylog"]
    if "ciphers" in options:
        context.set_ciphers(options["ciphers"])
    if "alpn" in options:
        context.set_alpn_protocols(options["alpn"].split(","))
    if "sni" in options:

        def check(_: ssl.SSLObject | ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> int | None:
            return None if name == options["sni"] else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

        context.sni_callback = check
    return context


def _serve_badly(connection: socket.socket, context: ssl.SSLContext, stall: float, leave: str) -> None:
    """Begin a handshake, and let the flight after its first record come late, or leave."""
    arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = context.wrap_bio(arrived, leaving, server_side=True)
    when, _, how = leave.partition(":")
    answered = False
    while True:
        try:
            handshake.do_handshake()
        except ssl.SSLWantReadError:
            flight = leaving.read()
            if flight and not answered:
                length = _RECORD_HEADER + int.from_bytes(flight[3:5])
                connection.sendall(flight[:length])
                flight = flight[length:]
                if when == "record":
                    break
                time.sleep(stall)
                answered = True
            connection.sendall(flight)
            if not (read := connection.recv(65536)):
                break
            if answered and when == "answer":
                break
            arrived.write(read)
        else:
            connection.sendall(leaving.read())
            break
    if how == "rst":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

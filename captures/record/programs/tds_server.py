"""Speak TDS as SQL Server does until TLS stands, which is that of Python's ssl module: then refuse the login.

Arguments: port, PEM chain, PEM key, the one version of TLS. PRELOGIN answers that encryption is on; the handshake is
wrapped in TDS packets of type PRELOGIN ([MS-TDS] 2.2.6.5), what follows it is not.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import sys

_VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.2": ssl.TLSVersion.TLSv1_2}
_PRELOGIN, _RESPONSE = 0x12, 0x04
_LARGEST = 4096
_OPTIONS = bytes.fromhex("00000b0006 0100110001 ff") + bytes.fromhex("100000000000") + b"\x01"
"""VERSION 16.0 and ENCRYPTION on."""
_FAILED = "Login failed for user 'karl'.".encode("utf-16-le")


def main(port: str, chain: str, key: str, version: str) -> None:
    """Serve IPv4 and IPv6 until killed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    context.minimum_version = context.maximum_version = _VERSIONS[version]
    with socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        while True:
            connection, _ = listener.accept()
            connection.settimeout(10)
            try:
                _serve(connection, context)
            except (OSError, EOFError) as error:
                print(f"refused: {error}", flush=True)
            connection.close()


def _serve(connection: socket.socket, context: ssl.SSLContext) -> None:
    _read_packet(connection)
    connection.sendall(_packet(_RESPONSE, _OPTIONS))
    inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = context.wrap_bio(inside, outside, server_side=True)
    done = False
    while not done:
        try:
            secure.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        flight = outside.read()
        for at in range(0, len(flight), _LARGEST - 8):
            part = flight[at : at + _LARGEST - 8]
            connection.sendall(_packet(_PRELOGIN, part, last=at + len(part) == len(flight)))
        if not done:
            inside.write(_read_packet(connection))
    login = b""
    while not login:
        try:
            login = secure.read(_LARGEST)
        except ssl.SSLWantReadError:
            data = connection.recv(_LARGEST)
            if not data:
                raise EOFError("no login came") from None
            inside.write(data)
    token = struct.pack("<IBBH", 18456, 1, 14, len(_FAILED) // 2) + _FAILED + bytes(2) + struct.pack("<I", 1)
    error = b"\xaa" + struct.pack("<H", len(token)) + token + b"\xfd" + struct.pack("<HHQ", 2, 0, 0)
    secure.write(_packet(_RESPONSE, error))
    connection.sendall(outside.read())
    with contextlib.suppress(OSError):
        connection.recv(_LARGEST)


def _packet(kind: int, body: bytes, *, last: bool = True) -> bytes:
    return struct.pack(">BBHHBB", kind, int(last), 8 + len(body), 0, 1, 0) + body


def _read_packet(connection: socket.socket) -> bytes:
    header = _read(connection, 8)
    return _read(connection, int.from_bytes(header[2:4], "big") - 8)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError(f"the client left after {len(data)} of {size} bytes")
        data += part
    return data


if __name__ == "__main__":
    main(*sys.argv[1:])

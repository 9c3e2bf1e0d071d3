"""A TCP server that answers a ClientHello with TLS messages that are wrong. Arguments: port, what is wrong.

version      a ServerHello of TLS 1.2, whatever versions the client offers
suite        a ServerHello with a cipher suite that the client did not offer
compression  a ServerHello that wants compression
short        a ServerHello that ends in the middle of its random
order        a ServerHelloDone where a ServerHello belongs
overflow     a record of 20,000 bytes
retry-twice  a HelloRetryRequest, and another one to the answer
share        a ServerHello of TLS 1.3 with a key share that is no point of its curve
"""

from __future__ import annotations

import socket
import sys

_HANDSHAKE, _SERVER_HELLO, _SERVER_HELLO_DONE = 22, 2, 14
_SUPPORTED_VERSIONS, _KEY_SHARE = 43, 51
_ECDHE_RSA_AES_128_GCM, _ECDHE_PSK_NULL, _AES_128_GCM = 0xC02F, 0xC039, 0x1301
_P256, _P384 = 23, 24
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_SESSION_ID_AT = 5 + 4 + 2 + 32


def serve(connection: socket.socket, fault: str) -> None:
    """Answer one client, then read what it has to say until it leaves."""
    hello = connection.recv(65536)
    length = hello[_SESSION_ID_AT]
    session = hello[_SESSION_ID_AT : _SESSION_ID_AT + 1 + length]
    connection.sendall(_answer(fault, session))
    while connection.recv(65536):
        if fault == "retry-twice":
            connection.sendall(_answer(fault, session))


def _answer(fault: str, session: bytes) -> bytes:
    version = (0x0304).to_bytes(2)
    if fault == "suite":
        return _record(_server_hello(session, _ECDHE_PSK_NULL))
    if fault == "compression":
        return _record(_server_hello(session, _ECDHE_RSA_AES_128_GCM, compression=1))
    if fault == "short":
        return _record(_message(_SERVER_HELLO, b"\x03\x03" + bytes(16)))
    if fault == "order":
        return _record(_message(_SERVER_HELLO_DONE, b""))
    if fault == "overflow":
        return _record(bytes(20_000))
    if fault == "retry-twice":
        extensions = _extension(_SUPPORTED_VERSIONS, version) + _extension(_KEY_SHARE, _P384.to_bytes(2))
        return _record(_server_hello(session, _AES_128_GCM, extensions, random=_RETRY))
    if fault == "share":
        share = _P256.to_bytes(2) + (65).to_bytes(2) + b"\x04" + bytes(64)
        extensions = _extension(_SUPPORTED_VERSIONS, version) + _extension(_KEY_SHARE, share)
        return _record(_server_hello(session, _AES_128_GCM, extensions))
    return _record(_server_hello(session, _ECDHE_RSA_AES_128_GCM))


def _server_hello(
    session: bytes, suite: int, extensions: bytes = b"", *, compression: int = 0, random: bytes = bytes(range(32))
) -> bytes:
    body = b"\x03\x03" + random + session + suite.to_bytes(2) + bytes([compression])
    return _message(_SERVER_HELLO, body + len(extensions).to_bytes(2) + extensions)


def _extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2) + len(body).to_bytes(2) + body


def _message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3) + body


def _record(fragment: bytes) -> bytes:
    return bytes([_HANDSHAKE]) + b"\x03\x03" + len(fragment).to_bytes(2) + fragment


def main(port: str, fault: str) -> None:
    """Serve IPv4 and IPv6, one connection after the other, until killed."""
    with socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                try:
                    serve(connection, fault)
                except OSError as error:
                    print(f"left: {error}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

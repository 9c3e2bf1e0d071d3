"""A TCP server that accepts a connection and then does no TLS. Arguments: port, what to do.

silent   read what comes, never answer, never close
close    read the first bytes, then close: FIN
reset    read the first bytes, then abort: RST
slam     close before a byte has come: FIN
abort    abort before a byte has come: RST
banner   greet like a mail server before the client has said anything, and wait
ssh, mysql, ftp    greet like servers of these protocols, and wait
proxy, redis, postgresql, imap    answer the first bytes like servers of these protocols, then close
"""

from __future__ import annotations

import socket
import struct
import sys
import time

_GREETINGS = {
    "banner": b"220 mail.backend.example ESMTP ready\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
    "ftp": b"220 (vsFTPd 3.0.3)\r\n",
    "mysql": bytes.fromhex("4a0000000a") + b"8.0.36\0" + bytes.fromhex("0b000000") + b"12345678\0"
    + bytes.fromhex("ffffff0200ffdf15") + bytes(10) + b"123456789012\0caching_sha2_password\0",
}  # fmt: skip
_ANSWERS = {
    "proxy": b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"proxy\"\r\n"
    b"Connection: close\r\nContent-Length: 0\r\n\r\n",
    "redis": b"-ERR Protocol error: invalid multibulk length\r\n",
    "postgresql": b"E\0\0\0\x4eSFATAL\0VFATAL\0C08P01\0Munsupported frontend protocol 5635.257\0\0",
    "imap": b"* BAD Error in IMAP command received by server.\r\n",
}  # fmt: skip


def serve(connection: socket.socket, deed: str) -> None:
    """Do the deed on one connection."""
    connection.sendall(_GREETINGS.get(deed, b""))
    if deed not in {"slam", "abort"}:
        connection.recv(65536)
    connection.sendall(_ANSWERS.get(deed, b""))
    if deed in {"close", "slam", *_ANSWERS}:
        connection.close()
    elif deed in {"reset", "abort"}:
        # Linger switched on with a time of 0: close() sends RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    else:
        time.sleep(60)


def main(port: str, deed: str) -> None:
    """Serve IPv4 and IPv6, one connection after the other, until killed."""
    with socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        while True:
            connection, _ = listener.accept()
            serve(connection, deed)


if __name__ == "__main__":
    main(*sys.argv[1:])

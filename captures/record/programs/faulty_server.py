"""A TCP server that accepts a connection and then does no TLS. Arguments: port, what to do.

silent   read what comes, never answer, never close
close    read the first bytes, then close: FIN
reset    read the first bytes, then abort: RST
banner   greet like a mail server before the client has said anything, and wait
"""

from __future__ import annotations

import socket
import struct
import sys
import time


def serve(connection: socket.socket, deed: str) -> None:
    """Do the deed on one connection."""
    if deed == "banner":
        connection.sendall(b"220 mail.backend.example ESMTP ready\r\n")
    connection.recv(65536)
    if deed == "close":
        connection.close()
    elif deed == "reset":
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

"""Leave before a TLS handshake or in the middle of it, without an alert, as one does that is killed or cancelled.

Arguments: host, port, PEM bundle of trust anchors, then NAME=VALUE:

when=open     leave at once, before anything was sent: a health check that only opens the port
when=hello    leave once the ClientHello is out
when=answer   leave when the first bytes of the server have come
when=flight   leave when the server's flight has been read, before it is answered
how=fin       close the connection (the default)
how=rst       abort it
after=SECONDS wait before leaving
"""

from __future__ import annotations

import socket
import ssl
import struct
import sys
import time


def main(host: str, port: str, bundle: str, *settings: str) -> int:
    """Say that it left; the exit status is that of a failure."""
    options = {"when": "hello", "how": "fin", "after": "0"} | dict(setting.split("=", 1) for setting in settings)
    arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = ssl.create_default_context(cafile=bundle).wrap_bio(arrived, leaving, server_hostname=host)
    begun = False
    with socket.create_connection((host, int(port)), timeout=4) as connection:
        while options["when"] != "open":
            try:
                handshake.do_handshake()
            except ssl.SSLWantReadError:
                message = leaving.read()
                if message and begun and options["when"] == "flight":
                    break
                connection.sendall(message)
                begun = True
                if options["when"] == "hello":
                    break
                arrived.write(connection.recv(65536))
                if options["when"] == "answer":
                    break
            else:
                # TLS 1.3: the client's Finished stands ready, and is not sent.
                break
        time.sleep(float(options["after"]))
        if options["how"] == "rst":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    print(f"error: left after the {options['when']}")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Open a gRPC channel. No server of the lab speaks gRPC: who waits for an answer is done with TLS.

Arguments: host, port, PEM bundle of trust anchors, timeout in seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grpc  # type: ignore[import-not-found, import-untyped, unused-ignore]


def main(host: str, port: str, bundle: str, timeout: str) -> int:
    """Print the error of a call; give the exit status, 0 when the call got past TLS."""
    credentials = grpc.ssl_channel_credentials(Path(bundle).read_bytes())
    with grpc.secure_channel(f"{host}:{port}", credentials, options=[("grpc.enable_retries", 0)]) as channel:
        call = channel.unary_unary("/none/None")
        try:
            call(b"", timeout=float(timeout))
        except grpc.RpcError as error:
            print(f"error: {error.details()}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

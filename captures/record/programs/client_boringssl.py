"""GET a page by libcurl on BoringSSL, through curl_cffi.

Arguments: URL, PEM bundle of trust anchors, timeout in seconds, and the browser whose ClientHello is
to be sent, if any.
"""

from __future__ import annotations

import io
import sys

from curl_cffi import Curl, CurlError, CurlOpt  # type: ignore[import-not-found, unused-ignore]


def main(url: str, bundle: str, timeout: str, browser: str = "") -> int:
    """Print what came back, or the error; give the exit status."""
    body = io.BytesIO()
    handle = Curl(cacert=bundle)
    handle.setopt(CurlOpt.URL, url.encode())
    handle.setopt(CurlOpt.CAINFO, bundle.encode())
    handle.setopt(CurlOpt.TIMEOUT, int(float(timeout)))
    handle.setopt(CurlOpt.WRITEDATA, body)
    if browser:
        handle.impersonate(browser)
    try:
        handle.perform()
    except CurlError as error:
        print(f"error: {error}")
        return 1
    print(f"{len(body.getvalue())} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

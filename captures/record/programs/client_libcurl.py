"""GET a page by libcurl, through pycurl: in Debian that is libcurl on GnuTLS, other than the program curl.

Arguments: URL, PEM bundle of trust anchors, timeout in seconds.
"""

from __future__ import annotations

import io
import sys

import pycurl  # type: ignore[import-not-found, import-untyped, unused-ignore]


def main(url: str, bundle: str, timeout: str) -> int:
    """Print what came back, or the error; give the exit status."""
    body = io.BytesIO()
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.CAINFO, bundle)
    handle.setopt(pycurl.CAPATH, "/dev/null")
    handle.setopt(pycurl.TIMEOUT, int(float(timeout)))
    handle.setopt(pycurl.WRITEDATA, body)
    try:
        handle.perform()
    except pycurl.error as error:
        number, text = error.args
        print(f"error: ({number}) {text}")
        return 1
    print(f"{len(body.getvalue())} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

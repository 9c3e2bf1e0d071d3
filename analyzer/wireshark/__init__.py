"""A second reading of a capture, by Wireshark's dissectors through pyshark (`--dissector wireshark`).

Wireshark takes the packets apart, puts TCP and TLS together, decrypts where it has keys, and says which bytes are
which handshake message; what is made of the messages is the same as ever. So it is a way in for formats, link types
and tunnels that the native reading does not know, and a second opinion on those that it does.

`packets` runs it and gives plain data, `records` makes of that what the TLS stage gives, `reader` stands in for the
capture's reader and the segments' decoder. pyshark is an optional extra (`hsanalyze[wireshark]`), and runs the
program tshark.
"""

from __future__ import annotations

from typing import Final

__all__ = ["DISSECTORS"]

DISSECTORS: Final = ("native", "wireshark", "both")
"""Who may read the handshakes."""

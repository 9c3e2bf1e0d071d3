"""F5 BIG-IP: /var/log/ltm.

`Nov 22 13:00:00 host warning tmm[1]: 01260013:4: SSL Handshake failed for TCP A:p -> B:q` names both ends of the
connection; `01260009:4: Connection error: ssl_…: no shared ciphers (40)` has the alert's number, `01260026:4: No
shared ciphers between SSL peers A.p:B.q.`. Times are local, without year and zone.
"""

from __future__ import annotations

import re
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format, Said
from analyzer.gateways.logs._addresses import ADDRESS, PORTED, endpoint
from analyzer.gateways.logs._found import ends, host_in
from analyzer.gateways.logs._times import find_time
from analyzer.gateways.logs._words import alert_codes, read_words

_LINE: Final = re.compile(r"\b(?:tmm\d{0,3}|bigd|tmsh)\[\d+\]: 01[0-9a-f]{6}:\d: |\b0126[0-9a-f]{4}:\d: ")
_PEERS: Final = re.compile(rf"\b({ADDRESS}\.\d{{1,5}}):({ADDRESS}\.\d{{1,5}})")
_ALERT: Final = re.compile(r"Connection error: [^()]{0,200}\((\d{1,3})\)")
_BETWEEN: Final = re.compile(rf"\b({PORTED}) -> ({PORTED})")
_FAILED: Final = Said(words=("SSL Handshake failed",))


def _read(block: Block) -> Fields | None:
    head = block.head
    if _LINE.search(head[:400]) is None:
        return None
    peers = _PEERS.search(head) or _BETWEEN.search(head)
    local, remote = (endpoint(peers[1]), endpoint(peers[2])) if peers is not None else ends(head)
    said = _FAILED if "SSL Handshake failed" in head and read_words(head) is None else None
    alert = _ALERT.search(head)
    if alert is not None and read_words(head) is None:
        number = int(alert[1])
        said = Said(
            words=(f"alert number {number}",),
            as_client=alert_codes(number, "client") | alert_codes(number, "server"),
            as_server=alert_codes(number, "client") | alert_codes(number, "server"),
        )
    return Fields(
        time=find_time(head, block.near_ns), local=local, remote=remote, host=host_in(head), side=None, said=said
    )


FORMAT = Format(name="F5 BIG-IP", read=_read, words=(b"0126",))

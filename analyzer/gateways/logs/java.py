"""Java applications: log4j, logback and java.util.logging lines with an exception, and plain stack traces."""

from __future__ import annotations

import re
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format
from analyzer.gateways.logs._found import in_text

_MARKS: Final = re.compile(
    r"\b(?:javax?|sun|com\.sun|jdk|org\.apache|org\.springframework|org\.mule|io\.netty|io\.undertow|okhttp3|reactor)\."
    r"[\w.$]{1,200}|^\s+at [\w.$/@]{3,300}\(|\b(?:PKIX|SSLHandshakeException|SunCertPathBuilderException)\b",
    re.MULTILINE,
)
_SERVER: Final = re.compile(r"\b(?:NioEndpoint|SslHandler.{0,40}server|Undertow|JettyServer|ServerSocket)\b")


def _read(block: Block) -> Fields | None:
    if _MARKS.search(block.text[:4000]) is None:
        return None
    return in_text(block.text, block.near_ns, side="server" if _SERVER.search(block.text[:4000]) else None)


FORMAT = Format(name="Java", read=_read, rank=2)

"""A log line fit to be shown: no credentials, no query strings, one printable line of bounded length."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MOST_TEXT", "kept", "shown"]

MOST_TEXT: Final = 1000
"""Characters of a line that are shown."""
_MOST_KEPT: Final = 2500
"""Characters of a line that are kept for it."""
_GONE: Final = "[removed]"
_SETS: Final = r"\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?"
_RULES: Final = (
    ("-----begin ", re.compile(r"-----BEGIN [^-\n]{1,60}-----.*?(?:-----END [^-\n]{1,60}-----|$)", re.DOTALL), _GONE),
    ("authorization", re.compile(rf"(?i)\b(authorization{_SETS})[^\"'\n]{{1,4000}}"), rf"\1{_GONE}"),
    ("cookie", re.compile(rf"(?i)\b(cookie2?{_SETS})[^\"'\n]{{1,4000}}"), rf"\1{_GONE}"),
    ("", re.compile(r"(?i)\b(bearer|basic|digest|negotiate) [\w.~+/=-]{8,4000}"), rf"\1 {_GONE}"),
    ("eyj", re.compile(r"\beyJ[\w-]{5,4000}\.[\w-]{0,4000}(?:\.[\w-]{0,4000})?"), _GONE),
    ("", re.compile(
        r"(?i)((?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|subscription-key|credentials?|signature|"
        r"private[_-]?key)\\?[\"']?\s{0,3}[:=]\s{0,3})(?:\\?[\"'][^\"'\n]{0,4000}|[^\s\"',;&)}]{1,4000})"
    ), rf"\1{_GONE}"),
    ("@", re.compile(r"(?<=://)[^/\s@\"']{1,300}@"), f"{_GONE}@"),
    ("?", re.compile(r"(?<=[\w/=%.-])\?[\w.%+~\[\]-]{1,200}=[^\s\"'<>)]{0,4000}"), f"?{_GONE}"),
)  # fmt: skip
"""What must stand in a line for a rule to be looked at (in lower case), the pattern, and what stands for it."""
_FRAMES: Final = re.compile(r"\n[ \t]+(?:at [\w.$<>/@`+-]{2,500}[(\[ ].*|\.\.\. \d+ (?:more|common frames omitted))")
"""Where an exception was thrown, in Java, .NET and Node: of no use beside a handshake."""
_SPACE: Final = re.compile(r"\s+")


def kept(text: str) -> str:
    """What of a line is kept to be shown: no stack frames, and not too much."""
    return (_FRAMES.sub("", text) if "\n" in text else text)[:_MOST_KEPT]


def shown(text: str) -> str:
    """`text` without secrets and stack frames, its lines joined by one blank each, cut after `MOST_TEXT` characters."""
    text = kept(text)
    low = text.lower()
    for mark, pattern, stand_in in _RULES:
        if mark in low:
            text = pattern.sub(stand_in, text)
    text = _SPACE.sub(" ", text).strip()
    if not text.isprintable():
        text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…"

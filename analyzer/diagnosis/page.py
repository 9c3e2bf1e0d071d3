"""The page of a cause as Markdown: what `hsanalyze explain` prints and what stands in `docs/causes`.

A page is the docstring of the cause's module: the title as a sentence, a paragraph, the line of facts (`Aborted by: ...
Confidence: ...`), then the sections of `HEADINGS`, each once and in that order. What holds for every cause of the
server's certificate is written here once and put into each of their pages.
"""

from __future__ import annotations

import re
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE
from analyzer.diagnosis.certificate import SERVER_CERTIFICATE_CODES
from analyzer.diagnosis.engine import catalogue, page
from analyzer.diagnosis.key_logs import key_log_page

__all__ = ["HEADINGS", "Facts", "facts", "page_markdown", "sections"]

HEADINGS: Final = (
    "What happened",
    "How we know",
    "What to do",
    "In the log",
    "Not to be confused with",
    "References",
)
_FACTS: Final = re.compile(r"^Aborted by: (?P<sides>[^.]+)\. Confidence: (?P<confidence>[^.]+)\.$", re.MULTILINE)
_HEADING: Final = re.compile(r"^## (.+)\n", re.MULTILINE)
_OWN_CONFIDENCE: Final = frozenset({"revoked"})
"""Causes of the server's certificate that the rules below do not cover."""
_WANT_KEYS: Final = frozenset({"certificate-rejected", "client-cert-rejected"})
"""Causes whose page has the table of key logs: TLS 1.3 may hide what would tell more."""
_CONFIDENCE_OF_CERTIFICATE_CAUSES: Final = """\
All causes of the server's certificate are weighed alike. It is certain when nothing speaks against it. Doubts are:
- a validator that was asked accepts the chain, or names another cause first (name yours with `--profile`). After
  an alert about certificates only those that refuse are heard, after unknown_ca (48), certificate_unknown (46) and
  internal_error (80) those known to send it;
- the alert is by its definition for other faults, or is not about certificates;
- no alert came, and no trust store was given; or a part of the store that matters could not be read;
- the client finished the handshake first;
- without an alert about certificates it left after more than 3 seconds, or after messages of its own;
- the chain is not from this connection, but supplied or inferred, and the lengths of what TLS 1.3 encrypts do not say
  that it is the one that was sent. Where they say that it is not, the cause is possible at most.

With one doubt it is likely. With more it is likely only when every validator that counts refuses and the client left
in time, else possible. What else is wrong with the chain is listed beside it, as possible.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The page's line of facts: who usually does the first ending act, and how sure the verdict can be."""

    aborted_by: str
    confidence: tuple[str, ...]
    """The surest first."""


def facts(code: str) -> Facts:
    """The facts of a cause. Raises `KeyError` for an unknown code, `ValueError` for a page without them."""
    found = _FACTS.search(page(code))
    if found is None:
        raise ValueError(f"the page of {code} does not say who aborts and how sure that is")
    words = re.split(r", | or ", found["confidence"])
    known = tuple(word for word in (CERTAIN, LIKELY, POSSIBLE) if word in words)
    if sorted(known) != sorted(words):
        raise ValueError(f"the page of {code} has a confidence that does not exist: {found['confidence']}")
    return Facts(aborted_by=found["sides"], confidence=known)


def sections(code: str) -> dict[str, str]:
    """The sections of a page by heading, in their order. Raises `KeyError` for an unknown code."""
    parts = _HEADING.split(page(code))[1:]
    return {heading: text.strip("\n") for heading, text in zip(parts[::2], parts[1::2], strict=True)}


def page_markdown(code: str) -> str:
    """The whole page, from the title as heading on. Raises `KeyError` for an unknown code."""
    introduction = _HEADING.split(page(code), maxsplit=1)[0].split("\n", 1)[1].strip("\n")
    parts = [f"# {catalogue()[code].title}", f"`{code}`", introduction]
    for heading, text in sections(code).items():
        if heading == "How we know" and code in SERVER_CERTIFICATE_CODES - _OWN_CONFIDENCE:
            text = f"{text}\n\n{_CONFIDENCE_OF_CERTIFICATE_CAUSES.strip()}"
        if heading == "What to do" and code in _WANT_KEYS:
            text = f"{text}\n\n{key_log_page()}"
        parts.append(f"## {heading}\n\n{text}")
    return "\n\n".join(parts) + "\n"

"""XMPP with STARTTLS (RFC 6120 section 5).

Only as much XML is read as tells the elements at the top of the stream: their names.
"""

from __future__ import annotations

import re
from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, Part, Speech, quoted
from analyzer.tls.prelude.model import Kind, Layer, Refusal, State, Step

OPENING: Final = rb"<\?xml[^>]*>\s*<stream:stream|<stream:stream"
_HEADER: Final = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<stream:stream\b([^>]*)>", re.DOTALL)
_TO: Final = re.compile(rb"""\bto\s*=\s*(?:"([^"]{1,255})"|'([^']{1,255})')""")
_NAMESPACE: Final = b"urn:ietf:params:xml:ns:xmpp-tls"
_DOMAIN: Final = re.compile(rb"[A-Za-z0-9_.-]{1,253}")
_ELEMENT: Final = re.compile(rb"<(/?[A-Za-z][\w:.-]{0,60})[^>]*>", re.DOTALL)
_ENDS: Final = (b"</stream:features>", b"<stream:features/>", b"</stream:stream>", b"</stream:error>")


def read(dialogue: Dialogue) -> Layer | None:
    """Read a stream up to `<proceed/>` in answer to `<starttls/>`."""
    client = dialogue.client
    header = _HEADER.match(client.peek(4096))
    if header is None:
        return None
    to = _TO.search(header[1])
    domain = None if to is None else to[1] or to[2]
    opening = client.take(header.end())
    if opening is None:
        return None
    shown = "" if domain is None else f" to {quoted(domain)}"
    dialogue.tell(client.side, opening, f"stream{shown}")
    offered = _features(dialogue)
    asked, in_clear = _asked(dialogue)
    state, refusal = State.NOT_OFFERED if offered is False else State.NOT_ASKED, None
    if asked is not None:
        state, refusal = _answer(dialogue)
    return Layer(
        protocol="XMPP",
        kind=Kind.UPGRADE,
        state=state,
        steps=tuple(dialogue.steps),
        asked=asked,
        offered=offered,
        refusal=refusal,
        in_clear=in_clear if state is not State.AGREED else None,
        domain=domain.decode() if domain is not None and _DOMAIN.fullmatch(domain) else None,
        option="xmpp-server" if b"jabber:server" in header[1] else "xmpp",
    )


def _features(dialogue: Dialogue) -> bool | None:
    """Read the server's stream header and features; whether TLS is among these, None when it says nothing of it."""
    server = dialogue.server
    told = server.until(*_ENDS)
    if told is None:
        header = _HEADER.match(server.peek(4096))
        if header is not None and (part := server.take(header.end())) is not None:
            dialogue.tell(server.side, part, "stream")
        return None
    if b"stream:features" not in told.data:
        dialogue.tell(server.side, told, _names(told.data))
        return None
    offered = _NAMESPACE in told.data
    dialogue.tell(server.side, told, f"stream features ({'offers' if offered else 'does not offer'} starttls)")
    return offered


def _asked(dialogue: Dialogue) -> tuple[Step | None, Step | None]:
    """What the client said next: that it asks for TLS, or what it does without."""
    client = dialogue.client
    asked = in_clear = None
    while (element := _element(client)) is not None:
        name, part = element
        step = dialogue.tell(client.side, part, f"<{name}>")
        if name == "starttls":
            asked = step
            if not part.data.rstrip().endswith(b"/>"):
                client.until(b"</starttls>")
        elif name not in ("/stream:stream", "stream:error", "/stream:error"):
            in_clear = in_clear or step
    return asked, in_clear


def _answer(dialogue: Dialogue) -> tuple[State, Refusal | None]:
    server = dialogue.server
    element = _element(server)
    if element is None:
        return State.UNANSWERED, None
    name, part = element
    dialogue.tell(server.side, part, f"<{name}>")
    if name == "proceed":
        if not part.data.rstrip().endswith(b"/>"):
            server.until(b"</proceed>")
        return State.AGREED, None
    return State.REFUSED, Refusal(part.packet, name, f"<{name}>")


def _element(speech: Speech) -> tuple[str, Part] | None:
    """The next tag."""
    found = _ELEMENT.search(speech.data, speech.at)
    if found is None:
        return None
    part = speech.take(found.end() - speech.at)
    return None if part is None else (found[1].decode("ascii", "replace").rstrip("/"), part)


def _names(data: bytes) -> str:
    names = [match[1].decode("ascii", "replace") for match in _ELEMENT.finditer(data)]
    return ", ".join(f"<{name}>" for name in dict.fromkeys(names[:6]))

"""The generated parts of captures/README.md: the table of captures and the playbook's packet walk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from captures.record import walk

_PLAYBOOK = "playbook.pcap"


def update(folder: Path, manifest: dict[str, Any]) -> None:
    """Replace the blocks between the `begin` and `end` marks of `folder`/README.md."""
    path = folder / "README.md"
    text = replace_block(path.read_text(), "table", table(manifest))
    text = replace_block(text, "several", table_of_several(manifest))
    if (folder / _PLAYBOOK).exists():
        text = replace_block(text, "walk", f"```\n{walk.listing(folder / _PLAYBOOK)}\n```")
    path.write_text(text)


def replace_block(text: str, block: str, content: str) -> str:
    """Replace what stands in `text` between the marks `begin` and `end` of a block."""
    pattern = re.compile(rf"(<!-- begin {block}\b[^\n]*-->\n)(?:.*\n)?(<!-- end {block} -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


def table(manifest: dict[str, Any]) -> str:
    """Draw the table, one line for each capture."""
    lines = [
        "| file | what it shows | client | server, TLS | packets | cause | aborted by | store |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_line(entry) for entry in manifest["captures"]]
    return "\n".join(lines)


def table_of_several(manifest: dict[str, Any]) -> str:
    """Draw the table of the captures that hold several connections."""
    lines = [
        "| file | what it shows | client | server, TLS | connections | findings | store |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for entry in manifest["several"]:
        failed = sum(connection["outcome"] == "failed" for connection in entry["connections"])
        cells = (
            f"`{entry['file']}`",
            entry["shows"],
            _named(entry["client"]),
            _named(entry["server"]) + (f", {entry['tls']}" if entry["tls"] else ""),
            f"{len(entry['connections'])}, {failed} failed",
            "; ".join(f"{item['count']}x `{item['cause']}`" for item in entry["expected_findings"]),
            f"`{entry['store']}`",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _line(entry: dict[str, Any]) -> str:
    expected = entry["expected"]
    ending = "-"
    if expected["aborted_by"]:
        ending = f"{expected['aborted_by']}, {expected['abort_act']}, {expected['stage']}"
    server = _named(entry["server"]) + (f", {entry['tls']}" if entry["tls"] else "")
    keys = f" (secrets: `{entry['keylog']}`)" if entry["keylog"] else ""
    cells = (
        f"`{entry['file']}`",
        entry["shows"] + keys,
        _named(entry["client"]),
        server,
        _events(entry),
        f"`{expected['cause']}`" if expected["cause"] else "-",
        ending,
        f"`{entry['store']}`",
    )
    return f"| {' | '.join(cells)} |"


def _events(entry: dict[str, Any]) -> str:
    """Word the decisive packets, the one that ended the connection in bold."""
    ending = entry["expected"]["abort_packet"]
    words = []
    events = entry["events"]
    for event, numbers in events.items():
        if event.endswith("_syn") and "client_hello" in events:
            continue
        shown = ", ".join(f"**{number}**" if number == ending else str(number) for number in numbers)
        words.append(f"{event.replace('_', ' ')} {shown}")
    return "; ".join(words)


def _named(stack: dict[str, str]) -> str:
    return f"{stack['title']} {stack['version']}".strip()

"""Say what each client stack does when it refuses a server's certificate, from recorded labs.

    python -m captures.record.behaviour captures/lab captures/further --write docs/stacks.md

For each client and fault: the alert that it sends, opened by the server's key log where TLS 1.3 hides it, or how it
leaves without one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captures.record import readme

_FAULTS = {
    "missing-root": ("missing-root", "missing-root-sent"),
    "missing intermediate": ("missing-intermediate",),
    "self-signed leaf": ("self-signed-leaf",),
    "root with another key": ("reissued-root",),
    "intermediate only in the store": ("intermediate-only",),
    "expired leaf": ("expired-leaf",),
    "expired root": ("expired-root",),
    "not yet valid": ("not-yet-valid",),
    "host name": ("hostname-mismatch",),
    "name in the CN only": ("cn-only",),
    "key usage": ("wrong-usage",),
    "issuer no CA": ("issuer-not-ca",),
    "path too long": ("path-too-long",),
    "name constraint": ("name-constraint",),
    "critical extension": ("unknown-critical",),
    "RSA 1024": ("weak-key",),
    "SHA-1": ("weak-signature-leaf",),
    "forged leaf": ("forged-leaf",),
}
_LEAVES = {"fin": "FIN", "rst": "RST", "alert": "FIN"}
_CLOSE_NOTIFY = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What a client did: `what` as the table has it; `records` the lengths of its TLS 1.3 records after its hello."""

    what: str
    records: str


def tables(folders: list[Path]) -> str:
    """Draw the table of deeds by client and fault, and that of the record lengths of TLS 1.3."""
    seen: dict[tuple[str, str], dict[str, dict[str, Deed]]] = defaultdict(lambda: defaultdict(dict))
    for folder in folders:
        for entry in json.loads((folder / "manifest.json").read_text())["cases"]:
            kind = _kind_of(entry)
            if kind is not None:
                client = entry["client"]
                deed = _deed(folder, entry)
                seen[client["title"], client["version"]][kind].setdefault(entry["tls"], deed)
    lines = [f"| client | {' | '.join(_FAULTS)} |", f"| --- |{' --- |' * len(_FAULTS)}"]
    for (title, version), deeds in sorted(seen.items(), key=lambda item: item[0][0].lower()):
        lines.append(f"| {title} {version} | {' | '.join(_cell(deeds.get(fault, {})) for fault in _FAULTS)} |")
    lines += ["", "| client | missing root, TLS 1.3: the client's records after its hello |", "| --- | --- |"]
    for (title, version), deeds in sorted(seen.items(), key=lambda item: item[0][0].lower()):
        encrypted = deeds.get("missing-root", {}).get("1.3")
        if encrypted is not None and encrypted.records:
            lines.append(f"| {title} {version} | {encrypted.records} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m captures.record.behaviour", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("folders", type=Path, nargs="+", help="the folders of recorded labs")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a page with marks for the tables")
    options = parser.parse_args(arguments)
    text = tables(options.folders)
    print(text)
    if options.write:
        options.write.write_text(readme.replace_block(options.write.read_text(), "refusals", text))
    return 0


def _kind_of(entry: dict[str, Any]) -> str | None:
    if entry["cut"] or entry["tls"] not in {"1.2", "1.3"} or entry["client"]["stack"] in {"leaving", "curl-plain"}:
        return None
    return next((name for name, groups in _FAULTS.items() if entry["group"] in groups), None)


def _deed(folder: Path, entry: dict[str, Any]) -> Deed:
    if entry["expected"]["outcome"] == "completed":
        return Deed(what="accepts", records="")
    alerts = [number for number in _fields(folder, entry, "tls.alert_message.desc") if number != _CLOSE_NOTIFY]
    wire = entry["wire"]
    how = alerts[0] if alerts else _LEAVES.get(wire["abort_act"], "?")
    # Of the records some are in the clear before the ServerHello: the hello itself is the first.
    lengths = _fields(folder, entry, "tls.record.length")[1:] if entry["tls"] == "1.3" else []
    return Deed(what=how + ("*" if wire["stage"] == "after-handshake" else ""), records=", ".join(lengths))


def _fields(folder: Path, entry: dict[str, Any], field: str) -> list[str]:
    """The values of one of tshark's fields in what the first connection's client sent."""
    command = ["tshark", "-r", str(folder / entry["file"]), "-Y",
               f"tls && tcp.stream == 0 && tcp.dstport == {entry['port']}", "-T", "fields", "-e", field]  # fmt: skip
    if entry["keylog"]:
        command += ["-o", f"tls.keylog_file:{folder / entry['keylog']}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [value for line in done.stdout.split() for value in line.split(",")]


def _cell(deeds: dict[str, Deed]) -> str:
    """What was done by TLS 1.2 and by 1.3, once if it is the same."""
    return " / ".join(dict.fromkeys(deeds[version].what for version in sorted(deeds)))


if __name__ == "__main__":
    sys.exit(main())

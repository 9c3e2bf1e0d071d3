"""Record the captures of this folder afresh: real TLS stacks, a real wire, tcpdump.

    python captures/record/record.py                      all of them, into captures/
    python captures/record/record.py --only playbook      one (or several, or a pattern such as 'tls13-*')
    python captures/record/record.py --out DIR            somewhere else
    python captures/record/record.py --list               what there is

Needs root and the programs that a scenario's stacks consist of; a scenario whose stack is not installed is
skipped, and said so. Each recording is read back by tshark, and thrown away when the wire does not show what
the scenario says. Writes the captures, the trust stores, `manifest.json`, and the generated parts of
`README.md` if the folder has one. Exit status: 0 all recorded or skipped, 1 some recording failed, 2 this
machine cannot record, or the command line is wrong.
"""

from __future__ import annotations

import argparse
import datetime as dt
import fnmatch
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from captures.record import lab, pki, readme, several, stacks, walk
from captures.record.clients import CLIENTS
from captures.record.recording import RECORDERS, Recording, RecordingError, absent_tools, mismatch, recording
from captures.record.scenarios import SCENARIOS, Expected, Scenario
from captures.record.servers import SERVERS
from captures.record.several import SEVERAL, Several

_DEFAULT_OUT = Path(__file__).resolve().parents[1]


def record(scenario: Scenario, out: Path, programs: Path) -> dict[str, Any]:
    """Record one scenario into the folder `out`; give its manifest entry.

    `programs` holds the compiled clients. Raises `RecordingError` when the wire shows something else than the
    scenario expects, `LabError` when the lab fails.
    """
    client, server = CLIENTS[scenario.client], SERVERS[scenario.server]
    recorder = RECORDERS[scenario.recorder]
    with recording(scenario, programs) as seen:
        expected = _confirmed(scenario, seen)
        file = f"{scenario.name}{recorder.suffix}"
        if recorder.inject_secrets:
            if seen.keylog is None:
                raise mismatch("the server kept no session secrets", seen.said, seen.raw)
            command = ["editcap", "-F", "pcapng", "--inject-secrets", f"tls,{seen.keylog}", str(seen.raw)]
            subprocess.run([*command, str(out / file)], check=True, timeout=60, capture_output=True)
        else:
            shutil.copyfile(seen.raw, out / file)
        kept_keys = None
        if scenario.keys and seen.keylog is not None:
            kept_keys = f"{scenario.name}.keys"
            shutil.copyfile(seen.keylog, out / kept_keys)
    begun = dt.datetime.fromtimestamp(seen.packets[0].time, dt.UTC)
    return {
        "name": scenario.name,
        "file": file,
        "shows": scenario.shows,
        "fault": scenario.fault,
        "client": _stack(scenario.client, client),
        "server": _stack(scenario.server, server),
        "tls": scenario.tls if scenario.tls != "none" else None,
        "host": scenario.host,
        "port": scenario.port,
        "family": scenario.family,
        "server_chain": list(pki.digests(pki.CHAINS[scenario.chain])) if scenario.tls != "none" else [],
        "store": pki.store_path(scenario.store),
        "accepting_store": pki.store_path("with-root") if scenario.store != "with-root" else None,
        "keylog": kept_keys,
        "recorder": recorder.title,
        "link_type": recorder.link_type,
        "recorded_at": begun.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "client_error": seen.words if expected.by else None,
        "expected": {
            "outcome": "failed" if expected.by else "completed",
            "cause": expected.cause,
            "aborted_by": expected.by,
            "abort_act": expected.act,
            "abort_packet": seen.verdict.abort_packet,
            "stage": expected.stage,
        },
        "packets": len(seen.packets),
        "events": walk.events(seen.packets),
    }


def record_several(entry: Several, out: Path, programs: Path) -> dict[str, Any]:
    """Record a capture of several connections into the folder `out`; give its manifest entry."""
    with several.recording(entry, programs) as seen:
        file = f"{entry.name}.pcap"
        shutil.copyfile(seen.raw, out / file)
        facts = several.entry(entry, seen)
    begun = dt.datetime.fromtimestamp(seen.packets[0].time, dt.UTC)
    return {
        "name": entry.name,
        "file": file,
        "shows": entry.shows,
        "client": _stack(entry.client, CLIENTS[entry.client]),
        "server": _stack(entry.server, SERVERS[entry.server]),
        "recorded_at": begun.isoformat(timespec="seconds").replace("+00:00", "Z"),
        **facts,
    }


def main(arguments: list[str] | None = None) -> int:
    """Record what the command line asks for; give the exit status."""
    options = _parser().parse_args(arguments)
    every: tuple[Scenario | Several, ...] = (*SCENARIOS, *SEVERAL)
    chosen = [s for s in every if not options.only or any(fnmatch.fnmatch(s.name, o) for o in options.only)]
    unknown = [o for o in options.only if not any(fnmatch.fnmatch(s.name, o) for s in every)]
    if unknown:
        print(f"no scenario is called {', '.join(unknown)}; --list names them", file=sys.stderr)
        return 2
    if options.list:
        for scenario in chosen:
            print(f"{scenario.name:32} {scenario.shows}")
        return 0
    if problem := _unable():
        print(f"cannot record: {problem}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _leave)
    options.out.mkdir(parents=True, exist_ok=True)
    lab.remove_leftovers()
    return _record_all(chosen, options.out)


def _record_all(chosen: list[Scenario | Several], out: Path) -> int:
    entries: list[dict[str, Any]] = []
    failed = 0
    able = [scenario for scenario in chosen if _installed(scenario)]
    with tempfile.TemporaryDirectory(prefix=f"hsa-{os.getpid()}-") as programs:
        stacks.build_programs(Path(programs), (name for s in able for name in (s.client, s.server)))
        for scenario in able:
            begun = time.monotonic()
            try:
                if isinstance(scenario, Several):
                    entries.append(record_several(scenario, out, Path(programs)))
                else:
                    entries.append(record(scenario, out, Path(programs)))
            except (RecordingError, lab.LabError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"FAILED    {scenario.name}: {error}", flush=True)
            else:
                print(f"recorded  {entries[-1]['file']} ({time.monotonic() - begun:.1f} s)", flush=True)
    if shutil.which("keytool"):
        pki.write_stores(out / "stores")
    else:
        print("skipped   stores/: keytool is not installed")
    manifest = _write_manifest(out / "manifest.json", entries)
    if (out / "README.md").exists():
        readme.update(out, manifest)
    return 1 if failed else 0


def _installed(scenario: Scenario | Several) -> bool:
    absent = _absent_tools(scenario)
    if absent:
        print(f"skipped   {scenario.name}: {', '.join(absent)} not installed", flush=True)
    return not absent


def _absent_tools(scenario: Scenario | Several) -> tuple[str, ...]:
    if isinstance(scenario, Scenario):
        return absent_tools(scenario)
    servers = (scenario.server, scenario.other_server) if scenario.other_chain else (scenario.server,)
    tools = {tool for server in servers for tool in stacks.missing(SERVERS[server])}
    return (*stacks.missing(CLIENTS[scenario.client]), *sorted(tools))


def _confirmed(scenario: Scenario, seen: Recording) -> Expected:
    """Give what the scenario expected and the wire shows; raise `RecordingError` if they differ."""
    verdict = seen.verdict
    shown = (verdict.aborted_by, verdict.abort_act, verdict.stage)
    for expected in (scenario.expected, *scenario.or_else):
        if (expected.by, expected.act, expected.stage) == shown:
            break
    else:
        raise mismatch(f"{shown} in packet {verdict.abort_packet} is not {scenario.expected}", seen.said, seen.raw)
    absent = [event for event in scenario.must_show if event not in walk.events(seen.packets)]
    if absent:
        raise mismatch(f"no {', '.join(absent)}", seen.said, seen.raw)
    if expected.by and not seen.words:
        raise mismatch("the client did not say why it failed", seen.said, seen.raw)
    if not expected.by and not seen.accepted:
        raise mismatch(f"the client failed (exit status {seen.said.status})", seen.said, seen.raw)
    return expected


def _stack(name: str, stack: stacks.Client | stacks.Server) -> dict[str, str]:
    version = stacks.version_of(stack.version, stack.version_pattern)
    return {"stack": name, "title": stack.title, "version": version}


def _write_manifest(path: Path, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the new entries among those of earlier runs, in the order of the scenarios."""
    known: dict[str, dict[str, Any]] = {}
    if path.exists():
        before = json.loads(path.read_text())
        known = {entry["name"]: entry for kind in ("captures", "several") for entry in before.get(kind, [])}
    known |= {entry["name"]: entry for entry in entries}
    manifest: dict[str, Any] = {
        "schema": "hsanalyze-captures/1",
        "store_password": pki.STORE_PASSWORD,
        "captures": [known[scenario.name] for scenario in SCENARIOS if scenario.name in known],
        "several": [known[scenario.name] for scenario in SEVERAL if scenario.name in known],
    }
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return manifest


def _unable() -> str:
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = [tool for tool in lab.NEEDS if shutil.which(tool) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def _leave(*_: object) -> NoReturn:
    """Turn SIGTERM into an exception, so that every `with` block tidies up."""
    raise SystemExit(143)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a scenario, or a pattern")
    parser.add_argument("--out", type=Path, default=_DEFAULT_OUT, metavar="DIR", help="default: captures/")
    parser.add_argument("--list", action="store_true", help="list the scenarios and stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Record the cases of the lab.

    python -m captures.record.matrix                       all of them, into captures/lab/
    python -m captures.record.matrix --only 'missing-root-*' --only '*-haproxy-*'
    python -m captures.record.matrix --part transport      those of one module of this package
    python -m captures.record.matrix --out DIR --jobs 3    elsewhere; so many labs at once
    python -m captures.record.matrix --again               also those that are recorded already
    python -m captures.record.matrix --list                what there is

Needs root and the programs that a case's stacks consist of; a case whose stack is not installed is skipped, and
said so. Unlike the captures of the repository, a recording is kept with whatever the wire showed; it is dropped
only when the stacks did not do what the case says. Writes captures, key logs, stores, chains and
`manifest.json`. Exit status: 0 all recorded or skipped, 1 some recording failed, 2 this machine cannot record,
or the command line is wrong.
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
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from captures.record import lab, pki, stacks, walk
from captures.record.clients import CLIENTS
from captures.record.matrix import cases, parts
from captures.record.matrix.case import CUTS, Case, NotInjectedError, truth
from captures.record.recording import RECORDERS, RecordingError, absent_tools, mismatch, recording
from captures.record.servers import SERVERS

DEFAULT_OUT = Path(__file__).resolve().parents[2] / "lab"

_TRIES = 2


def record(case: Case, out: Path, programs: Path) -> dict[str, Any]:
    """Record one case into the folder `out`; give its manifest entry.

    `programs` holds the compiled clients. Raises `RecordingError` when the stacks did something else than the case
    says or nothing was recorded, `LabError` when the lab fails.
    """
    client, server = CLIENTS[case.client], SERVERS[case.server]
    with recording(case, programs, second=case.second) as seen:
        try:
            expected = truth(case, accepted=seen.accepted, seen=seen.verdict)
        except NotInjectedError as error:
            raise mismatch(str(error), seen.said, seen.raw) from None
        file = out / f"{case.name}.pcap"
        if case.cut is not None:
            without = [str(number) for number in sorted(CUTS[case.cut](seen.packets))]
            _run("editcap", "-F", "pcap", str(seen.raw), str(file), *without)
        else:
            shutil.copyfile(seen.second or seen.raw, file)
        keylog = None
        if seen.keylog is not None:
            keylog = f"{case.name}.keys"
            shutil.copyfile(seen.keylog, out / keylog)
    begun = dt.datetime.fromtimestamp(seen.packets[0].time, dt.UTC)
    return {
        "name": case.name,
        "group": case.group,
        "file": file.name,
        "fault": case.fault,
        "injected": case.injected,
        "client": {"profile": client.profile} | _stack(case.client, client),
        "server": _stack(case.server, server),
        "tls": case.tls if case.tls != "none" else None,
        "host": case.host,
        "port": case.port,
        "server_chain": _written(out / "chains" / f"{case.chain}.pem", pki.CHAINS[case.chain]),
        "store": _written(out / "stores" / f"{case.store}.pem", pki.STORES[case.store]),
        "client_ca": _written(out / "stores" / f"{case.client_ca}.pem", pki.STORES[case.client_ca])
        if case.client_ca
        else None,
        "verify_depth": case.verify_depth,
        "keylog": keylog,
        "cut": case.cut or case.second,
        "recorded_at": begun.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "client_status": seen.said.status,
        "client_words": seen.words,
        "expected": asdict(expected) | {"also": list(case.also)},
        "wire": asdict(seen.verdict),
        "packets": len(seen.packets),
        "events": walk.events(seen.packets),
    }


def record_all(chosen: list[Case], out: Path, *, jobs: int, again: bool) -> int:
    """Record the cases into `out` and keep its manifest; give how many failed. Say what becomes of each."""
    out.mkdir(parents=True, exist_ok=True)
    entries = read_manifest(out)
    failed = 0
    todo = [case for case in chosen if (again or case.name not in entries) and _installed(case)]
    for case in todo:
        # Made once here, for the workers that are forked from this process.
        for name in (*pki.CHAINS[case.chain], *pki.STORES[case.store], *case.identity):
            pki.certificate(name)
    with (
        tempfile.TemporaryDirectory(prefix=f"hsa-{os.getpid()}-") as programs,
        ProcessPoolExecutor(max_workers=jobs) as pool,
    ):
        stacks.build_programs(Path(programs), (name for case in todo for name in (case.client, case.server)))
        under_way: dict[Future[tuple[dict[str, Any] | None, str]], Case] = {
            pool.submit(_attempt, case.name, out, Path(programs)): case for case in todo
        }
        try:
            for number, done in enumerate(as_completed(under_way), 1):
                entry, words = done.result()
                print(f"{number}/{len(todo)} {words}", flush=True)
                if entry is None:
                    failed += 1
                else:
                    entries[entry["name"]] = entry
                    _write_manifest(out, entries)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    _write_manifest(out, entries)
    return failed


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """Give the entries of a recorded lab by name; empty when nothing is recorded yet."""
    path = folder / "manifest.json"
    if not path.exists():
        return {}
    return {entry["name"]: entry for entry in json.loads(path.read_text())["cases"]}


def unable() -> str:
    """Say why this machine cannot record; empty when it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = stacks.absent((*lab.NEEDS, "editcap"))
    return f"not installed: {', '.join(absent)}" if absent else ""


def main(arguments: list[str] | None = None) -> int:
    """Record what the command line asks for; give the exit status."""
    options = _parser().parse_args(arguments)
    chosen = [
        case
        for part, members in parts().items()
        for case in members
        if (not options.part or part in options.part)
        and (not options.only or any(fnmatch.fnmatch(case.name, pattern) for pattern in options.only))
    ]
    unknown = [o for o in options.only if not any(fnmatch.fnmatch(c.name, o) for c in cases())]
    if unknown:
        print(f"no case is called {', '.join(unknown)}; --list names them", file=sys.stderr)
        return 2
    if options.list:
        for case in chosen:
            print(f"{case.name:52} {case.fault}")
        return 0
    if problem := unable():
        print(f"cannot record: {problem}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _leave)
    lab.remove_leftovers()
    return 1 if record_all(chosen, options.out, jobs=options.jobs, again=options.again) else 0


def _attempt(name: str, out: Path, programs: Path) -> tuple[dict[str, Any] | None, str]:
    """Record a case; give its entry, if it was recorded, and what to say of it."""
    (case,) = (case for case in cases() if case.name == name)
    begun = time.monotonic()
    for attempt in range(1, _TRIES + 1):
        try:
            entry = record(case, out, programs)
        except (RecordingError, lab.LabError, subprocess.SubprocessError) as error:
            if attempt == _TRIES:
                return None, f"FAILED    {name}: {error}"
        else:
            break
    result = entry["expected"]["outcome"]
    return entry, f"recorded  {name}: {result} ({time.monotonic() - begun:.1f} s)"


def _installed(case: Case) -> bool:
    absent = (*absent_tools(case), *(stacks.absent(RECORDERS[case.second].needs) if case.second else ()))
    if absent:
        print(f"skipped   {case.name}: {', '.join(absent)} not installed", flush=True)
    return not absent


def _stack(name: str, stack: stacks.Client | stacks.Server) -> dict[str, str]:
    return {
        "stack": name,
        "title": stack.title,
        "version": stacks.version_of(stack.version, stack.version_pattern),
    }


def _written(path: Path, names: tuple[str, ...]) -> str:
    """Write certificates to a PEM file; give its path below the lab's folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pki.pem(names))
    return f"{path.parent.name}/{path.name}"


def _write_manifest(out: Path, entries: dict[str, dict[str, Any]]) -> None:
    """Put the entries in the order of the cases; one of a case that is no more is dropped."""
    manifest = {"schema": "hsanalyze-lab/1", "cases": [entries[c.name] for c in cases() if c.name in entries]}
    fresh = out / "manifest.json.new"
    fresh.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    fresh.replace(out / "manifest.json")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=60, capture_output=True)


def _leave(*_: object) -> NoReturn:
    """Turn SIGTERM into an exception, so that every `with` block tidies up."""
    raise SystemExit(143)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m captures.record.matrix", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a case, or a pattern")
    parser.add_argument("--part", action="append", choices=parts(), help="the cases of this module only")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="default: captures/lab/")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="so many labs at once (default: 2)")
    parser.add_argument("--again", action="store_true", help="record anew what is recorded already")
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""A folder of recordings that one script makes: those that are asked for, with a manifest and a table."""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from captures.record import lab

T = TypeVar("T")


def record_folder(
    arguments: Sequence[str] | None,
    title: str,
    default: Path,
    kinds: Mapping[str, T],
    *,
    absent: Callable[[T], tuple[str, ...]],
    record: Callable[[str, T, Path], dict[str, Any]],
    update_readme: Callable[[Path], None],
) -> int:
    """Record the `kinds` that the command's arguments ask for; give the exit status.

    `absent` names what this machine lacks for one of them, which is then skipped; what `record` gives is written to the
    folder's `manifest.json`.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a recording, or a pattern")
    parser.add_argument("--out", type=Path, default=default, metavar="DIR", help=f"default: captures/{default.name}/")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        print("cannot record: network namespaces need root", file=sys.stderr)
        return 2
    lab.remove_leftovers()
    options.out.mkdir(parents=True, exist_ok=True)
    manifest = options.out / "manifest.json"
    entries = json.loads(manifest.read_text()) if manifest.exists() else {}
    failed = 0
    for name, kind in kinds.items():
        if options.only and not any(fnmatch.fnmatch(name, pattern) for pattern in options.only):
            continue
        if missing := absent(kind):
            print(f"skipped   {name}: {', '.join(missing)} not installed")
            continue
        try:
            entries[name] = record(name, kind, options.out)
            print(f"recorded  {name}", flush=True)
        except (lab.LabError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAILED    {name}: {error}", flush=True)
    ordered = {name: entries[name] for name in kinds if name in entries}
    manifest.write_text(json.dumps(ordered, indent=1) + "\n")
    update_readme(options.out)
    return 1 if failed else 0

"""Times hsanalyze beside tshark, ssldump and capinfos on the same captures, in one run.

    python benchmarks/run.py                    # bulk, busy, hostile; makes what is missing (2 GB on disk)
    python benchmarks/run.py --quick            # without tshark, which takes half a minute for each capture
    python benchmarks/run.py busy --scale 0.1   # one capture, a tenth of it
    python benchmarks/run.py --write            # and writes the table to docs/benchmarks.md

CPU seconds are user and system time of the whole command as the kernel counts them, start-up included; memory is the
largest resident set; a ratio is hsanalyze's time over the other's. Every command runs `--repeat` times in turn with
the others and its least time counts: what else the machine does can only add. Captures are read once beforehand, so
that all find them in the page cache.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from tabulate import tabulate

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import make_captures

_STORE: Final = make_captures.ROOT / "captures" / "stores" / "without-root"
_PAGE: Final = make_captures.ROOT / "docs" / "benchmarks.md"
_BEGIN: Final = "<!-- begin table (written by benchmarks/run.py --write) -->"
_END: Final = "<!-- end table -->"
_DEFAULT: Final = ("bulk", "busy", "hostile")
_COLUMNS: Final = (
    "capture",
    "command",
    "CPU s",
    "wall s",
    "memory MB",
    "CPU ratio",
    "wall ratio",
)
_ONCE: Final = "tshark"
"""Slow enough to be timed once."""
_MEGABYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A command to time; `CAPTURE` stands for the file. `shown` is how the table calls it."""

    name: str
    command: tuple[str, ...]
    shown: str
    version: tuple[str, ...]
    fine: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run took; memory in bytes."""

    cpu: float
    wall: float
    memory: int


_HSANALYZE: Final = (sys.executable, "-m", "analyzer", "CAPTURE", "--truststore", str(_STORE))
TOOLS: Final = (
    Tool(
        name="hsanalyze",
        command=_HSANALYZE,
        shown="hsanalyze CAPTURE --truststore STORE",
        version=(sys.executable, "-m", "analyzer", "--version"),
        fine=(0, 1),
    ),
    Tool(
        name="hsanalyze, JSON",
        command=(*_HSANALYZE, "--format", "json"),
        shown="hsanalyze CAPTURE --truststore STORE --format json",
        version=(sys.executable, "-m", "analyzer", "--version"),
        fine=(0, 1),
    ),
    Tool(
        name="tshark",
        command=("tshark", "-n", "-r", "CAPTURE", "-Y", "tls.handshake.certificate"),
        shown="tshark -n -r CAPTURE -Y tls.handshake.certificate",
        version=("tshark", "--version"),
    ),
    Tool(
        name="tshark, alerts",
        command=("tshark", "-n", "-r", "CAPTURE", "-Y", "tls.handshake.certificate || tls.alert_message"),
        shown="tshark -n -r CAPTURE -Y 'tls.handshake.certificate || tls.alert_message'",
        version=("tshark", "--version"),
    ),
    Tool(
        name="ssldump",
        command=("ssldump", "-n", "-r", "CAPTURE"),
        shown="ssldump -n -r CAPTURE",
        version=("ssldump", "-v"),
    ),
    Tool(
        name="capinfos",
        command=("capinfos", "-c", "-s", "-a", "-e", "CAPTURE"),
        shown="capinfos -c -s -a -e CAPTURE",
        version=("capinfos", "--version"),
    ),
)


def timed(tool: Tool, capture: Path) -> Run:
    """Run a command on a capture to its end; its output goes nowhere. Raises `RuntimeError` when it fails."""
    command = [str(capture) if word == "CAPTURE" else word for word in tool.command]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in tool.fine:
        raise RuntimeError(f"{tool.name} ended with status {process.returncode} on {capture.name}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(cpu=usage.ru_utime + usage.ru_stime, wall=wall, memory=usage.ru_maxrss * unit)


def measure(tools: Sequence[Tool], capture: Path, repeat: int) -> dict[str, Run]:
    """The least of each tool's runs, by its name."""
    with capture.open("rb", buffering=0) as file:
        while file.read(_MEGABYTE):
            pass
    runs: dict[str, list[Run]] = {}
    for turn in range(repeat):
        for tool in tools:
            if turn == 0 or tool.command[0] != _ONCE:
                runs.setdefault(tool.name, []).append(timed(tool, capture))
    return {
        name: Run(
            cpu=min(run.cpu for run in several),
            wall=min(run.wall for run in several),
            memory=max(run.memory for run in several),
        )
        for name, several in runs.items()
    }


def rows(title: str, tools: Sequence[Tool], results: dict[str, Run]) -> list[tuple[str, ...]]:
    """The table's rows for one capture."""
    own = results["hsanalyze"]
    table: list[tuple[str, ...]] = []
    for tool in tools:
        run = results[tool.name]
        ratios = ("", "") if run is own else (f"{own.cpu / run.cpu:.3g}", f"{own.wall / run.wall:.3g}")
        table.append((title, tool.name, f"{run.cpu:.2f}", f"{run.wall:.2f}", f"{run.memory / _MEGABYTE:.0f}", *ratios))
    return table


def machine() -> str:
    """Processor, cores, and what runs on them."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model

    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}"
    )


def versions(tools: Sequence[Tool]) -> list[str]:
    """Each tool with its version and the command that was timed."""
    lines = []
    for tool in tools:
        done = subprocess.run(tool.version, capture_output=True, text=True, check=False)
        found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
        lines.append(f"{tool.name} {found[0] if found else ''}: `{tool.shown}`")
    return lines


def write(table: str, tools: Sequence[Tool]) -> None:
    """Put the table into the page in place of the old one."""
    page = _PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    commands = "\n".join(f"- {line}" for line in versions(tools))
    text = f"{before}{_BEGIN}\n{machine()}; {day}.\n\n{table}\n\n{commands}\n{_END}{after}"
    _PAGE.write_text(text, encoding="utf-8")


def main() -> None:
    """Make the captures, time the tools, print the table."""
    parser = argparse.ArgumentParser(description="Time hsanalyze beside tshark, ssldump and capinfos.")
    parser.add_argument(
        "captures", nargs="*", help=f"of {', '.join(make_captures.KINDS)}; default: {' '.join(_DEFAULT)}"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="a fraction of the full size")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each command but tshark (3)")
    parser.add_argument("--quick", action="store_true", help="leave tshark out")
    parser.add_argument("--write", action="store_true", help="write the table to docs/benchmarks.md")
    options = parser.parse_args()
    unknown = set(options.captures) - set(make_captures.KINDS)
    if unknown:
        parser.error(f"there is no capture {', '.join(sorted(unknown))}")
    # As pip leaves an installed package; where no bytecode may be written every start would compile all modules anew.
    compileall.compile_dir(make_captures.ROOT / "analyzer", quiet=1)
    tools = [tool for tool in TOOLS if _usable(tool, quick=options.quick)]
    table = []
    for name in options.captures or _DEFAULT:
        path = make_captures.path_of(name, options.scale)
        if not path.exists():
            print(f"making {path.name}", file=sys.stderr)
            make_captures.make(name, options.scale)
        title = f"{name}, {path.stat().st_size / 1e6:,.0f} MB"
        table += rows(title, tools, measure(tools, path, options.repeat))
    print(machine())
    print(tabulate(table, headers=_COLUMNS, disable_numparse=True))
    if options.write:
        write(tabulate(table, headers=_COLUMNS, tablefmt="github", disable_numparse=True), tools)


def _usable(tool: Tool, *, quick: bool) -> bool:
    if quick and tool.command[0] == _ONCE:
        return False
    if shutil.which(tool.command[0]) is None:
        print(f"{tool.name} is not installed: left out", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    main()

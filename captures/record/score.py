"""Score hsanalyze on a recorded lab: whether it says what was injected, who left, and no more than it knows.

    python -m captures.record.score captures/lab                         tables and misses
    python -m captures.record.score captures/lab --write docs/lab.md     into the generated parts of a page too
    python -m captures.record.score captures/lab --only '*-haproxy-*'    some of the cases

Each capture is analysed as its owner would have it analysed: with the store that the client had and the host that
it meant. Four ways: `named` follows the client's own validator and has the server's chain at hand where TLS 1.3
encrypts it; `auto` is not told the validator; `keyed` is `auto` with the key log in place of the chain, where one was
written; `unaided` has neither the validator nor the chain of TLS 1.3, and must then be right or say that it cannot
know. Exit status: 0 all that is asked for is reached, 1 it is not, 2 there is nothing to score.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from analyzer import analyze
from analyzer.report.model import Connection
from captures.record import readme

WAYS: Final = ("named", "auto", "keyed", "unaided")

ASKED: Final = 98.0
"""Per cent of the cases in which the cause, and who left, have to be right."""
ASKED_UNAIDED: Final = 95.0
"""Per cent of the cases in which who left has to be right when nothing but the records' lengths is at hand."""

_RIGHT, _UNRESOLVED, _WRONG = "right", "unresolved", "wrong"
_HONEST = frozenset(
    {"certificate-rejected", "client-cert-rejected", "client-closed", "capture-incomplete", "unexplained"}
)
"""Causes that say that the evidence does not tell more. They are not right where it does, but not false either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one analysis of one case is worth.

    `cause` and `aborted_by` are `right`, `unresolved` (it was said that the evidence does not tell) or `wrong`;
    `said` and `confidence` are of the connection that is farthest from the truth.
    """

    name: str
    way: str
    cause: str
    aborted_by: str
    said: str
    confidence: str | None
    expected: str
    called_failed: bool

    @property
    def rash(self) -> bool:
        """Whether something wrong was said to be certain."""
        return self.cause == _WRONG and self.confidence == "certain"


def score(entry: dict[str, Any], way: str, folder: Path) -> Score | None:
    """Analyse the capture of a manifest entry in one of `WAYS`; `None` where this way does not differ."""
    encrypted = entry["tls"] == "1.3"
    if (way in ("keyed", "unaided") and not encrypted) or (way == "keyed" and not entry["keylog"]):
        return None
    report = analyze(
        folder / entry["file"],
        truststore=folder / entry["store"],
        client_ca=folder / entry["client_ca"] if entry["client_ca"] else None,
        host=entry["host"],
        profile=(entry["client"]["profile"] or "auto") if way == "named" else "auto",
        verify_depth=entry["verify_depth"],
        server_chain=folder / entry["server_chain"] if encrypted and way in ("named", "auto") else None,
        keylog=folder / entry["keylog"] if way == "keyed" else None,
    )
    judged = [_judge(entry, way, connection) for connection in report.connections]
    if not judged:
        lost = entry["cut"] is not None
        return _score(entry, way, _UNRESOLVED if lost else _WRONG, _UNRESOLVED if lost else _WRONG, None)
    return max(judged, key=lambda one: (_worth(one.cause), _worth(one.aborted_by)))


def totals(scores: Iterable[Score]) -> str:
    """Draw the table of what was reached in each way."""
    lines = [
        "| way | cases | cause right | unresolved | wrong | who left right | accepted called failed | wrong, certain |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for way, members in _by(scores, "way").items():
        causes = Counter(one.cause for one in members)
        left = sum(one.aborted_by == _RIGHT for one in members)
        lines.append(
            f"| {way} | {len(members)} | {causes[_RIGHT]} ({_percent(causes[_RIGHT], members)}) "
            f"| {causes[_UNRESOLVED]} | {causes[_WRONG]} | {left} ({_percent(left, members)}) "
            f"| {sum(one.called_failed for one in members)} | {sum(one.rash for one in members)} |"
        )
    return "\n".join(lines)


def confidences(scores: Iterable[Score]) -> str:
    """Draw the table of how often each confidence was right."""
    lines = [
        "| way | confidence | said | right | unresolved | wrong |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for way, members in _by(scores, "way").items():
        for confidence in ("certain", "likely", "possible"):
            said = [one for one in members if one.confidence == confidence]
            right, unresolved, wrong = (
                sum(one.cause == judged for one in said) for judged in (_RIGHT, _UNRESOLVED, _WRONG)
            )
            lines.append(f"| {way} | {confidence} | {len(said)} | {_percent(right, said)} | {unresolved} | {wrong} |")
    return "\n".join(lines)


def by_stack(scores: Iterable[Score], entries: dict[str, dict[str, Any]]) -> str:
    """Draw the table of causes by client stacks: how many cases, and how many of them are right where not all."""
    cells: defaultdict[tuple[str, str], list[Score]] = defaultdict(list)
    for one in scores:
        cells[one.expected, entries[one.name]["client"]["stack"]].append(one)
    stacks = list(dict.fromkeys(stack for _, stack in cells))
    causes = sorted({cause for cause, _ in cells}, key=lambda cause: (cause == "completed", cause))
    lines = [f"| cause | {' | '.join(stacks)} |", f"| --- |{' ---: |' * len(stacks)}"]
    lines += [f"| `{cause}` | {' | '.join(_cell(cells.get((cause, s), [])) for s in stacks)} |" for cause in causes]
    return "\n".join(lines)


def stacks_table(entries: dict[str, dict[str, Any]]) -> str:
    """Draw the table of the stacks, their versions and in how many cases they take part."""
    seen: Counter[tuple[str, str, str, str]] = Counter()
    for entry in entries.values():
        for role in ("client", "server"):
            stack = entry[role]
            seen[role, stack["stack"], stack["title"], stack["version"]] += 1
    lines = ["| role | key | stack | version | cases |", "| --- | --- | --- | --- | ---: |"]
    lines += [f"| {role} | `{key}` | {title} | {version} | {n} |" for (role, key, title, version), n in seen.items()]
    return "\n".join(lines)


def misses(scores: Iterable[Score]) -> str:
    """List every case that is not right, with what was said instead; of `unaided` only what is wrong."""
    wrong = [
        one
        for one in scores
        if _WRONG in {one.cause, one.aborted_by} or (one.way != "unaided" and one.cause == _UNRESOLVED)
    ]
    if not wrong:
        return "None."
    lines = ["| case | way | expected | said | confidence | `aborted_by` |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [
        f"| `{one.name}` | {one.way} | {one.expected} | {one.said} | {one.confidence or ''} | {one.aborted_by} |"
        for one in sorted(wrong, key=lambda one: (one.name, WAYS.index(one.way)))
    ]
    return "\n".join(lines)


def reached(scores: Iterable[Score]) -> bool:
    """Whether what is asked for is reached; `unaided` need only tell who left."""
    every = list(scores)
    return not any(one.rash or one.called_failed for one in every) and all(
        _share(members, "aborted_by") >= (ASKED_UNAIDED if way == "unaided" else ASKED)
        and (way == "unaided" or _share(members, "cause") >= ASKED)
        for way, members in _by(every, "way").items()
    )


def _share(members: list[Score], field: str) -> float:
    return [getattr(one, field) for one in members].count(_RIGHT) / len(members) * 100


def score_all(entries: Iterable[dict[str, Any]], folder: Path, *, jobs: int) -> list[Score]:
    """Score every entry in every way."""
    tasks = [(entry, way) for way in WAYS for entry in entries]
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        found = pool.map(partial(_scored, folder), tasks, chunksize=8)
        return [one for one in found if one is not None]


def main(arguments: list[str] | None = None) -> int:
    """Score what the command line asks for; give the exit status."""
    options = _parser().parse_args(arguments)
    path = options.folder / "manifest.json"
    if not path.exists():
        print(f"{path} is not there; python -m captures.record.matrix records a lab", file=sys.stderr)
        return 2
    entries = {
        entry["name"]: entry
        for entry in json.loads(path.read_text())["cases"]
        if not options.only or any(fnmatch.fnmatch(entry["name"], pattern) for pattern in options.only)
    }
    if not entries:
        print(f"no case in {path} is called that", file=sys.stderr)
        return 2
    scores = score_all(entries.values(), options.folder, jobs=options.jobs)
    blocks = {
        "totals": totals(scores),
        "confidences": confidences(scores),
        "by-stack": by_stack((one for one in scores if one.way == "auto"), entries),
        "stacks": stacks_table(entries),
        "misses": misses(scores),
    }
    for name, text in blocks.items():
        print(f"{name}\n\n{text}\n")
    if options.write:
        page = options.write.read_text()
        for name, text in blocks.items():
            page = readme.replace_block(page, name, text)
        options.write.write_text(page)
    return 0 if reached(scores) else 1


def _scored(folder: Path, task: tuple[dict[str, Any], str]) -> Score | None:
    return score(*task, folder)


def _judge(entry: dict[str, Any], way: str, seen: Connection) -> Score:
    expected, code = entry["expected"], seen.cause.code if seen.cause is not None else None
    reduced = entry["cut"] is not None
    right = {expected["cause"], *expected["also"]}
    # Who leaves after an encrypted handshake cannot be told from who had nothing to ask.
    blind = code in _HONEST or (way == "unaided" and code is None)
    if expected["outcome"] == "completed":
        if seen.outcome == "completed":
            cause = _RIGHT
        else:
            cause = _RIGHT if reduced and seen.outcome == "incomplete" else _WRONG
    elif (seen.outcome == "failed" and code in right) or (reduced and seen.outcome == "incomplete"):
        cause = _RIGHT
    else:
        cause = _UNRESOLVED if blind else _WRONG
    if seen.aborted_by == expected["aborted_by"] or (reduced and seen.aborted_by is None):
        left = _RIGHT
    else:
        left = _UNRESOLVED if blind and seen.aborted_by is None else _WRONG
    return _score(entry, way, cause, left, seen)


def _score(entry: dict[str, Any], way: str, cause: str, left: str, seen: Connection | None) -> Score:
    expected = entry["expected"]
    code = seen.cause.code if seen is not None and seen.cause is not None else None
    outcome = seen.outcome if seen is not None else "no connection"
    by = f" by {seen.aborted_by}" if seen is not None and seen.aborted_by else ""
    return Score(
        name=entry["name"],
        way=way,
        cause=cause,
        aborted_by=left,
        said=f"{outcome}{by}: {code}" if code else f"{outcome}{by}",
        confidence=seen.cause.confidence if seen is not None and seen.cause is not None else None,
        expected=expected["cause"] or expected["outcome"],
        called_failed=expected["outcome"] == "completed" and outcome == "failed",
    )


def _worth(mark: str) -> int:
    return (_RIGHT, _UNRESOLVED, _WRONG).index(mark)


def _by(scores: Iterable[Score], field: str) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = {}
    for one in scores:
        found.setdefault(getattr(one, field), []).append(one)
    return found


def _percent(part: int, whole: list[Score]) -> str:
    return f"{part / len(whole) * 100:.1f}%" if whole else "-"


def _cell(members: list[Score]) -> str:
    right = sum(one.cause == _RIGHT for one in members)
    if not members:
        return ""
    return str(right) if right == len(members) else f"**{right}/{len(members)}**"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m captures.record.score", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="the folder of a recorded lab")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a case, or a pattern")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="so many processes at once (default: 2)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a page with marks for the tables")
    return parser


if __name__ == "__main__":
    sys.exit(main())

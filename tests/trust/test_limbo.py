"""Agreement with real engines on x509-limbo, BetterTLS, probes and random cases (verdicts in the shared folder).

Each profile is measured against its own engine, per set, never over all sets together. A disagreement has to stand in
`EXCEPTIONS` with its reason, and an exception that no longer disagrees fails too. `-m slow` runs every case; the
quick run takes all probes and a sample of each other set.
"""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from analyzer.trust.check import Checker

TRUST = Path(__file__).parents[2].parent / "shared" / "trust"
SETS = (
    ("limbo_dev.json", "engine_verdicts.jsonl"),
    ("probes.json", "probe_verdicts.jsonl"),
    ("fuzz_dev.json", "fuzz_verdicts.jsonl"),
)
ENGINES = {
    "java": "java",
    "openssl": "openssl",
    "openssl-partial": "openssl_partial_chain",
    "boringssl": "boringssl_partial_chain",
    "gnutls": "gnutls",
    "go": "go_1_27",
    "dotnet": "dotnet_linux",
    "webpki": "rustls_webpki",
}
BARS = {"name constraints": 0.995, "random": 0.98, "other": 0.985}
LENIENT = {"boringssl", "dotnet"}
EXCEPTIONS = {
    ("java", "fuzz::s1-0612"): "two stored anchors of one name and key: JSSE takes them in the order of a hash set",
    ("java", "fuzz::s1-0627"): "two stored anchors of one name and key: JSSE takes them in the order of a hash set",
}

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not TRUST.is_dir(), reason=f"the shared cases are not there: {TRUST}"),
]


@dataclass(frozen=True, kw_only=True)
class LimboCase:
    """One case and what each engine said."""

    identity: str
    group: str
    chain: tuple[bytes, ...]
    store: tuple[bytes, ...]
    host: str | None
    at: datetime
    verdicts: dict[str, Any]


def _ders(pems: list[str]) -> tuple[bytes, ...]:
    blocks = (re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END", pem, re.DOTALL) for pem in pems)
    return tuple(base64.b64decode("".join(body.split())) for found in blocks for body in found)


def _group(identity: str) -> str:
    if identity.startswith("bettertls::nameconstraints"):
        return "name constraints"
    return "random" if identity.startswith("fuzz::") else "other"


@cache
def _cases(*, sampled: bool) -> tuple[LimboCase, ...]:
    return tuple(_read(sampled=sampled))


def _read(*, sampled: bool) -> Iterator[LimboCase]:
    for cases, verdicts in SETS:
        told = {line["id"]: line for line in map(json.loads, (TRUST / verdicts).read_text().splitlines())}
        for case in json.loads((TRUST / cases).read_text())["testcases"]:
            if case["id"] not in told or (sampled and not _sampled(case["id"])):
                continue
            name = case["expected_peer_name"]
            moment = case.get("effective_time") or case["validation_time"]
            yield LimboCase(
                identity=case["id"],
                group=_group(case["id"]),
                chain=_ders([case["peer_certificate"], *case["untrusted_intermediates"]]),
                store=_ders(case["trusted_certs"]),
                host=name["value"] if name else None,
                at=datetime.fromisoformat(moment),
                verdicts=told[case["id"]],
            )


def _sampled(identity: str) -> bool:
    share = {"name constraints": 4, "random": 64, "other": 128}[_group(identity)]
    return identity.startswith("probe") or sha256(identity.encode()).digest()[5] < share


def _measure(cases: list[LimboCase], profile: str) -> tuple[dict[str, list[int]], list[str]]:
    table: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    differing = []
    for case in cases:
        ours = Checker(case.store).check(case.chain, host=case.host, at=case.at, profile=profile).accepted
        theirs = case.verdicts[ENGINES[profile]]["ok"]
        table[case.group][0] += ours == theirs
        table[case.group][1] += 1
        if ours != theirs:
            differing.append(case.identity)
    return table, differing


def _agree(cases: list[LimboCase], profile: str, capsys: pytest.CaptureFixture[str]) -> None:
    table, differing = _measure(cases, profile)
    with capsys.disabled():
        cells = (f"{group} {same}/{count} ({same / count:.2%})" for group, (same, count) in table.items())
        print(f"\n{profile:16} " + ", ".join(cells), end="")  # noqa: T201
    asked = {case.identity for case in cases}
    expected = {identity for name, identity in EXCEPTIONS if name == profile} & asked
    assert sorted(differing) == sorted(expected)
    for group, (same, count) in table.items():
        assert same / count >= BARS[group] - (0.01 if profile in LENIENT else 0)


@pytest.mark.parametrize("profile", ENGINES)
def test_a_profile_agrees_with_its_engine(profile: str, capsys: pytest.CaptureFixture[str]) -> None:
    _agree(list(_cases(sampled=True)), profile, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("profile", ENGINES)
def test_a_profile_agrees_with_its_engine_in_every_case(profile: str, capsys: pytest.CaptureFixture[str]) -> None:
    _agree(list(_cases(sampled=False)), profile, capsys)


WORDED = pytest.mark.parametrize("profile", ["openssl", "openssl-partial", "java", "gnutls"])


@WORDED
def test_the_error_is_the_engines_own_line(profile: str) -> None:
    _same_words(list(_cases(sampled=True)), profile)


@pytest.mark.slow
@WORDED
def test_the_error_is_the_engines_own_line_in_every_case(profile: str) -> None:
    _same_words(list(_cases(sampled=False)), profile)


def _same_words(cases: list[LimboCase], profile: str) -> None:
    """On refused cases outside of name constraints; `lookup` is what the openssl command adds to the library's text."""
    same = count = 0
    for case in cases:
        theirs = case.verdicts[ENGINES[profile]]
        if case.group == "name constraints" or theirs["ok"] or theirs["error"].startswith(("parse:", "java.lang.")):
            continue
        ours = Checker(case.store).check(case.chain, host=case.host, at=case.at, profile=profile)
        line = theirs["error"].split(" <- ")[0]
        line = re.sub(
            r"^(sun\.security\.validator\.ValidatorException|java\.security\.cert\.\w+|status 0x\w+): ", "", line
        )
        count += 1
        same += line == (ours.error or "").replace(" lookup:", ":")
    assert same / count > (0.95 if profile == "gnutls" else 0.98)

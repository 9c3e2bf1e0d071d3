from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from analyzer.diagnosis.engine import catalogue
from captures.record import pki, walk
from captures.record.before_tls import BEFORE_TLS_CLIENTS
from captures.record.clients import CLIENTS
from captures.record.matrix import cases, parts
from captures.record.matrix.case import CUTS, Case, NotInjectedError, Truth, truth
from captures.record.recording import RECORDERS
from captures.record.score import main as score
from captures.record.servers import SERVERS

BY_NAME = {case.name: case for case in cases()}
REFUSED = walk.Verdict(stage="server-flight", aborted_by="client", abort_act="alert", abort_packet=10)
SERVED = walk.Verdict(stage="data", aborted_by=None, abort_act=None, abort_packet=None)


def test_there_are_at_least_three_hundred_cases_over_both_versions_of_tls() -> None:
    assert len(BY_NAME) >= 300
    assert {case.tls for case in BY_NAME.values()} >= {"1.2", "1.3"}


@pytest.mark.parametrize("part", parts())
def test_every_case_names_stacks_certificates_and_causes_that_there_are(part: str) -> None:
    for case in parts()[part]:
        assert re.fullmatch(r"[a-z0-9-]+", case.name), case.name
        assert case.client in CLIENTS, case.name
        assert case.server in SERVERS, case.name
        assert case.chain in pki.CHAINS, case.name
        assert {case.store, case.client_ca or case.store} <= set(pki.STORES), case.name
        assert set(case.identity) <= set(pki.RECIPES), case.name
        assert {case.injected, *case.also} - {None} <= set(catalogue()), case.name
        assert {case.recorder, case.second or case.recorder} <= set(RECORDERS), case.name
        assert case.cut is None or case.cut in CUTS, case.name


def test_every_client_stack_has_a_control_in_which_nothing_is_wrong() -> None:
    assert {case.client for case in BY_NAME.values() if case.injected is None} >= {*CLIENTS} - {
        "curl-plain",
        "leaving",
        *BEFORE_TLS_CLIENTS,
    }


def test_what_the_client_accepted_has_completed_whatever_was_wrong() -> None:
    found = truth(BY_NAME["cn-only-openssl-tls12"], accepted=True, seen=SERVED)
    assert found == Truth(outcome="completed", cause=None, aborted_by=None)


def test_what_the_client_refused_failed_by_what_was_injected() -> None:
    found = truth(BY_NAME["cn-only-go-tls12"], accepted=False, seen=REFUSED)
    assert found == Truth(outcome="failed", cause="hostname-only-in-cn", aborted_by="client")


def test_who_ended_it_is_what_tshark_saw_where_the_fault_does_not_tell() -> None:
    case = Case(name="x", group="x", fault="x", injected="client-closed", client="curl")
    assert truth(case, accepted=False, seen=REFUSED).aborted_by == "client"


@pytest.mark.parametrize(("name", "accepted"), [("missing-root-curl-tls12", True), ("usual-curl-tls12", False)])
def test_a_recording_in_which_the_client_did_otherwise_proves_nothing(name: str, accepted: bool) -> None:
    with pytest.raises(NotInjectedError):
        truth(BY_NAME[name], accepted=accepted, seen=SERVED)


def test_the_scorer_says_what_to_do_when_no_lab_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score([str(tmp_path)]) == 2
    assert "captures.record.matrix" in capsys.readouterr().err


def test_the_scorer_refuses_a_pattern_that_fits_no_case(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"cases": [{"name": "missing-root-curl-tls12"}]}))
    assert score([str(tmp_path), "--only", "no-such-case"]) == 2

"""`hsanalyze check` as its users run it, on chains that OpenSSL's own client saved."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from analyzer.cli import main
from analyzer.inputs import AUTO_PROFILES
from analyzer.inspection import check_chain
from analyzer.report.to_json import json_schema
from analyzer.trust.store import SYSTEM_BUNDLES
from tests.trust import pki

AT = "2026-11-22T06:00:00Z"
HOST = "gw.example.com"

ROOT = pki.root("Acme Root")
ISSUING = ROOT.issue_ca("Acme Issuing CA")
LEAF = ISSUING.issue(HOST)
STRANGER = pki.root("Globex Root")


@dataclass(frozen=True, kw_only=True)
class Run:
    status: int
    out: str
    err: str


Command = Callable[..., Run]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str | Path) -> Run:
        status = main(["check", *map(str, words), "--at", AT])
        said = capsys.readouterr()
        return Run(status=status, out=said.out, err=said.err)

    return run


def store(path: Path, *certificates: pki.Issued) -> Path:
    path.write_bytes(b"".join(item.pem for item in certificates))
    return path


@contextmanager
def server(folder: Path, chain: Sequence[pki.Issued], *options: str) -> Iterator[str]:
    """A real `openssl s_server`; gives its address."""
    own = chain[0].private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(own)
    arguments = ["-accept", "127.0.0.1:0", "-cert", store(folder / "leaf.pem", chain[0]), "-key", folder / "key.pem"]
    if chain[1:]:
        arguments += ["-cert_chain", store(folder / "others.pem", *chain[1:])]
    process = subprocess.Popen(
        ["openssl", "s_server", *map(str, arguments), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        accepting = next((line for line in process.stdout if line.startswith("ACCEPT")), "")
        yield accepting.split()[1]
    finally:
        process.kill()
        process.communicate()


def session(address: str, *options: str) -> str:
    """What a real `openssl s_client` prints."""
    arguments = ["openssl", "s_client", "-connect", address, *options]
    result = subprocess.run(
        arguments, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, so no chain can be saved with its client")
    return tmp_path_factory.mktemp("check")


@pytest.fixture(scope="module")
def saved(folder: Path) -> Path:
    """The output of `s_client -showcerts` at a server that sends its root too."""
    with server(folder, (LEAF, ISSUING, ROOT)) as address:
        path = folder / "session.txt"
        path.write_text(session(address, "-servername", HOST, "-showcerts"))
    return path


@pytest.fixture(scope="module")
def trusted(folder: Path) -> Path:
    return store(folder / "trusted.pem", ROOT, STRANGER)


@pytest.fixture(scope="module")
def strange(folder: Path) -> Path:
    return store(folder / "strange.pem", STRANGER)


def test_a_chain_that_all_validators_accept(check: Command, saved: Path, trusted: Path) -> None:
    run = check(saved, "--truststore", trusted, "--host", HOST)
    assert run.status == 0
    assert run.out.startswith(f"All 8 validators accept the chain of {HOST}.\n")
    assert "3 certificates" in run.out
    assert f"{HOST} (named by --host)" in run.out
    assert "Repair" not in run.out
    assert run.err == ""


def test_a_chain_whose_root_is_not_trusted(check: Command, saved: Path, strange: Path) -> None:
    run = check(saved, "--truststore", strange, "--host", HOST)
    assert run.status == 1
    verdict = " ".join(run.out.partition("\n\n")[0].split())
    assert verdict.startswith(f"All 8 validators refuse the chain of {HOST}: ")
    assert "Acme Root" in verdict
    assert re.search(r"^  2   root CN=Acme Root,O=Acme .*not held$", run.out, re.MULTILINE)
    assert "<== broken here: missing-root" in run.out
    for profile in AUTO_PROFILES:
        assert re.search(rf"^  {profile} +refuses +missing-root$", run.out, re.MULTILINE)
    assert "unable to find valid certification path to requested target" in run.out
    assert "error 19 at 2 depth lookup: self-signed certificate in certificate chain" in run.out
    assert "x509: certificate signed by unknown authority" in run.out
    assert f"SHA-256\n     {ROOT.sha256})" in run.out
    assert "[proven: with it the check" in run.out


def test_the_proven_repair_repairs(check: Command, saved: Path, strange: Path, tmp_path: Path) -> None:
    report = json.loads(check(saved, "--truststore", strange, "--host", HOST, "--format", "json").out)
    fix = report["fixes"][0]
    assert (fix["action"], fix["certificate"], fix["proven"]) == ("add-to-store", ROOT.sha256, True)
    assert fix["profiles"] == list(AUTO_PROFILES)
    repaired = store(tmp_path / "repaired.pem", STRANGER, ROOT)
    assert check(saved, "--truststore", repaired, "--host", HOST).status == 0


def test_validators_that_differ(check: Command, saved: Path, folder: Path) -> None:
    intermediate = store(folder / "intermediate.pem", ISSUING)
    run = check(saved, "--truststore", intermediate, "--host", HOST)
    assert run.status == 1
    assert " ".join(run.out.split()).startswith(
        f"openssl and dotnet refuse the chain of {HOST}, while java, openssl-partial, boringssl, gnutls, go and "
        "webpki accept it: "
    )
    assert check(saved, "--truststore", intermediate, "--profile", "java").status == 0
    alone = check(saved, "--truststore", intermediate, "--profile", "openssl", "--host", HOST)
    assert alone.status == 1
    assert alone.out.startswith(f"openssl refuses the chain of {HOST}: ")
    assert "Verdict by validator" not in alone.out
    assert "unable to get issuer certificate" in alone.out
    assert "[proven: the check passes with it]" in alone.out


def test_another_host_than_the_certificate_s(check: Command, saved: Path, trusted: Path) -> None:
    run = check(saved, "--truststore", trusted, "--host", "api.example.com", "--profile", "java")
    assert run.status == 1
    assert "hostname-mismatch" in run.out
    assert "No subject alternative DNS name matching api.example.com found." in run.out


def test_without_a_host_its_check_is_left_out_and_said(check: Command, saved: Path, trusted: Path) -> None:
    assert HOST in saved.read_text()
    run = check(saved, "--truststore", trusted)
    assert run.status == 0
    assert "whose names were not checked for any host" in run.out
    assert "not checked: which name the client meant is not known; --host NAME tells it" in run.out


def test_the_host_of_a_command_line_in_the_text(check: Command, saved: Path, trusted: Path, tmp_path: Path) -> None:
    pasted = tmp_path / "pasted.txt"
    command = "$ openssl s_client -connect 127.0.0.1:443 -servername api.example.com -showcerts </dev/null\n"
    pasted.write_text(command + saved.read_text())
    run = check(pasted, "--truststore", trusted)
    assert run.status == 1
    assert "api.example.com (as it stands in the input)" in run.out
    named = check(pasted, "--truststore", trusted, "--host", HOST)
    assert named.status == 0


def test_the_peer_s_name_that_openssl_verified(check: Command, folder: Path, trusted: Path) -> None:
    with server(folder, (LEAF, ISSUING)) as address:
        text = session(address, "-verify_hostname", HOST, "-CAfile", str(trusted), "-showcerts")
    (folder / "verified.txt").write_text(text)
    run = check(folder / "verified.txt", "--truststore", trusted)
    assert run.status == 0
    assert f"{HOST} (as it stands in the input)" in run.out


def test_a_session_saved_without_showcerts(check: Command, folder: Path, trusted: Path) -> None:
    with server(folder, (LEAF, ISSUING, ROOT)) as address:
        (folder / "short.txt").write_text(session(address))
    run = check(folder / "short.txt", "--truststore", trusted)
    assert run.status == 2
    for said in (run.out, run.err):
        assert "-showcerts" in " ".join(said.split())
    assert "missing-intermediate" in run.out


def test_a_session_in_which_the_server_sent_no_certificate(check: Command, folder: Path, trusted: Path) -> None:
    with server(folder, (LEAF,), "-no_tls1_3") as address:
        (folder / "none.txt").write_text(session(address, "-tls1_3", "-showcerts"))
    run = check(folder / "none.txt", "--truststore", trusted)
    assert (run.status, run.out) == (2, "")
    assert "the server sent no certificate" in run.err


def test_a_responder_s_answer_and_other_connections_are_left_out(check: Command, saved: Path, trusted: Path) -> None:
    both = saved.with_name("both.txt")
    both.write_text(f"responder:\n{STRANGER.pem.decode()}\n{saved.read_text()}{saved.read_text()}")
    run = check(both, "--truststore", trusted, "--host", HOST)
    assert run.status == 0
    assert "holds the output of 2 connections" in run.err


@pytest.mark.parametrize("form", ["PEM", "DER", "PKCS#7", "UTF-16", "browser"])
def test_other_forms_of_the_same_chain(form: str, check: Command, folder: Path, trusted: Path) -> None:
    bundle = store(folder / "bundle.pem", LEAF, ISSUING)
    path = folder / "chain"
    match form:
        case "PEM":
            path.write_bytes(bundle.read_bytes())
        case "DER":
            path.write_bytes(LEAF.der)
            trusted = store(folder / "with-issuing.pem", ROOT, ISSUING)
        case "PKCS#7":
            words = ["openssl", "crl2pkcs7", "-nocrl", "-outform", "DER", "-certfile", str(bundle), "-out", str(path)]
            subprocess.run(words, check=True)
        case "UTF-16":
            path.write_text(bundle.read_text(), encoding="utf-16")
        case _:
            lines = bundle.read_text().replace("\n", "<br>").replace("/", "&#x2f;")
            where = f"<p>Attackers might be trying to steal your information from <strong>{HOST}</strong> (for example"
            path.write_text(f"<html><body>{where}, passwords)</p><div>PEM encoded chain:{lines}</div></body></html>")
    run = check(path, "--truststore", trusted, "--host", HOST)
    assert run.status == 0, run.out
    assert run.out.startswith(f"All 8 validators accept the chain of {HOST}.\n")


def test_the_chain_on_standard_input(saved: Path, trusted: Path) -> None:
    words = [sys.executable, "-m", "analyzer", "check", "-", "--truststore", str(trusted), "--at", AT]
    with saved.open("rb") as chain:
        result = subprocess.run(words, check=False, stdin=chain, capture_output=True, text=True)
    assert result.returncode == 0
    assert "standard input: 3 certificates" in result.stdout
    assert result.stderr == ""


def test_without_a_store_this_machine_s_own_is_taken_and_said(check: Command, saved: Path) -> None:
    if not any(Path(bundle).is_file() for bundle in SYSTEM_BUNDLES):
        pytest.skip("this machine has no bundle of CA certificates")
    run = check(saved)
    assert run.status == 1
    assert "none was named, so this machine's own" in " ".join(run.out.split())


def test_a_candidate_is_tried_as_a_repair(check: Command, folder: Path, strange: Path) -> None:
    sent = store(folder / "sent.pem", LEAF, ISSUING)
    without = check(sent, "--truststore", strange, "--profile", "openssl", "--format", "json")
    assert not any(fix["proven"] for fix in json.loads(without.out)["fixes"])
    candidate = store(folder / "root.pem", ROOT)
    words = ("--truststore", strange, "--profile", "openssl", "--candidate", candidate, "--format", "json")
    first = json.loads(check(sent, *words).out)["fixes"][0]
    assert (first["proven"], first["certificate"]) == (True, ROOT.sha256)


def test_an_expired_leaf_at_the_named_time(saved: Path, trusted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["check", str(saved), "--truststore", str(trusted), "--profile", "java"]
    assert main([*words, "--at", "2027-11-22T06:00:00Z"]) == 0
    assert main([*words, "--at", "2027-11-22T06:00:01Z"]) == 1
    assert "expired-leaf" in capsys.readouterr().out


def schema(name: str) -> Any:
    whole = json.loads(json_schema())
    return jsonschema.Draft202012Validator(
        {"$schema": whole["$schema"], "$defs": whole["$defs"], "$ref": f"#/$defs/{name}"},
        format_checker=jsonschema.FormatChecker(),
    )


def test_json_is_as_the_schema_says(check: Command, saved: Path, trusted: Path, strange: Path) -> None:
    for path in (trusted, strange):
        for extra in ((), ("--redact",), ("--profile", "go", "--host", HOST)):
            run = check(saved, "--truststore", path, "--format", "json", *extra)
            report = json.loads(run.out)
            schema("check").validate(report)
            assert report["accepted"] is (run.status == 0)
            assert [verdict["accepted"] for verdict in report["trust"]] == [run.status == 0] * len(report["trust"])
    for name in report:
        assert not schema("check").is_valid({key: value for key, value in report.items() if key != name}), name


def test_markdown_by_the_suffix_of_the_file(check: Command, saved: Path, strange: Path, tmp_path: Path) -> None:
    run = check(saved, "--truststore", strange, "-o", tmp_path / "ticket.md")
    assert (run.status, run.out) == (1, "")
    text = (tmp_path / "ticket.md").read_text()
    assert text.startswith("**Verdict:** All 8 validators refuse")
    assert "| java " in text
    assert "### Repair" in text


def test_redacted_no_name_leaves(check: Command, saved: Path, strange: Path) -> None:
    for form in ("text", "markdown", "json"):
        run = check(saved, "--truststore", strange, "--host", HOST, "--redact", "--format", form)
        assert run.status == 1
        for private in ("example.com", "Acme", "Globex", LEAF.sha256[:16], ROOT.sha256[:16], str(saved.parent)):
            assert private not in run.out, (form, private)


def test_control_characters_in_a_name_do_not_reach_the_terminal(check: Command, tmp_path: Path) -> None:
    hostile = pki.root("Evil\x1b[2J\u202eRoot")
    chain = store(tmp_path / "chain.pem", hostile.issue("gw.example.com", common_name="a\x07b"), hostile)
    for form in ("text", "markdown", "json"):
        run = check(chain, "--truststore", store(tmp_path / "store.pem", hostile, STRANGER), "--format", form)
        assert not set("\x1b\x07\u202e") & set(run.out)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["missing.pem"], "there is no such file"),
        (["."], "is a directory"),
        (["noise.bin"], "noise.bin: "),
        (["chain.pem", "--profile", "jav"], "there is no profile 'jav'"),
        (["chain.pem", "--truststore", "missing.pem"], "missing.pem: there is no such file"),
        (["chain.pem", "--truststore", "noise.bin"], "noise.bin: "),
        (["chain.pem", "--format", "ndjson"], "invalid choice"),
        (["chain.pem", "--verify-depth", "x"], "is no number of certificates"),
        ([], "CHAIN"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_status_2(
    words: list[str], reason: str, check: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store(tmp_path / "chain.pem", LEAF, ISSUING)
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)))
    run = check(*words)
    assert (run.status, run.out) == (2, "")
    assert run.err.count("\n") == 1
    assert run.err.startswith("hsanalyze: error: ")
    assert reason in run.err


def test_a_part_of_the_store_that_cannot_be_read_is_told_and_the_rest_is_used(
    check: Command, saved: Path, trusted: Path, tmp_path: Path
) -> None:
    run = check(saved, "--truststore", trusted, "--truststore", tmp_path / "absent.pem", "--host", HOST)
    assert run.status == 2
    assert run.out.startswith("All 8 validators accept")
    assert "absent.pem: there is no such file" in run.err


def test_the_function_takes_an_open_file_and_gives_plain_data(trusted: Path) -> None:
    file = io.BytesIO(LEAF.pem + ISSUING.pem)
    report = check_chain(file, truststore=trusted, host=HOST, profile="gnutls", at=pki.NOW)
    assert report.accepted
    assert report.source == "-"
    assert [certificate.role for certificate in report.chain] == ["leaf", "intermediate"]
    assert [verdict.profile for verdict in report.trust] == ["gnutls"]
    assert report.fixes == ()

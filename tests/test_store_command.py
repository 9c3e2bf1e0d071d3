"""`hsanalyze store` as its users run it, on stores that keytool, openssl and others wrote."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from analyzer.cli import main
from analyzer.inspection import inspect_store
from analyzer.report.to_json import json_schema
from analyzer.trust.store import SYSTEM_BUNDLES
from tests.trust import pki

STORES = Path(__file__).parent / "trust" / "data" / "stores"
EVERY_STORE = sorted(path.name for path in STORES.iterdir() if path.is_file())
AT = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, kw_only=True)
class Run:
    status: int
    out: str
    err: str

    @property
    def words(self) -> str:
        return " ".join(self.out.split())


Command = Callable[..., Run]


@pytest.fixture
def store(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.delenv("HSANALYZE_TRUSTSTORE_PASSWORD", raising=False)

    def run(*words: str | Path, password: str = "changeit") -> Run:
        extra = ["--truststore-password", password] if password else []
        status = main(["store", *map(str, words), *extra, "--at", AT])
        said = capsys.readouterr()
        return Run(status=status, out=said.out, err=said.err)

    return run


def schema() -> Any:
    whole = json.loads(json_schema())
    return jsonschema.Draft202012Validator(
        {"$schema": whole["$schema"], "$defs": whole["$defs"], "$ref": "#/$defs/store"},
        format_checker=jsonschema.FormatChecker(),
    )


def test_a_java_store_of_good_roots(store: Command) -> None:
    run = store(STORES / "root-and-other.jks")
    assert run.status == 0
    assert run.out.startswith("Nothing is wrong with this store of 2 certificates.\n")
    row = r"^  CN=Store Test +itself +2099-12-31 +EC P-256 +ecdsa-with- +[0-9a-f]{12}… +root, trusted +root a$"
    assert re.search(row, run.out, re.MULTILINE)
    assert "Holds  2 roots" in run.out
    assert run.err == ""


def test_the_table_has_what_openssl_says_of_the_certificate(store: Command) -> None:
    words = ["openssl", "x509", "-in", str(STORES / "issuing.pem"), "-noout", "-fingerprint", "-sha256"]
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    line = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    fingerprint = line.strip().partition("=")[2].replace(":", "").lower()
    run = store(STORES / "issuing.pem", STORES / "root.pem")
    assert run.status == 0
    assert f"{fingerprint[:12]}…" in run.out
    assert "Holds 1 intermediate, 1 root" in run.words


def test_a_server_s_pfx_is_no_trust_store(store: Command) -> None:
    run = store(STORES / "chain.p12")
    assert run.status == 1
    assert run.out.startswith("Something is wrong with this store of 3 certificates: 3 warnings.\n")
    assert "Warnings: a gateway may stumble over these" in run.out
    for code in ("leaf-certificate", "private-key-entry", "full-chain"):
        assert f"({code})" in run.words
    assert "leaf, with" in run.out
    assert "export each of them into a file of its own" in run.words


def test_an_expired_root_is_wrong_from_its_end_on(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(STORES / "expired-root.pem")
    assert main(["store", path, "--at", "2021-01-01T00:00:00Z"]) == 0
    assert main(["store", path, "--at", "2021-01-01T00:00:01Z"]) == 1
    assert "put its successor beside it" in " ".join(capsys.readouterr().out.split())
    assert main(["store", path]) == 1


def test_notes_alone_are_nothing_wrong(store: Command) -> None:
    run = store(STORES / "root.pem", STORES / "root.der", STORES / "reissued-root.pem")
    assert run.status == 0
    assert run.out.startswith("Nothing is wrong with this store of 2 certificates; 2 notes below.\n")
    assert "Holds 3 roots (1 of them a repetition)" in run.words
    assert "(duplicate)" in run.words
    assert "(same-name-other-key)" in run.words


def test_a_directory_tells_each_certificate_s_file(store: Command, captures: Path) -> None:
    folder = captures / "stores" / "with-root"
    run = store(folder, "--format", "markdown")
    assert run.status == 0
    assert str(folder) in run.out.partition("### Certificates")[0]
    for name in ("acme-root.pem", "globex-root.pem", "initech-root.pem"):
        assert f"| `{name}`" in run.out


def test_problems_stand_by_severity(store: Command, tmp_path: Path) -> None:
    shutil.copy(STORES / "root.pem", tmp_path / "a.pem")
    shutil.copy(STORES / "leaf.pem", tmp_path / "b.pem")
    shutil.copy(STORES / "roots-rc4.p12", tmp_path / "c.p12")
    (tmp_path / "d.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n")
    (tmp_path / "README").write_text("roots of our partners\n")
    run = store(tmp_path)
    assert run.status == 2
    places = [run.out.find(title) for title in ("Errors: not read", "Warnings: a gateway", "Notes\n")]
    assert -1 not in places
    assert places == sorted(places)
    assert "d.pem" in run.err
    assert "README" not in run.err


def test_a_path_that_is_missing_beside_one_that_is_not(store: Command, tmp_path: Path) -> None:
    run = store(STORES / "root.pem", tmp_path / "absent.pem")
    assert run.status == 2
    assert "CN=Store Test Root" in run.out
    assert "there is no such file or directory (missing-file)" in run.words
    assert "absent.pem: there is no such file or directory" in run.err


@pytest.mark.parametrize(
    ("name", "password", "reason"),
    [
        ("absent.pem", "", "there is no such file or directory"),
        ("java.p12", "wrong", "password"),
        ("java.p12", "", "password"),
        ("key.der", "", "private key"),
        ("bouncy.bks", "changeit", "bouncy.bks: "),
    ],
)
def test_where_nothing_can_be_read_there_is_one_line(name: str, password: str, reason: str, store: Command) -> None:
    run = store(STORES / name, password=password)
    assert (run.status, run.out) == (2, "")
    assert run.err.startswith("hsanalyze: error: ")
    assert run.err.count("\n") == 1
    assert reason in run.err


def test_the_password_from_the_environment(store: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSANALYZE_TRUSTSTORE_PASSWORD", "changeit")
    assert store(STORES / "java.p12", password="").status == 0


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
@pytest.mark.parametrize("name", EVERY_STORE)
def test_every_store_has_its_report_or_its_reason(name: str, form: str, store: Command) -> None:
    run = store(STORES / name, "--format", form)
    assert run.status in (0, 1, 2)
    assert run.out or (run.status == 2 and run.err)
    assert not set("\x1b\x07") & set(run.out)
    if run.out and form == "json":
        report = json.loads(run.out)
        schema().validate(report)
        severities = {problem["severity"] for problem in report["problems"]}
        assert run.status == (2 if "error" in severities else 1 if "warning" in severities else 0)


def test_json_has_every_entry_and_the_schema_wants_every_field(store: Command) -> None:
    report = json.loads(store(STORES / "with-key.jks", "--format", "json").out)
    entries = [(item["alias"], item["kind"], item["chain_index"]) for item in report["entries"]]
    assert entries == [
        ("other", "trusted-certificate", 0),
        ("leaf", "private-key-entry", 0),
        ("leaf", "private-key-entry", 1),
        ("leaf", "private-key-entry", 2),
    ]
    assert report["certificates"] == 4
    for name in report:
        assert not schema().is_valid({key: value for key, value in report.items() if key != name}), name


def test_markdown_into_a_file(store: Command, tmp_path: Path) -> None:
    run = store(STORES / "with-key.jks", "-o", tmp_path / "store.md")
    assert (run.status, run.out) == (1, "")
    text = (tmp_path / "store.md").read_text()
    assert text.startswith("**Verdict:** Something is wrong with this store of 4 certificates: 3 warnings.")
    assert "| subject " in text


def test_a_very_large_store_is_cut_in_the_table_and_whole_in_json(store: Command, tmp_path: Path) -> None:
    der = (STORES / "root.der").read_bytes()
    at = der.index(b"\xa0\x03\x02\x01\x02\x02") + 8
    many = tmp_path / "many.pem"
    with many.open("wb") as file:
        for number in range(256, 256 + 1010):
            file.write(pem(der[:at] + number.to_bytes(2, "big") + der[at + 2 :]))
    assert "… and 10 more certificates. --format json lists them all." in store(many).words
    assert len(json.loads(store(many, "--format", "json").out)["entries"]) == 1010


def pem(der: bytes) -> bytes:
    from base64 import encodebytes

    return b"-----BEGIN CERTIFICATE-----\n" + encodebytes(der) + b"-----END CERTIFICATE-----\n"


def test_control_characters_in_names_and_paths_are_shown_not_sent(store: Command, tmp_path: Path) -> None:
    folder = tmp_path / "a\x1b[31mb"
    folder.mkdir()
    (folder / "root.pem").write_bytes(pki.root("Evil\x1b]0;x\x07Root").pem)
    for form in ("text", "markdown", "json"):
        run = store(folder, "--format", form)
        assert not set("\x1b\x07") & set(run.out + run.err)
        assert "Evil" in run.out


def test_the_system_s_store(store: Command) -> None:
    if not any(Path(bundle).is_file() for bundle in SYSTEM_BUNDLES):
        pytest.skip("this machine has no bundle of CA certificates")
    run = store("system")
    assert run.status in (0, 1)
    assert "Store  system\n" in run.out


def test_as_a_program() -> None:
    words = [sys.executable, "-m", "analyzer", "store", str(STORES / "expired-root.pem")]
    result = subprocess.run(words, check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (1, "")
    assert "(expired-certificate)" in " ".join(result.stdout.split())


@pytest.mark.parametrize("words", [[], ["x", "--at", "noon"], ["x", "--at", "2026-01-01T00:00:00"], ["x", "--bad"]])
def test_wrong_usage_is_one_line_and_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err


def test_the_function_gives_plain_data() -> None:
    report = inspect_store([STORES / "root.pem", STORES / "issuing.pem"], at=pki.NOW)
    assert [entry.certificate.role for entry in report.entries] == ["root", "intermediate"]
    assert report.problems == ()
    assert report.at == "2026-11-22T06:00:00Z"

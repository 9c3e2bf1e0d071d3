"""The command line as a user meets it: exit statuses, formats, and what is said of bad input."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from analyzer.cli import main

CAPTURES = Path(__file__).parent.parent / "captures"
PLAYBOOK = str(CAPTURES / "playbook.pcap")
WITHOUT_ROOT = str(CAPTURES / "stores" / "without-root")
WITH_ROOT = str(CAPTURES / "stores" / "with-root")

Capsys = pytest.CaptureFixture[str]


def out(capsys: Capsys) -> str:
    return capsys.readouterr().out


def test_the_playbook_names_the_missing_root_the_abort_its_packet_and_the_repair(capsys: Capsys) -> None:
    assert main([PLAYBOOK, "--truststore", WITHOUT_ROOT]) == 1
    text = " ".join(out(capsys).split())
    assert "the trust store lacks the root “Acme Root CA”" in text
    assert "missing-root (certain)" in text
    assert "the client, packet #12, FIN without an alert" in text
    assert 'Add the root "CN=Acme Root CA,O=Acme,C=DE" to the trust store' in text
    assert "[proven: the check passes with it]" in text
    assert "unable to find valid certification path to requested target" in text
    assert "tcp.stream eq 0" in text


def test_with_the_root_in_the_store_the_playbook_says_that_the_store_would_have_accepted(capsys: Capsys) -> None:
    assert main([PLAYBOOK, "--truststore", WITH_ROOT]) == 1
    assert "would have accepted the chain" in " ".join(out(capsys).split())


def test_a_capture_in_which_no_handshake_failed_exits_with_0(capsys: Capsys) -> None:
    assert main([str(CAPTURES / "success-curl.pcap"), "--truststore", WITH_ROOT]) == 0
    assert out(capsys).startswith("No TLS handshake failed")


@pytest.mark.parametrize("name", ["playbook", "not-tls-nginx", "connect-timeout", "tls13-success", "expired-leaf-go"])
def test_json_follows_the_schema_that_the_command_prints(name: str, capsys: Capsys) -> None:
    assert main(["--json-schema"]) == 0
    schema = json.loads(out(capsys))
    main([str(CAPTURES / f"{name}.pcap"), "--truststore", WITHOUT_ROOT, "--format", "json"])
    report = json.loads(out(capsys))
    jsonschema.validate(report, schema)
    assert report["schema"] == "hsanalyze/1"


def test_ndjson_has_one_connection_a_line(capsys: Capsys) -> None:
    main([PLAYBOOK, str(CAPTURES / "success-curl.pcap"), "--format", "ndjson"])
    lines = out(capsys).splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["failed", "completed"]


@pytest.mark.parametrize(("suffix", "beginning"), [("md", "**Verdict:**"), ("json", "{"), ("txt", "The client")])
def test_the_suffix_of_the_output_file_picks_the_format(suffix: str, beginning: str, tmp_path: Path) -> None:
    target = tmp_path / f"ticket.{suffix}"
    assert main([PLAYBOOK, "--truststore", WITHOUT_ROOT, "-o", str(target)]) == 1
    assert target.read_text(encoding="utf-8").startswith(beginning)


def test_a_capture_is_read_from_standard_input() -> None:
    with Path(PLAYBOOK).open("rb") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "analyzer", "-", "--truststore", WITHOUT_ROOT, "--format", "ndjson"],
            stdin=stream,
            capture_output=True,
            check=False,
        )
    assert done.returncode == 1
    assert json.loads(done.stdout)["cause"]["code"] == "missing-root"


def test_a_capture_cut_in_mid_packet_is_analysed_as_far_as_it_goes(tmp_path: Path, capsys: Capsys) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(Path(PLAYBOOK).read_bytes()[:-30])
    assert main([str(cut), "--truststore", WITHOUT_ROOT]) == 2
    said = capsys.readouterr()
    assert "ends in the middle of packet 13" in said.err
    assert "Acme Root CA" in said.out


def test_a_damaged_gzip_file_is_analysed_as_far_as_it_can_be_unpacked(tmp_path: Path, capsys: Capsys) -> None:
    cut = tmp_path / "cut.pcap.gz"
    cut.write_bytes(gzip.compress(Path(PLAYBOOK).read_bytes())[:-300])
    assert main([str(cut)]) == 2
    said = capsys.readouterr()
    assert "ends early or is damaged" in said.err
    assert "1 connection" in said.out


def test_a_recorder_whose_clock_was_not_set_is_told_unless_the_time_is_given(tmp_path: Path, capsys: Capsys) -> None:
    content = bytearray(Path(PLAYBOOK).read_bytes())
    position = 24
    while position < len(content):
        content[position : position + 4] = bytes(4)
        position += 16 + int.from_bytes(content[position + 8 : position + 12], "little")
    undated = tmp_path / "undated.pcap"
    undated.write_bytes(content)
    main([str(undated), "--truststore", WITHOUT_ROOT])
    assert "packets are dated 1970-01-01" in capsys.readouterr().err
    main([str(undated), "--truststore", WITHOUT_ROOT, "--at", "2026-11-22T08:25:12Z"])
    said = capsys.readouterr()
    assert said.err == ""
    assert "missing-root (certain)" in said.out


def test_claimed_lengths_beyond_belief_are_told_with_their_place(tmp_path: Path, capsys: Capsys) -> None:
    crafted = tmp_path / "crafted.pcap"
    crafted.write_bytes(Path(PLAYBOOK).read_bytes()[:24] + b"\xff" * 64)
    assert main([str(crafted)]) == 2
    assert "packet 1 claims 4294967295 captured bytes (at byte 24 of the file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"tcpdump: listening on eth0, link-type EN10MB\n" * 3, "this is a text file"),
        (bytes(range(7, 200)), "neither pcap nor pcapng"),
        (b"snoop\0\0\0" + bytes(60), "a Solaris snoop capture"),
    ],
)
def test_what_is_no_capture_is_named(content: bytes, said: str, tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "capture"
    path.write_bytes(content)
    assert main([str(path)]) == 2
    assert said in capsys.readouterr().err


def test_a_missing_file_is_told(capsys: Capsys) -> None:
    assert main(["no-such-file.pcap"]) == 2
    assert "there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("store", "extra", "said"),
    [
        ("with-root.p12", ["--truststore-password", "wrong"], "the password is wrong"),
        ("with-root.jks", ["--truststore-password", "wrong"], "the password is wrong"),
        ("no-such-store", [], "there is no such file"),
    ],
)
def test_a_store_that_cannot_be_read_is_told_and_the_rest_reported(
    store: str, extra: list[str], said: str, capsys: Capsys
) -> None:
    assert main([PLAYBOOK, "--truststore", str(CAPTURES / "stores" / store), *extra]) == 2
    result = capsys.readouterr()
    assert said in result.err
    assert "#12" in result.out


def test_a_store_of_which_nothing_can_be_read_lacks_no_root(capsys: Capsys) -> None:
    main([PLAYBOOK, "--truststore", "no-such-store", "--format", "ndjson"])
    assert json.loads(out(capsys))["cause"]["code"] == "certificate-rejected"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no capture was named"),
        (["--no-such-option"], "unrecognized arguments"),
        ([PLAYBOOK, "--profile", "netscape"], "there is no profile 'netscape'"),
        ([PLAYBOOK, "--at", "yesterday"], "is no time"),
        ([PLAYBOOK, "--at", "2026-01-01T00:00:00"], "has no time zone"),
        ([PLAYBOOK, "--log", "no-such.log"], "there is no such log"),
        ([PLAYBOOK, "--keylog", "no-such.keys"], "there is no such key log"),
        ([PLAYBOOK, "-o", "/no/such/folder/ticket.md"], "cannot be written"),
        (["explain", "no-such-code"], "there is no such cause code"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_status_2(arguments: list[str], said: str, capsys: Capsys) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_explain_prints_the_page_of_a_cause(capsys: Capsys) -> None:
    assert main(["explain", "missing-root"]) == 0
    assert out(capsys).startswith("# The trust store lacks the root\n\n`missing-root`")


def test_redaction_leaves_no_address_host_name_or_private_authority(capsys: Capsys) -> None:
    main([PLAYBOOK, "--truststore", WITHOUT_ROOT, "--redact"])
    text = out(capsys)
    assert "10.77.0" not in text
    assert "backend.example" not in text
    assert "Acme" not in text


def test_a_named_validator_is_the_only_one_asked(capsys: Capsys) -> None:
    main([PLAYBOOK, "--truststore", WITHOUT_ROOT, "--profile", "java", "--format", "ndjson"])
    trust = json.loads(out(capsys))["trust"]
    assert [verdict["profile"] for verdict in trust] == ["java"]
    assert trust[0]["error"].startswith("PKIX path building failed")


def test_the_library_call_gives_the_same_report() -> None:
    import analyzer

    report = analyzer.analyze(PLAYBOOK, truststore=WITHOUT_ROOT)
    (connection,) = report.connections
    assert connection.cause is not None
    assert (connection.cause.code, connection.aborted_by, connection.abort_packet) == ("missing-root", "client", 12)


def test_unusable_input_raises_input_error_and_nothing_else() -> None:
    import analyzer

    with pytest.raises(analyzer.InputError, match="there is no such file"):
        analyzer.analyze("no-such-file.pcap")


def test_a_key_log_opens_what_is_encrypted_and_the_report_says_so(capsys: Capsys) -> None:
    name = "tls13-missing-root-java"
    words = [str(CAPTURES / f"{name}.pcap"), "--keylog", str(CAPTURES / f"{name}.keys"), "--truststore", WITHOUT_ROOT]
    assert main(words) == 1
    text = " ".join(out(capsys).split())
    assert "missing-root (certain)" in text
    assert "As sent by the server (decrypted)" in text
    assert main([*words, "--format", "json"]) == 1
    (connection,) = json.loads(out(capsys))["connections"]
    assert connection["chain_source"] == "decrypted"
    assert [(a["from"], a["description"], a["encrypted"]) for a in connection["alerts"]] == [
        ("client", "certificate_unknown", True)
    ]

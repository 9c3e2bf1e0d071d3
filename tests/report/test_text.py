from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.report.characters import cells
from analyzer.report.model import Connection, InputProblem, Report, Summary
from analyzer.report.to_text import to_text

SGR = re.compile(r"\x1b\[[0-9;]*m")
PASTED = re.compile(r"\s*\$ |.*[0-9a-f]{64}|.*frame\.number in|.*tcp\.stream in")


def lines(report: Report, **options: bool | int) -> list[str]:
    return to_text(report, **options).splitlines()  # type: ignore[arg-type]


def test_the_first_ten_lines_tell_who_refused_what_why_how_often_since_when_and_what_repairs_it(
    playbook: Report,
) -> None:
    head = "\n".join(lines(playbook)[:10])
    for words in (
        "The client 10.1.2.3 refused the certificate of api.backend.example (10.1.2.4:443)",
        "root CA 'Acme Root CA'",
        "12 of 14 connections failed this way, between 10:42:07 UTC",
        "missing-root (certain)",
        "Add the root CA 'Acme Root CA' to the trust store (proven; steps below)",
        "10.1.2.3:52214 -> 10.1.2.4:443",
    ):
        assert words in " ".join(head.split()), words


def test_several_findings_are_ranked_in_the_first_lines(mixed: Report) -> None:
    head = lines(mixed)[:9]
    assert head[0].startswith("5 of 9 connections failed, for 3 different reasons.")
    assert [line.split()[1] for line in head if re.match(r" \d\. ", line)] == ["3x", "1x", "1x"]


def test_the_filters_are_there_to_paste(playbook: Report) -> None:
    text = to_text(playbook)
    assert "tcp.stream eq 3\n" in text
    assert "frame.number in {40, 41, 43, 45, 47, 48}\n" in text


def test_wireshark_takes_the_filters(mixed: Report) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    captures = sorted((Path(__file__).parents[2] / "captures").rglob("*.pcap"))
    if not captures:
        pytest.skip("no capture to read")
    text = to_text(mixed)
    filters = re.findall(r"tcp\.stream eq \d+|frame\.number in \{[^}]*\}|tcp\.stream in \{[^}]*\}", text)
    assert len(filters) > 6
    joined = " or ".join(f"({item})" for item in set(filters))
    done = subprocess.run(["tshark", "-r", str(captures[0]), "-Y", joined], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_packet_that_ended_the_handshake_is_marked_in_the_ladder(playbook: Report) -> None:
    (line,) = (line for line in lines(playbook) if "<== ends the handshake" in line)
    assert re.search(r"#47 +0\.0301 s +\|-+>\| +FIN,ACK", line)


def test_a_long_ladder_keeps_its_end(mixed: Report) -> None:
    silent = mixed.connections[6]
    late = replace(silent, abort_act="fin", abort_packet=442, timeline=silent.timeline + (silent.timeline[-1],) * 0)
    text = to_text(replace(mixed, connections=(late,), findings=(replace(mixed.findings[2], connections=(8,)),)))
    assert "more packets." in text
    assert re.search(r"#442 .*<== ends the handshake", text)


def test_the_missing_issuer_has_a_row_when_the_root_was_not_sent(playbook: Report) -> None:
    example = playbook.connections[2]
    verdict = replace(example.trust[0], path=example.trust[0].path[:2])
    rootless = replace(example, server_chain=example.server_chain[:2], trust=(verdict,))
    text = to_text(replace(playbook, connections=(rootless,)))
    row = re.search(r"\?   missing, not sent: CN=Acme Root CA,O=Acme Ltd,C=GB +(.*)\n +<== broken here", text)
    assert row
    assert row[1].startswith("none of its 2 certificates has this")


def test_a_store_certificate_of_the_same_name_with_another_key_is_shown_beside(mixed: Report) -> None:
    assert "another certificate of this name:" in to_text(mixed)


def test_a_wrong_store_is_told_when_it_would_have_accepted(accepted_by_this_store: Report) -> None:
    head = " ".join(" ".join(lines(accepted_by_this_store)[:6]).split())
    assert "The given trust store would have accepted the chain of api.backend.example" in head


def test_a_completed_connection_whose_chain_this_store_refuses_is_told(quiet: Report) -> None:
    head = " ".join(" ".join(lines(quiet)[:6]).split())
    assert head.startswith("No TLS handshake failed: all 3 connections completed theirs.")
    assert "by the given trust store java would have refused its chain (missing-root)" in head


def test_without_a_store_nothing_is_said_of_one(quiet: Report) -> None:
    text = to_text(replace(quiet, truststore=None))
    assert "would have" not in text
    assert "none given; --truststore PATH" in text


def test_the_table_of_failed_connections_is_cut_and_all_lists_every_one(playbook: Report) -> None:
    failed = playbook.connections[2:]
    many = tuple(replace(failed[0], id=number) for number in range(100))
    report = replace(
        playbook, connections=many, summary=Summary(connections=100, completed=0, failed=100, incomplete=0)
    )
    text = to_text(report)
    assert "… and 75 more connections. --all lists them." in text
    everything = to_text(report, all_connections=True)
    assert "--all" not in everything
    assert sum(line.startswith(f"  {number} ") for number in range(100) for line in everything.splitlines()) >= 100


def test_completed_connections_are_counted_and_shown_in_full_only_on_demand(mixed: Report) -> None:
    text = to_text(mixed)
    assert "2 connections completed their handshakes" in text
    assert "Connection tcp.stream eq 4: completed" not in text
    assert "Connection tcp.stream eq 4: completed" in to_text(mixed, all_connections=True)


def test_incomplete_connections_are_counted_with_their_reason(mixed: Report) -> None:
    assert re.search(r"1 +capture-incomplete +The packets that would tell are not in the capture +9", to_text(mixed))


def test_an_explanation_that_the_verdict_gave_in_full_does_not_come_twice(playbook: Report) -> None:
    cause = replace(playbook.findings[0].cause, headline="Nothing listens there.", explanation="Nothing listens there.")
    members = tuple(replace(item, cause=cause) if item.outcome == "failed" else item for item in playbook.connections)
    report = replace(playbook, connections=members, findings=(replace(playbook.findings[0], cause=cause),))
    assert to_text(report).count("Nothing listens there.") == 1


def test_the_text_of_a_finding_leads_and_the_count_is_said_once(playbook: Report) -> None:
    finding = playbook.findings[0]
    told = replace(
        finding,
        cause=replace(finding.cause, headline="The client 10.1.2.3 refused it."),
        text="3 clients refused it.",
    )
    head = " ".join(to_text(replace(playbook, findings=(told,))).split("\n\n")[0].split())
    assert head.startswith("3 clients refused it. 12 of 14 connections failed this way, between")
    assert head.count("failed this way") == 1


def test_a_fault_of_our_own_is_not_hidden(mixed: Report) -> None:
    text = to_text(mixed)
    assert "hsanalyze itself broke on 1 connection" in text
    assert "KeyError: 'x25519'" in text


def test_what_could_not_be_read_is_listed_with_its_place(mixed: Report) -> None:
    text = to_text(mixed)
    assert "#17: 212 packets are cut at 96 bytes (packets-cut)" in text
    assert "ts/key.pem: a private key, no certificate (private-key)" in text


def test_a_capture_without_tls_says_so(quiet: Report) -> None:
    empty = replace(quiet, connections=(), summary=Summary(connections=0, completed=0, failed=0, incomplete=0))
    assert lines(empty)[0] == "There is no TLS connection in this capture of 1,204 packets."


def test_a_connection_of_which_nothing_is_known_is_reported(quiet: Report) -> None:
    bare = Connection(
        id=0,
        client="10.0.0.1:1",
        server="10.0.0.2:443",
        started_at="2026-11-03T10:00:00Z",
        outcome="failed",
        aborted_by=None,
        abort_packet=None,
        abort_act=None,
        stage="tcp",
        cause=None,
    )
    summary = Summary(connections=1, completed=0, failed=1, incomplete=0)
    text = to_text(replace(quiet, connections=(bare,), summary=summary), all_connections=True)
    assert text.startswith("1 of 1 connection failed.")
    assert "10.0.0.1:1 -> 10.0.0.2:443" in text


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("name", ["playbook", "mixed", "quiet", "accepted_by_this_store"])
def test_no_line_is_wider_than_the_terminal(name: str, width: int, request: pytest.FixtureRequest) -> None:
    for line in lines(request.getfixturevalue(name), width=width, all_connections=True):
        assert cells(line) <= width or PASTED.match(line), line


def test_colour_changes_no_word(mixed: Report) -> None:
    coloured = to_text(mixed, colour=True)
    assert "\x1b[1;31m" in coloured
    assert SGR.sub("", coloured) == to_text(mixed)


def test_wide_characters_keep_the_columns(mixed: Report) -> None:
    problem = InputProblem(code="x", text="証明書の有効期限が切れています" * 12)
    names = tuple(
        replace(item, host="証明書.例え.テスト", server="10.1.2.4:443") if item.outcome == "failed" else item
        for item in mixed.connections
    )
    report = replace(mixed, connections=names, capture=replace(mixed.capture, problems=(problem,)))
    table = to_text(report).split("failed connections\n")[1].split("\n\n")[0].splitlines()[2:]
    starts = {cells(line[: line.rindex("client, ")]) for line in table if "client, " in line}
    assert len(starts) == 1
    assert all(cells(line) <= 100 for line in to_text(report).splitlines() if not PASTED.match(line))

"""What to supply to be certain: how each stack writes a key log, and who left a handshake that carried nothing."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer import analyze
from analyzer.diagnosis.case import UNKNOWN, Case
from analyzer.diagnosis.causes import certificate_rejected
from analyzer.diagnosis.key_logs import KEY_LOGS, key_log_fix
from analyzer.diagnosis.page import page_markdown
from analyzer.diagnosis.progress import trace
from analyzer.diagnosis.stacks import LIBRARIES
from analyzer.registry import ExtensionType
from analyzer.report.model import Connection as Seen
from analyzer.tls.connection import Connection
from tests.diagnosis.recorded import CAPTURES, only

FULL = Path(__file__).parent / "data" / "full-chain.pem"
HOST = "api.backend.example"
QUIET = CAPTURES / "tls13-missing-root-nginx-proxy.pcap"
"""nginx finishes the handshake, refuses the certificate, and closes without a byte of data."""


def refused(name: str) -> Seen:
    (found,) = analyze(CAPTURES / f"{name}.pcap").connections
    return found


def case(seen: Connection) -> Case:
    return Case(connection=seen, progress=trace(seen), trust=UNKNOWN, client_trust=UNKNOWN, capture_end_ns=0)


def named(seen: Connection, host: bytes) -> Connection:
    """The connection, with a ClientHello for another host (RFC 6066 section 3)."""
    body = (len(host) + 3).to_bytes(2, "big") + b"\0" + len(host).to_bytes(2, "big") + host
    (hello,) = seen.hellos
    extensions = tuple(
        extension._replace(body=body) if extension.type == ExtensionType.SERVER_NAME else extension
        for extension in hello.message.extensions
    )
    return replace(seen, hellos=(replace(hello, message=replace(hello.message, extensions=extensions)),))


def test_every_library_that_is_recognised_has_a_way_to_a_key_log_and_no_row_is_for_another() -> None:
    assert {name for row in KEY_LOGS for name in row.libraries} == {library.name for library in LIBRARIES}
    assert len({row.stack for row in KEY_LOGS}) == len(KEY_LOGS)
    assert all(row.line and row.source for row in KEY_LOGS)


@pytest.mark.parametrize(
    ("name", "stack"),
    [
        ("tls13-missing-root-java", "java -javaagent:"),
        ("tls13-missing-root-gnutls", "gnutls-cli"),
        ("tls13-missing-root-openssl", "openssl s_client"),
        ("tls13-missing-root-node", "node --tls-keylog"),
    ],
)
def test_an_encrypted_refusal_names_the_setting_of_the_client_s_own_stack(name: str, stack: str) -> None:
    chain, keys = refused(name).fixes
    assert chain.action == keys.action == "supply"
    assert not chain.proven
    assert not keys.proven
    assert any(stack in command for command in keys.commands)
    assert not any("KeyLogWriter" in command for command in keys.commands)


def test_where_the_client_is_not_known_the_common_stacks_are_named() -> None:
    fix = key_log_fix(case(replace(only("tls13-missing-root-java"), hellos=())))
    assert [command.partition("  # ")[2].partition(",")[0] for command in fix.commands] == [
        "curl and libcurl", "Node", "Java", "Go",
    ]  # fmt: skip


def test_the_chain_is_taken_from_the_address_and_name_of_the_connection() -> None:
    chain, _ = refused("tls13-missing-root-java").fixes
    assert chain.commands == (
        f"openssl s_client -connect 10.77.0.2:443 -servername {HOST} -showcerts </dev/null >chain.txt",
    )


@pytest.mark.parametrize("host", [b"a$(reboot).example", b"a;b", b"`id`", b"a\nb", b"a b"])
def test_a_name_out_of_a_capture_cannot_run_anything_in_a_shell(host: bytes) -> None:
    chain, _ = certificate_rejected.fixes(case(named(only("tls13-missing-root-java"), host)))
    (command,) = chain.commands
    words = shlex.split(command)
    assert len(words) == 9
    assert "\n" not in command
    assert shlex.quote(words[5]) in command


def test_a_chain_in_clear_asks_for_no_key_log() -> None:
    (fix,) = refused("missing-root-java").fixes
    assert fix.action == "supply"
    assert "key log" not in fix.text


@pytest.mark.parametrize("code", ["certificate-rejected", "client-cert-rejected"])
def test_the_page_has_the_whole_table(code: str) -> None:
    text = " ".join(page_markdown(code).split())
    assert all(f"- {row.stack}: `{row.line}`" in text for row in KEY_LOGS)


def test_who_leaves_a_finished_handshake_without_data_is_told_and_that_it_may_be_a_refusal() -> None:
    (seen,) = analyze(QUIET, host=HOST).connections
    assert (seen.outcome, seen.cause, seen.stage) == ("completed", None, "after-handshake")
    assert (seen.aborted_by, seen.abort_act, seen.abort_packet) == ("client", "alert", 11)
    (doubt,) = seen.other_causes
    assert (doubt.code, doubt.confidence) == ("certificate-rejected", "possible")
    assert "--server-chain" in doubt.explanation


def test_the_chain_and_the_store_decide_whether_it_was_one() -> None:
    stores = CAPTURES / "stores"
    (bad,) = analyze(QUIET, host=HOST, server_chain=FULL, truststore=stores / "without-root").connections
    (good,) = analyze(QUIET, host=HOST, server_chain=FULL, truststore=stores / "with-root").connections
    assert (bad.outcome, bad.cause and bad.cause.code, bad.aborted_by) == ("failed", "missing-root", "client")
    assert (good.outcome, good.aborted_by, good.other_causes) == ("completed", None, ())

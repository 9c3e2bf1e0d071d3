from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from analyzer.report.model import (
    Capture,
    CertificateInfo,
    Connection,
    Evidence,
    InputProblem,
    Report,
    StoreEntryInfo,
    Summary,
    Truststore,
)
from analyzer.report.redact import redact
from analyzer.report.to_json import to_json

PRIVATE = re.compile(
    r"acme|partner|backend|api-2|10\.1\.2\.|10\.9\.9|2001:db8|ts/|truststore\.jks|mp-2026", re.IGNORECASE
)


def evidence(report: Report, text: str) -> str:
    """What a sentence of the first connection becomes."""
    first = replace(report.connections[0], evidence=(Evidence(packet=None, text=text),))
    redacted = redact(replace(report, connections=(first, *report.connections[1:])))
    return redacted.connections[0].evidence[0].text


@pytest.mark.parametrize("name", ["playbook", "mixed", "quiet", "accepted_by_this_store"])
def test_no_private_value_is_left_anywhere(name: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(name)
    assert PRIVATE.search(to_json(report))
    redacted = to_json(redact(report))
    assert not PRIVATE.search(redacted)
    for connection in report.connections:
        for certificate in connection.server_chain:
            assert certificate.serial not in redacted
            assert certificate.sha256 not in redacted


def test_the_same_value_has_the_same_pseudonym_everywhere(playbook: Report) -> None:
    redacted = redact(playbook)
    example = redacted.connections[2]
    leaf, intermediate, root = example.server_chain
    assert example.client.startswith("client-1:")
    assert example.server == "server-1:443"
    assert example.tls is not None
    assert example.host == example.tls.sni == leaf.names[0] == "host-1.example"
    assert leaf.names[2] == "server-1"
    assert leaf.subject == "CN=host-1.example,O=organisation-1,C=GB"
    assert intermediate.subject == leaf.issuer
    assert root.subject == root.issuer == intermediate.issuer == "CN=ca-2,O=organisation-1,C=GB"
    assert redacted.findings[0].text == (
        "The client client-1 refused the certificate of host-1.example (server-1:443): its trust store lacks the "
        "root CA 'ca-2'."
    )
    assert example.fixes[0].commands[0].split()[3:7] == ["-alias", "ca-2", "-file", "ca-2.pem"]
    assert example.fixes[0].certificate == root.sha256 == example.trust[0].path[2]


def test_what_the_diagnosis_stands_on_stays(playbook: Report) -> None:
    redacted = redact(playbook)
    for before, after in zip(playbook.connections, redacted.connections, strict=True):
        for name in ("id", "outcome", "aborted_by", "abort_packet", "abort_act", "stage", "started_at"):
            assert getattr(before, name) == getattr(after, name)
        assert before.client.rpartition(":")[2] == after.client.rpartition(":")[2]
    assert redacted.summary == playbook.summary
    assert [item.not_after for item in redacted.connections[2].server_chain] == [
        item.not_after for item in playbook.connections[2].server_chain
    ]


def test_a_public_ca_keeps_its_name_and_digest(playbook: Report) -> None:
    assert playbook.truststore is not None
    redacted = redact(playbook).truststore
    assert redacted is not None
    assert redacted.entries[1].certificate == playbook.truststore.entries[1].certificate
    assert redacted.entries[0].certificate != playbook.truststore.entries[0].certificate


def test_a_private_ca_under_a_public_organisation_is_private(playbook: Report) -> None:
    assert playbook.truststore is not None
    entry = playbook.truststore.entries[1]
    branded = replace(entry.certificate, subject="CN=Acme Dedicated CA,O=DigiCert Inc,C=US")
    store = replace(playbook.truststore, entries=(replace(entry, certificate=branded),))
    redacted = redact(replace(playbook, truststore=store)).truststore
    assert redacted is not None
    assert "Acme" not in redacted.entries[0].certificate.subject
    assert redacted.entries[0].certificate.subject.endswith(",O=DigiCert Inc,C=US")
    assert redacted.entries[0].certificate.sha256 != branded.sha256


def test_a_name_stays_below_its_wildcard(playbook: Report) -> None:
    leaf = replace(playbook.connections[2].server_chain[0], names=("*.apps.acme.example", "apps.acme.example"))
    connection = replace(playbook.connections[2], server_chain=(leaf,), host="a.b.apps.acme.example")
    redacted = redact(replace(playbook, connections=(connection,))).connections[0]
    wildcard, base = redacted.server_chain[0].names
    assert wildcard == f"*.{base}"
    assert redacted.host is not None
    assert redacted.host.endswith(f".{base}")
    assert redacted.host.count(".") == base.count(".") + 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from 10.1.2.4:443 to [2001:db8::99]:52000", "from server-1:443 to address-1:52000"),
        ("unknown 192.168.7.9, loopback 127.0.0.1", "unknown address-1, loopback 127.0.0.1"),
        ("at 10:42:07 UTC, extension 2.5.29.17, TLS 1.2", "at 10:42:07 UTC, extension 2.5.29.17, TLS 1.2"),
        ("std::bad_alloc in sun.security.validator", "std::bad_alloc in sun.security.validator"),
        ("write to ops@backend.example", "write to name-1"),
        ("API.Backend.Example, api.backend.example.", "host-1.example, host-1.example."),
        ("file api.backend.example.pem", "file host-1.example.pem"),
        ("/CN=Acme Root CA/O=Acme Ltd", "/CN=ca-2/O=organisation-1"),
        ("acme_root_ca.pem and AcmeRootCA.pem", "ca-2.pem and ca-2.pem"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE----- x", "[certificate removed] x"),
        ("keytool -keystore ts/truststore.jks", "keytool -keystore store-1.jks"),
    ],
)
def test_sentences_and_commands(text: str, expected: str, playbook: Report) -> None:
    assert evidence(playbook, text) == expected


def test_a_sibling_that_no_certificate_names_is_private_too(playbook: Report) -> None:
    assert "backend" not in evidence(playbook, "www-api.backend.example and db.backend.example")


def test_a_serial_is_found_in_each_way_of_writing_it(playbook: Report) -> None:
    serial = playbook.connections[0].server_chain[0].serial
    colons = ":".join(serial[index : index + 2] for index in range(0, len(serial), 2)).upper()
    text = evidence(playbook, f"{serial}, {serial.upper()}, {colons}, {int(serial, 16)}")
    assert len(set(text.split(", "))) == 1
    assert text.split(", ")[0] == redact(playbook).connections[0].server_chain[0].serial


def test_digests_and_key_identifiers_in_sentences(playbook: Report) -> None:
    leaf = playbook.connections[0].server_chain[0]
    colons = ":".join(leaf.sha256[index : index + 2] for index in range(0, 64, 2)).upper()
    digest = redact(playbook).connections[0].server_chain[0].sha256
    assert evidence(playbook, f"{leaf.sha256} {colons} {leaf.sha256[:16]}…") == f"{digest} {digest} {digest[:16]}…"
    assert evidence(playbook, f"its key id is {'0a' * 20}") == "its key id is identifier-1"
    assert playbook.truststore is not None
    public = playbook.truststore.entries[1].certificate.sha256
    assert evidence(playbook, f"the store holds {public}") == f"the store holds {public}"


def test_a_pseudonym_is_never_a_private_value(playbook: Report) -> None:
    taken = replace(playbook.connections[2], host="host-1.example", client="10.1.2.3:1")
    redacted = redact(replace(playbook, connections=(taken,))).connections[0]
    assert redacted.host != "host-1.example"


def test_a_private_name_that_is_a_word_of_the_contract_changes_no_field(playbook: Report) -> None:
    leaf = replace(playbook.connections[2].server_chain[0], subject="CN=failed,O=server-flight", names=("certain",))
    report = replace(playbook, connections=(replace(playbook.connections[2], server_chain=(leaf,)),))
    redacted = redact(report).connections[0]
    assert (redacted.outcome, redacted.stage) == ("failed", "server-flight")
    assert redacted.cause is not None
    assert redacted.cause.confidence == "certain"


def test_files_lose_their_names_and_keep_their_kind(playbook: Report) -> None:
    capture = replace(playbook.capture, files=("/home/jane/acme-prod.pcapng.gz", "-"))
    assert redact(replace(playbook, capture=capture)).capture.files == ("capture-1.pcapng.gz", "-")


def test_a_name_with_commas_is_found_escaped_and_plain(playbook: Report) -> None:
    leaf = replace(playbook.connections[0].server_chain[0], subject="CN=x.corp,O=Müller\\, Söhne \\26 Co,C=DE")
    first = replace(playbook.connections[0], server_chain=(leaf,))
    report = replace(playbook, connections=(first, *playbook.connections[1:]))
    for text in ("O = Müller, Söhne & Co", "O=Müller\\, Söhne & Co", "issued to müller, söhne & co."):
        assert "ller" not in evidence(report, text)


def many(number: int) -> Report:
    """As many clients, each with a certificate of its own."""

    def certificate(index: int) -> CertificateInfo:
        return CertificateInfo(
            sha256=f"{index:064x}",
            subject=f"CN=Acme Device {index},O=Acme Ltd",
            issuer="CN=Acme Device CA,O=Acme Ltd",
            serial=f"{index + 2**70:x}",
            not_before="2026-01-01T00:00:00Z",
            not_after="2027-01-01T00:00:00Z",
            names=(f"device-{index}.acme.example",),
            key="RSA 2048",
            signature="sha256WithRSAEncryption",
            role="leaf",
        )

    connections = tuple(
        Connection(
            id=index,
            client=f"10.{index >> 16}.{index >> 8 & 255}.{index & 255}:40000",
            server="10.1.2.4:443",
            started_at="2026-11-03T10:00:00Z",
            outcome="completed",
            aborted_by=None,
            abort_packet=None,
            abort_act=None,
            stage="data",
            cause=None,
            evidence=(Evidence(packet=1, text=f"the client sent CN=Acme Device {index},O=Acme Ltd"),),
            client_chain=(certificate(index),),
        )
        for index in range(number)
    )
    summary = Summary(connections=number, completed=number, failed=0, incomplete=0)
    problems = (InputProblem(code="x", text="10.0.0.5 is odd"),)
    entries = (StoreEntryInfo(source="ca.pem", certificate=certificate(0)),)
    return Report(
        capture=Capture(
            files=(),
            format="pcap",
            packets=1,
            bytes=1,
            first_time=None,
            last_time=None,
            link_types=(),
            problems=problems,
        ),
        truststore=Truststore(sources=("ca.pem",), certificates=1, entries=entries),
        connections=connections,
        findings=(),
        summary=summary,
    )


def test_many_names_with_the_same_first_words_are_told_apart() -> None:
    redacted = redact(many(2000))
    texts = {connection.evidence[0].text for connection in redacted.connections}
    assert len(texts) == 2000
    assert not re.search("acme|device", json.dumps(sorted(texts)), re.IGNORECASE)

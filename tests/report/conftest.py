"""Reports made by hand: the playbook's failure, a busy capture, and one in which all went well."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from analyzer.report.model import (
    Alert,
    Capture,
    CertificateInfo,
    Connection,
    Diagnosis,
    Evidence,
    Finding,
    Fix,
    InputProblem,
    Report,
    StoreEntryInfo,
    Summary,
    TimelineEntry,
    Tls,
    TrustProblem,
    Truststore,
    TrustVerdict,
)
from analyzer.trust.model import PathAttempt


def certificate(
    subject: str,
    issuer: str,
    role: str,
    *,
    names: tuple[str, ...] = (),
    until: str = "2028-02-29",
    salt: str = "",
) -> CertificateInfo:
    digest = hashlib.sha256(f"{subject}/{issuer}{salt}".encode()).hexdigest()
    return CertificateInfo(
        sha256=digest,
        subject=subject,
        issuer=issuer,
        serial=hashlib.sha256(digest.encode()).hexdigest()[:32],
        not_before="2026-03-01T00:00:00Z",
        not_after=f"{until}T23:59:59Z",
        names=names,
        key="RSA 2048",
        signature="sha256WithRSAEncryption",
        role=role,
    )


LEAF = certificate(
    "CN=api.backend.example,O=Acme Ltd,C=GB",
    "CN=Acme Issuing CA 2,O=Acme Ltd,C=GB",
    "leaf",
    names=("api.backend.example", "api-2.backend.example", "10.1.2.4"),
)
INTERMEDIATE = certificate("CN=Acme Issuing CA 2,O=Acme Ltd,C=GB", "CN=Acme Root CA,O=Acme Ltd,C=GB", "intermediate")
ROOT = certificate("CN=Acme Root CA,O=Acme Ltd,C=GB", "CN=Acme Root CA,O=Acme Ltd,C=GB", "root", until="2046-03-01")
OTHER_ROOT = certificate(
    "CN=Partner Root G3,O=Partner AG,C=DE", "CN=Partner Root G3,O=Partner AG,C=DE", "root", until="2041-06-30"
)
PUBLIC_ROOT = certificate(
    "CN=DigiCert Global Root G2,OU=www.digicert.com,O=DigiCert Inc,C=US",
    "CN=DigiCert Global Root G2,OU=www.digicert.com,O=DigiCert Inc,C=US",
    "root",
    until="2038-01-15",
)

MISSING_ROOT = Diagnosis(
    code="missing-root",
    confidence="certain",
    title="The root CA is not in the trust store",
    explanation=(
        "The chain is sound up to CN=Acme Root CA,O=Acme Ltd,C=GB, and the trust store does not hold that root. "
        "The client closed the connection right after the certificates, which is how Java's SSLEngine refuses a chain."
    ),
)
CLIENT_CLOSED = Diagnosis(
    code="client-closed",
    confidence="possible",
    title="The client left in the handshake",
    explanation="A timeout would look the same, but 15 ms after the certificates none is likely.",
)
PKIX = (
    "sun.security.validator.ValidatorException: PKIX path building failed: "
    "sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to "
    "requested target"
)
TLS12 = Tls(
    version="TLS 1.2",
    offered_versions=("TLS 1.2", "TLS 1.1"),
    cipher="TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    sni="api.backend.example",
    alpn=None,
    alpn_offered=(),
    ja3="6f3a1c4f0c9a4a6e8d2f2b1f5a0e9c33",
    ja3s="4ef1b297bb817d8212165a86308bac5f",
    ja4="t12d190600_d83cc789557e_7af1ed941c26",
    resumed=False,
    hello_retry=False,
)

ADD_ROOT = Fix(
    action="add-to-store",
    text="Add the root CA 'Acme Root CA' to the trust store.",
    certificate=ROOT.sha256,
    proven=True,
    commands=(
        "keytool -importcert -noprompt -alias acme-root-ca -file acme-root-ca.pem -keystore truststore.jks",
        "keytool -list -keystore truststore.jks -alias acme-root-ca",
    ),
    files=("acme-root-ca.pem",),
    caution="The root came over the wire, from the server that is to be trusted: compare its SHA-256 with its owner's.",
)
ASK_OWNER = Fix(
    action="replace-certificate",
    text="Or let api.backend.example serve a certificate of a CA that the trust store holds.",
)


def missing_root_verdict(profile: str = "java", error: str = PKIX) -> TrustVerdict:
    problem = TrustProblem(
        code="missing-root",
        certificate=ROOT.sha256,
        text="CN=Acme Root CA,O=Acme Ltd,C=GB is self-signed and is not in the trust store",
    )
    path = (LEAF.sha256, INTERMEDIATE.sha256, ROOT.sha256)
    return TrustVerdict(
        profile=profile,
        accepted=False,
        error=error,
        path=path,
        problems=(problem,),
        attempts=(PathAttempt(path=path, anchored=False, problems=(problem,)),),
    )


def refused(number: int, *, port: int = 52214, minute: int = 42, first_packet: int = 40) -> Connection:
    return Connection(
        id=number,
        client=f"10.1.2.3:{port}",
        server="10.1.2.4:443",
        started_at=f"2026-11-03T10:{minute}:07.120411Z",
        outcome="failed",
        aborted_by="client",
        abort_packet=first_packet + 7,
        abort_act="fin",
        stage="server-flight",
        cause=MISSING_ROOT,
        other_causes=(CLIENT_CLOSED,),
        evidence=(
            Evidence(packet=first_packet + 5, text="The server sent 3 certificates; the last is self-signed."),
            Evidence(packet=first_packet + 7, text="The client closed 15 ms later, with no alert."),
            Evidence(
                packet=None,
                text="No certificate of the trust store has the name CN=Acme Root CA,O=Acme Ltd,C=GB.",
            ),
        ),
        timeline=(
            TimelineEntry(packet=first_packet, time=0.0, from_="client", what="SYN"),
            TimelineEntry(packet=first_packet + 1, time=0.000412, from_="server", what="SYN,ACK"),
            TimelineEntry(
                packet=first_packet + 3,
                time=0.00211,
                from_="client",
                what="ClientHello TLS 1.2, SNI api.backend.example",
            ),
            TimelineEntry(
                packet=first_packet + 5,
                time=0.015202,
                from_="server",
                what="ServerHello TLS 1.2, Certificate (3 certificates), ServerKeyExchange, ServerHelloDone",
            ),
            TimelineEntry(packet=first_packet + 7, time=0.030118, from_="client", what="FIN,ACK"),
            TimelineEntry(packet=first_packet + 8, time=0.03099, from_="client", what="RST"),
        ),
        tls=TLS12,
        server_chain=(LEAF, INTERMEDIATE, ROOT),
        chain_source="captured",
        trust=(missing_root_verdict(),),
        fixes=(ADD_ROOT, ASK_OWNER),
        host="api.backend.example",
    )


def completed(number: int, *, trust: tuple[TrustVerdict, ...] = ()) -> Connection:
    return replace(
        refused(number, port=53000 + number, minute=43, first_packet=100 * number + 1),
        outcome="completed",
        aborted_by=None,
        abort_packet=None,
        abort_act=None,
        stage="data",
        cause=None,
        other_causes=(),
        evidence=(),
        trust=trust,
        fixes=(),
    )


def store(*certificates: CertificateInfo, problems: tuple[InputProblem, ...] = ()) -> Truststore:
    return Truststore(
        sources=("ts/truststore.jks",),
        certificates=len(certificates),
        problems=problems,
        entries=tuple(
            StoreEntryInfo(source=f"ts/truststore.jks (alias {number})", certificate=item)
            for number, item in enumerate(certificates, start=1)
        ),
    )


def capture(*problems: InputProblem) -> Capture:
    return Capture(
        files=("mp-2026-11-03.pcap",),
        format="pcap",
        packets=1204,
        bytes=410_221,
        first_time="2026-11-03T10:41:58.002001Z",
        last_time="2026-11-03T10:55:01.500113Z",
        link_types=("LINUX_SLL2",),
        problems=problems,
    )


def summary(connections: tuple[Connection, ...]) -> Summary:
    causes: dict[str, int] = {}
    for item in connections:
        if item.cause:
            causes[item.cause.code] = causes.get(item.cause.code, 0) + 1
    outcomes = [item.outcome for item in connections]
    return Summary(
        connections=len(connections),
        completed=outcomes.count("completed"),
        failed=outcomes.count("failed"),
        incomplete=outcomes.count("incomplete"),
        causes=causes,
    )


def finding(members: tuple[Connection, ...], text: str, *notes: str) -> Finding:
    cause = members[0].cause
    assert cause is not None
    return Finding(
        cause=cause,
        count=len(members),
        connections=tuple(item.id for item in members),
        servers=tuple(dict.fromkeys(item.server for item in members)),
        first_at=min(item.started_at for item in members),
        last_at=max(item.started_at for item in members),
        text=text,
        hosts=tuple(dict.fromkeys(item.host for item in members if item.host)),
        clients=len({item.client.rpartition(":")[0] for item in members}),
        notes=notes,
        examples=(members[0].id, members[-1].id)[: len(members)],
    )


REFUSED_TEXT = (
    "The client 10.1.2.3 refused the certificate of api.backend.example (10.1.2.4:443): its trust store lacks the "
    "root CA 'Acme Root CA'."
)
MIXED_NOTE = (
    "Fails in 3 of 5 connections, mixed in time with those that completed: the failing ones got another chain, another "
    "leaf, for “api.backend.example” instead of “api-2.backend.example”, issued by “Acme Issuing CA 2” instead of "
    "“Acme Root CA”."
)
OTHER_NOTE = "2 other clients (10.1.2.7 and 2001:db8::7) completed 2 handshakes with the same server."


@pytest.fixture(scope="session")
def playbook() -> Report:
    failed = tuple(refused(3 + n, port=52214 + n, minute=42 + n, first_packet=40 + 20 * n) for n in range(12))
    connections = (*(completed(n) for n in (1, 2)), *failed)
    return Report(
        capture=capture(),
        truststore=store(OTHER_ROOT, PUBLIC_ROOT),
        connections=connections,
        findings=(finding(failed, REFUSED_TEXT),),
        summary=summary(connections),
    )


@pytest.fixture(scope="session")
def accepted_by_this_store() -> Report:
    failed = replace(
        refused(0),
        cause=replace(
            MISSING_ROOT,
            code="client-closed",
            confidence="possible",
            title="The client left in the handshake",
        ),
        trust=(
            TrustVerdict(
                profile="java",
                accepted=True,
                error=None,
                path=(LEAF.sha256, INTERMEDIATE.sha256, ROOT.sha256),
                problems=(),
            ),
        ),
        fixes=(),
    )
    return Report(
        capture=capture(),
        truststore=store(ROOT),
        connections=(failed,),
        findings=(finding((failed,), ""),),
        summary=summary((failed,)),
    )


@pytest.fixture(scope="session")
def mixed() -> Report:
    refusals = tuple(refused(n, port=52214 + n, first_packet=40 + 20 * n) for n in range(3))
    refusals = tuple(
        replace(
            item,
            trust=(
                missing_root_verdict(),
                missing_root_verdict("openssl", "self-signed certificate in certificate chain"),
                TrustVerdict(
                    profile="go",
                    accepted=True,
                    error=None,
                    path=(LEAF.sha256, INTERMEDIATE.sha256),
                    problems=(),
                    notes=("measured with Go 1.19 only",),
                ),
            ),
        )
        for item in refusals
    )
    old_leaf = replace(LEAF, sha256="ab" * 32, not_after="2026-10-31T23:59:59Z")
    expired = replace(
        refused(7, port=60123, first_packet=300),
        client="[2001:db8::7]:60123",
        server="[2001:db8::4]:8443",
        abort_act="alert",
        abort_packet=307,
        alerts=(
            Alert(
                packet=307,
                from_="client",
                level="fatal",
                description="certificate_expired",
                number=45,
                encrypted=False,
            ),
        ),
        cause=Diagnosis(
            code="expired-leaf",
            confidence="certain",
            title="The server's certificate has expired",
            explanation="It was valid until 2026-10-31 23:59:59 UTC, three days before the capture.",
        ),
        other_causes=(),
        evidence=(Evidence(packet=307, text="Fatal alert certificate_expired (45) from the client."),),
        server_chain=(old_leaf,),
        trust=(
            TrustVerdict(
                profile="openssl",
                accepted=False,
                error="certificate has expired",
                path=(old_leaf.sha256, INTERMEDIATE.sha256, ROOT.sha256),
                problems=(
                    TrustProblem(
                        code="expired-leaf",
                        certificate=old_leaf.sha256,
                        text="notAfter is 2026-10-31 23:59:59 UTC",
                    ),
                    TrustProblem(code="missing-intermediate", certificate=None, text="the issuer was not sent"),
                ),
            ),
        ),
        fixes=(
            Fix(
                action="replace-certificate",
                text="Renew the certificate of api.backend.example on the server.",
            ),
        ),
    )
    silent = Connection(
        id=8,
        client="10.1.2.3:40001",
        server="10.9.9.9:443",
        started_at="2026-11-03T10:50:00Z",
        outcome="failed",
        aborted_by="client",
        abort_packet=411,
        abort_act="silence",
        stage="client-hello",
        cause=Diagnosis(
            code="server-silent",
            confidence="likely",
            title="The server never answered the ClientHello",
            explanation="The ClientHello was acknowledged, and nothing came back for 55 s.",
        ),
        timeline=(
            TimelineEntry(packet=400, time=0.0, from_="client", what="SYN"),
            TimelineEntry(packet=401, time=0.01, from_="server", what="SYN,ACK"),
            *(
                TimelineEntry(packet=403 + n, time=0.02 + n, from_="client", what="ClientHello, sent again")
                for n in range(40)
            ),
        ),
        tls=replace(TLS12, version=None, cipher=None, sni=None),
    )
    cut = Connection(
        id=9,
        client="10.1.2.3:40002",
        server="10.1.2.4:443",
        started_at="2026-11-03T10:51:00Z",
        outcome="incomplete",
        aborted_by=None,
        abort_packet=None,
        abort_act=None,
        stage="server-flight",
        cause=Diagnosis(
            code="capture-incomplete",
            confidence="certain",
            title="The packets that would tell are not in the capture",
            explanation="Packets are cut at 96 bytes: capture again with tcpdump -s 0.",
        ),
    )
    broken = replace(cut, id=10, client="10.1.2.3:40003", cause=None, fault="KeyError: 'x25519'")
    connections = (*refusals, completed(4), completed(5), expired, silent, cut, broken)
    return Report(
        capture=capture(
            InputProblem(code="packets-cut", text="212 packets are cut at 96 bytes", packet=17),
            InputProblem(code="file-truncated", text="the file ends inside a packet", packet=1204),
        ),
        truststore=store(
            INTERMEDIATE,
            replace(ROOT, sha256="cd" * 32),
            problems=(InputProblem(code="private-key", text="a private key, no certificate", source="ts/key.pem"),),
        ),
        connections=connections,
        findings=(
            finding(refusals, REFUSED_TEXT, MIXED_NOTE, OTHER_NOTE),
            finding(
                (expired,),
                "The certificate of api.backend.example ([2001:db8::4]:8443) expired on 2026-10-31",
            ),
            finding((silent,), ""),
        ),
        summary=summary(connections),
    )


@pytest.fixture(scope="session")
def quiet() -> Report:
    connections = (completed(0), completed(1, trust=(missing_root_verdict(),)), completed(2))
    return Report(
        capture=capture(),
        truststore=store(OTHER_ROOT),
        connections=connections,
        findings=(),
        summary=summary(connections),
    )


CONTRACT_WORDS = frozenset(
    {"schema", "code", "confidence", "outcome", "aborted_by", "abort_act", "stage", "from_", "role", "action", "sha256"}
    | {"chain_source", "started_at", "not_before", "not_after", "first_time", "last_time", "first_at", "last_at"}
    | {"serial", "certificate", "path", "client", "server", "servers"}
)


def _every_string(value: Any, field: str, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return value if field in CONTRACT_WORDS else change(value)
    if isinstance(value, tuple):
        return tuple(_every_string(item, field, change) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {item.name: _every_string(getattr(value, item.name), item.name, change) for item in fields(value)}
        return type(value)(**changed)
    return value


@pytest.fixture(scope="session")
def every_string() -> Callable[[Report, Callable[[str], str]], Report]:
    """A function that changes every string that comes from a capture, a certificate or a store."""

    def changed(report: Report, change: Callable[[str], str]) -> Report:
        result: Report = _every_string(report, "", change)
        return result

    return changed

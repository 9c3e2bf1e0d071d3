"""Trust stores as products print and answer them: which certificates are real, which are only named, and how those
are recognised."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer import analyze
from analyzer.trust.certificate import Certificate
from analyzer.trust.named import how_it_matches, name_key, same_name
from analyzer.trust.store import TrustStore, read_stores
from analyzer.trust.stores import Named, format_of, formats
from tests.trust.pki import Issued, root

ROOT = root("Acme Root")
ISSUING = ROOT.issue_ca("Acme Issuing CA")
PARSED = Certificate.parse(ROOT.der)
needs_keytool = pytest.mark.skipif(shutil.which("keytool") is None, reason="keytool (a JDK) is not installed")
needs_haproxy = pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")


def pem(issued: Issued) -> str:
    body = base64.encodebytes(issued.der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


def b64(data: bytes | str) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def indented(text: str, spaces: int) -> str:
    return "".join(f"{' ' * spaces}{line}\n" for line in text.splitlines())


def read(folder: Path, data: bytes | str, password: str | None = None) -> TrustStore:
    path = folder / "answer"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_stores([path], password)


def apigee_alias(certificate: Certificate, **other: Any) -> dict[str, Any]:
    assert certificate.not_before is not None
    assert certificate.not_after is not None
    info = {
        "subject": "CN=Acme Root, O=Acme",
        "issuer": "CN=Acme Root, O=Acme",
        "serialNumber": f"{certificate.serial:x}",
        "validFrom": str(certificate.not_before * 1000),
        "expiryDate": str(certificate.not_after * 1000),
        "isValid": "Yes",
        **other,
    }
    return {"alias": "acme", "certsInfo": {"certInfo": [info], "certName": "acme.pem"}, "type": "cert"}


SECRET = f"""apiVersion: v1
kind: Secret
metadata: {{name: backend-ca, namespace: shop}}
data:
  ca.crt: {b64(pem(ROOT))}
  tls.crt: {b64(pem(ISSUING))}
"""
LIST = f"""apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {{name: bundle}}
  data:
    bundle.pem: |
{indented(pem(ROOT) + pem(ISSUING), 6)}
- apiVersion: v1
  kind: Secret
  metadata: {{name: istio}}
  stringData:
    key: secret
    cert: |
{indented(pem(ISSUING), 6)}
    cacert: |
{indented(pem(ROOT), 6)}
"""
DECK = f"""_format_version: '3.0'
ca_certificates:
- id: 5c1f
  cert: |
{indented(pem(ROOT), 4)}
services: []
"""
REAL = {
    "azure-encoded": (
        json.dumps({"certificates": [{"storeName": "Root", "encodedCertificate": b64(ROOT.der)}]}),
        [ROOT],
    ),
    "azure-arm": (
        json.dumps(
            {
                "resources": [
                    {
                        "type": "Microsoft.ApiManagement/service",
                        "properties": {"certificates": [{"storeName": "Root", "encodedCertificate": b64(pem(ROOT))}]},
                    }
                ]
            }
        ),
        [ROOT],
    ),
    "application-gateway": (
        json.dumps({"trustedRootCertificates": [{"name": "r", "data": b64(ROOT.der)}]}),
        [ROOT],
    ),
    "application-gateway-arm": (
        json.dumps({"properties": {"trustedRootCertificates": [{"name": "r", "properties": {"data": b64(ROOT.der)}}]}}),
        [ROOT],
    ),
    "secret": (SECRET, [ROOT]),
    "list": (LIST, [ROOT, ISSUING, ROOT]),
    "kong": (json.dumps({"data": [{"id": "x", "cert": pem(ROOT), "cert_digest": "y"}], "next": None}), [ROOT]),
    "deck": (DECK, [ROOT]),
    "envoy": (
        json.dumps({"configs": [{"c": {"validation_context": {"trusted_ca": {"inline_bytes": b64(pem(ROOT))}}}}]}),
        [ROOT],
    ),
    "powershell": (json.dumps([{"Thumbprint": PARSED.sha1, "Subject": "x", "RawData": list(ROOT.der)}]), [ROOT]),
}


@pytest.mark.parametrize("case", REAL)
def test_what_stands_in_an_answer_is_an_anchor(case: str, tmp_path: Path) -> None:
    text, expected = REAL[case]
    store = read(tmp_path, text)
    assert [entry.der for entry in store.entries] == [issued.der for issued in expected]
    assert [problem for problem in store.problems if problem.severity == "error"] == []
    assert store.named == ()


def test_azure_keeps_roots_and_intermediates_apart(tmp_path: Path) -> None:
    kept = [("Root", ROOT), ("CertificateAuthority", ISSUING)]
    certificates = [{"storeName": name, "encodedCertificate": b64(issued.der)} for name, issued in kept]
    store = read(tmp_path, json.dumps({"certificates": certificates}))
    assert store.anchors == (ROOT.der,)
    assert store.intermediates == (ISSUING.der,)


def test_a_template_that_refers_to_a_parameter_says_so(tmp_path: Path) -> None:
    text = json.dumps({"certificates": [{"storeName": "Root", "encodedCertificate": "[parameters('root')]"}]})
    store = read(tmp_path, text)
    assert [problem.code for problem in store.problems] == ["not-embedded"]


def test_a_secret_with_only_tls_crt_holds_no_anchor(tmp_path: Path) -> None:
    text = SECRET.replace("  ca.crt:", "  tls.key:")
    assert [problem.code for problem in read(tmp_path, text).problems] == ["other-content"]


HASH = " ".join(PARSED.sha1[index : index + 2] for index in range(0, 40, 2))
CERTUTIL = f"""Root "Trusted Root Certification Authorities"
================ Certificate 0 ================
Serial Number: {PARSED.serial:x}
Issuer: CN=Acme Root, O=Acme
 NotBefore: 11/22/2025 6:00 AM
Subject: CN=Acme Root, O=Acme
Signature matches Public Key
Cert Hash(sha1): {HASH}
CertUtil: -store command completed successfully.
"""
TABLE = f"""

   PSParentPath: Microsoft.PowerShell.Security\\Certificate::LocalMachine\\Root

Thumbprint                                Subject
----------                                -------
{PARSED.sha1.upper()}  CN=Acme Root, O=Ac...
"""
FORMAT_LIST = f"""
Subject      : CN=Acme Root, O=Acme
Issuer       : CN=Acme Root, O=Acme
Thumbprint   : {PARSED.sha1.upper()}
FriendlyName :
NotAfter     : 11/22/2027 6:00:00 AM
"""
AZURE = json.dumps(
    {
        "certificates": [
            {
                "certificate": {"subject": "CN=Acme Root, O=Acme", "thumbprint": PARSED.sha1.upper()},
                "encodedCertificate": None,
                "storeName": "Root",
            }
        ]
    }
)
ENVOY = json.dumps(
    {
        "certificates": [
            {
                "ca_cert": [
                    {
                        "path": "/etc/ca.pem",
                        "serial_number": f"{PARSED.serial:x}",
                        "valid_from": "2025-11-22T06:00:00Z",
                        "expiration_time": "2027-11-22T06:00:00Z",
                    }
                ]
            }
        ]
    }
)
WORDS = {
    "apigee": (json.dumps(apigee_alias(PARSED)), "by names, serial and dates"),
    "azure": (AZURE, "by its thumbprint (SHA-1)"),
    "certutil": (CERTUTIL, "by its thumbprint (SHA-1)"),
    "powershell-table": (TABLE, "by its thumbprint (SHA-1)"),
    "powershell-list": (FORMAT_LIST, "by its thumbprint (SHA-1)"),
}


@pytest.mark.parametrize("case", WORDS)
def test_a_certificate_that_is_only_named_is_recognised(case: str, tmp_path: Path) -> None:
    text, how = WORDS[case]
    store = read(tmp_path, text)
    assert store.usable
    (named,) = store.named
    assert how_it_matches(named, PARSED) == how
    assert how_it_matches(named, Certificate.parse(ISSUING.der)) == ""


def test_powershell_writes_utf_16(tmp_path: Path) -> None:
    (named,) = read(tmp_path, b"\xff\xfe" + TABLE.encode("utf-16-le")).named
    assert named.sha1 == PARSED.sha1


def test_envoy_certs_are_recognised_by_serial_and_dates(tmp_path: Path) -> None:
    (named,) = read(tmp_path, ENVOY).named
    assert (named.serial, named.label) == (f"{PARSED.serial:x}", "/etc/ca.pem")


@pytest.mark.parametrize("change", ["serialNumber", "validFrom", "expiryDate", "issuer"])
def test_a_certificate_that_differs_in_one_word_is_another(change: str, tmp_path: Path) -> None:
    told = {"serialNumber": "01:02", "validFrom": "1000000000000", "expiryDate": "1000000000000", "issuer": "CN=Other"}
    (named,) = read(tmp_path, json.dumps(apigee_alias(PARSED, **{change: told[change]}))).named
    assert how_it_matches(named, PARSED) == ""


def test_a_name_alone_is_no_match() -> None:
    assert how_it_matches(Named(subject="CN=Acme Root, O=Acme"), PARSED) == ""


@pytest.mark.parametrize(
    "written",
    [
        "CN=Acme Root,O=Acme",
        "O = Acme, CN = Acme Root",
        "/O=Acme/CN=Acme Root",
        'CN="Acme Root", O=ACME',
        "2.5.4.3=acme root,O=Acme",
    ],
)
def test_names_are_compared_whatever_the_product_makes_of_them(written: str) -> None:
    assert same_name(written, PARSED.subject)


def test_quotes_and_escapes_in_names() -> None:
    assert name_key('CN="a, ""b""", O=x\\, y, OU=R\\C3\\B6ot') == name_key('OU=röot,O=X\\, Y,CN=a\\, \\"b\\"')


def test_an_alias_cannot_smuggle_a_command(tmp_path: Path) -> None:
    hostile = {**apigee_alias(PARSED), "alias": '$(rm -rf /)";`id`'}
    (named,) = read(tmp_path, json.dumps(hostile)).named
    assert not set("`();") & set(named.export)
    assert "$(" not in named.export


@pytest.mark.slow
@needs_keytool
@pytest.mark.java
@pytest.mark.parametrize("options", [[], ["-v"], ["-rfc"]])
def test_what_keytool_lists(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text(pem(ROOT))
    store = ["-keystore", str(tmp_path / "ts.p12"), "-storepass", "changeit"]
    keytool = ["keytool", "-J-Duser.language=en"]
    adding = ["-importcert", "-noprompt", "-alias", "acme", "-file", str(tmp_path / "root.pem")]
    subprocess.run([*keytool, *adding, *store], check=True, capture_output=True)
    listing = subprocess.run([*keytool, "-list", *options, *store], check=True, capture_output=True).stdout
    found = read(tmp_path, listing)
    if options == ["-rfc"]:
        assert [(entry.der, entry.alias) for entry in found.entries] == [(ROOT.der, "acme")]
        return
    (named,) = found.named
    assert (named.label, how_it_matches(named, PARSED)) == ("acme", "by its SHA-256 fingerprint")
    assert named.export == "keytool -exportcert -rfc -keystore KEYSTORE -alias acme"


@needs_haproxy
@pytest.mark.engine
def test_what_haproxy_shows_of_a_ca_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(pem(ROOT))
    short = Path(tempfile.mkdtemp(prefix="h"))  # a socket's path has 107 characters at most
    address, configuration = short / "s", tmp_path / "haproxy.cfg"
    configuration.write_text(
        f"global\n stats socket {address} level admin\ndefaults\n mode http\n timeout connect 1s\n timeout client 1s\n"
        f" timeout server 1s\nbackend b\n server s 127.0.0.1:1 ssl verify required ca-file {tmp_path}/ca.pem\n"
        f"frontend f\n bind {short}/f\n default_backend b\n"
    )
    with subprocess.Popen(["haproxy", "-db", "-f", str(configuration)], stderr=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 10
            while not address.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(address))
                client.sendall(f"show ssl ca-file {tmp_path}/ca.pem\n".encode())
                answer = b"".join(iter(lambda: client.recv(65536), b""))
        finally:
            process.terminate()
            process.wait(10)
            shutil.rmtree(short, ignore_errors=True)
    (named,) = read(tmp_path, answer).named
    assert how_it_matches(named, PARSED) == "by its thumbprint (SHA-1)"
    assert (named.not_after != "", named.label) == (True, f"{tmp_path}/ca.pem #1")


CASE = Path(__file__).resolve().parents[2] / "captures" / "gateways" / "apigee-edge"


def backend_root() -> Certificate:
    (entry,) = [e for e in read_stores([CASE / "backend-ca.pem"]).entries if Certificate.parse(e.der).self_signed]
    return Certificate.parse(entry.der)


def told(**changes: Any) -> dict[str, Any]:
    names = str(backend_root().subject)
    return apigee_alias(backend_root(), **{"subject": names, "issuer": names, **changes})


def test_a_named_root_that_the_server_sends_is_an_anchor(tmp_path: Path) -> None:
    (tmp_path / "alias.json").write_text(json.dumps(told()))
    report = analyze(CASE / "capture.pcap", truststore=tmp_path / "alias.json", profile="java")
    assert [verdict.accepted for verdict in report.connections[0].trust] == [True]
    assert report.truststore is not None
    assert report.truststore.named[0].matched == backend_root().sha256
    assert report.truststore.named[0].how == "by names, serial and dates"


def test_a_root_known_by_name_only_leaves_the_cause_possible_and_says_how_to_settle_it(tmp_path: Path) -> None:
    alias = told()
    alias["certsInfo"]["certInfo"] = [{"subject": str(backend_root().subject)}]
    (tmp_path / "alias.json").write_text(json.dumps(alias))
    connection = analyze(CASE / "capture.pcap", truststore=tmp_path / "alias.json", profile="java").connections[0]
    causes = [cause for cause in (connection.cause, *connection.other_causes) if cause is not None]
    (missing,) = [cause for cause in causes if cause.code == "missing-root"]
    assert missing.confidence == "possible"
    assert "whether its key is the same cannot be told" in missing.explanation


def test_a_store_of_which_other_names_are_told_lacks_the_root_for_certain(tmp_path: Path) -> None:
    alias = told(subject="CN=Other", issuer="CN=Other")
    (tmp_path / "alias.json").write_text(json.dumps(alias))
    connection = analyze(CASE / "capture.pcap", truststore=tmp_path / "alias.json", profile="java").connections[0]
    assert connection.cause is not None
    assert (connection.cause.code, connection.cause.confidence) == ("missing-root", "certain")


def test_aliases_without_any_word_leave_it_open(tmp_path: Path) -> None:
    (tmp_path / "keystore.json").write_text('{"certs": ["a"], "keys": [], "name": "ts"}')
    connection = analyze(CASE / "capture.pcap", truststore=tmp_path / "keystore.json", profile="java").connections[0]
    assert all(cause.confidence != "certain" for cause in (connection.cause, *connection.other_causes) if cause)


SAMPLES = [text for text, _ in (*REAL.values(), *WORDS.values())] + [ENVOY]
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=12), st.sampled_from(["Root", pem(ROOT)]))
WORDS_OF_JSON = """
    certsInfo certInfo subject certificates storeName encodedCertificate certificate thumbprint data kind apiVersion
    metadata stringData cert id trusted_ca inline_bytes filename ca_cert serial_number Thumbprint RawData Subject
    trustedRootCertificates ca_certificates items certs keys name properties
"""
KEYS = st.sampled_from(WORDS_OF_JSON.split())
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5))


@settings(max_examples=300, deadline=None)
@given(value=VALUES)
def test_no_format_raises_on_json_of_its_words(value: Any) -> None:
    data = json.dumps(value).encode()
    for known in formats():
        if known.recognise(data):
            known.read(data, None)


@settings(max_examples=200, deadline=None)
@given(sample=st.sampled_from(SAMPLES), start=st.integers(0, 4000), length=st.integers(0, 40), new=st.text(max_size=8))
def test_no_format_raises_on_a_damaged_answer(sample: str, start: int, length: int, new: str) -> None:
    place = start % (len(sample) + 1)
    data = (sample[:place] + new + sample[place + length :]).encode()
    known = format_of(data)
    contents = known.read(data, None) if known is not None else None
    for named in contents.named if contents is not None else ():
        assert all(getattr(named, name).isprintable() for name in ("subject", "issuer", "label", "export"))

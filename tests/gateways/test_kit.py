"""The repair kit: in the product's form, proven from its bytes, taken by real validators, never over a file."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificates

import analyzer
from analyzer.cli import main
from analyzer.gateways import product_of
from analyzer.gateways.kit import Kit, build
from analyzer.gateways.repairable import Repairable
from analyzer.report.model import Fix, Report
from analyzer.tls.connection import Side
from analyzer.trust.check import check
from analyzer.trust.repair import remedies
from analyzer.trust.store import read_stores
from tests.packets import read, tls_flows
from tests.tls.test_connection import connections_of
from tests.trust.pki import NOW, root

ACME_ROOT = "46ec2b67563e44d0f4465d61ec28673239e855904559e47c37bdb19706949809"
ACME_INTERMEDIATE = "8108d7b009f91f09f7bfc5bb73666862e258565b46ad0af9891ece7b9fcc3195"

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def analysed(captures: Path, name: str, store: str, **options: Any) -> Report:
    return analyzer.analyze(captures / f"{name}.pcap", truststore=captures / "stores" / store, **options)


def applied(report: Report) -> Fix:
    return next(fix for fix in report.connections[0].fixes if fix.commands)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def digests(path: Path) -> list[str]:
    data = path.read_bytes()
    if data.startswith(b"-----"):
        return [certificate.fingerprint(SHA256()).hex() for certificate in load_pem_x509_certificates(data)]
    return [hashlib.sha256(data).hexdigest()]


def openssl_accepts(ca_file: Path, untrusted: Path, leaf: Path) -> bool:
    words = ["openssl", "verify", "-CAfile", str(ca_file), "-untrusted", str(untrusted), "-no-CApath", "-no-CAstore"]
    return subprocess.run([*words, str(leaf)], capture_output=True, check=False, timeout=60).returncode == 0


def pem(der: bytes) -> str:
    return load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


# The forms


@needs_openssl
@pytest.mark.parametrize("gateway", ["nginx", "haproxy", "apache", "envoy", "istio", "node", "go", "f5", None])
def test_a_bundle_replaces_the_one_in_use_and_holds_what_was_in_it(
    captures: Path, tmp_path: Path, gateway: str | None
) -> None:
    report = analysed(captures, "playbook", "without-root", gateway=gateway, fix_dir=tmp_path / "kit")
    bundle = next(path for path in (tmp_path / "kit").iterdir() if path.name != "README.txt")
    held = read_stores([captures / "stores/without-root"]).certificates
    assert set(read_stores([bundle]).certificates) >= set(held)
    assert ACME_ROOT in digests(bundle)
    assert str(bundle) in applied(report).files
    chain = read_stores([captures / "gateways/nginx-missing-root/backend-ca.pem"]).certificates
    (tmp_path / "untrusted.pem").write_text("".join(map(pem, chain)))
    intermediate = next(der for der in chain if hashlib.sha256(der).hexdigest() == ACME_INTERMEDIATE)
    (tmp_path / "intermediate.pem").write_text(pem(intermediate))
    assert openssl_accepts(bundle, tmp_path / "untrusted.pem", tmp_path / "intermediate.pem")


def test_azure_gets_root_and_intermediate_as_two_der_files_each_with_its_store(captures: Path, tmp_path: Path) -> None:
    report = analysed(captures, "playbook", "without-root", gateway="azure-apim", fix_dir=tmp_path)
    assert names(tmp_path) == {"README.txt", "root-acme-root-ca.cer", "intermediate-acme-intermediate-ca.cer"}
    for name, digest in (("root-acme-root-ca", ACME_ROOT), ("intermediate-acme-intermediate-ca", ACME_INTERMEDIATE)):
        data = (tmp_path / f"{name}.cer").read_bytes()
        load_der_x509_certificate(data)
        assert hashlib.sha256(data).hexdigest() == digest
    readme = (tmp_path / "README.txt").read_text()
    assert "root-acme-root-ca.cer into the store Root" in readme
    assert "intermediate-acme-intermediate-ca.cer into the store CertificateAuthority" in readme
    assert readme.index("into the store Root") < readme.index("into the store CertificateAuthority")
    assert "Not a PFX with the whole chain" in readme
    assert set(applied(report).files) == {str(tmp_path / name) for name in names(tmp_path) - {"README.txt"}}


def test_the_application_gateway_gets_the_root_in_base64(captures: Path, tmp_path: Path) -> None:
    analysed(captures, "playbook", "without-root", gateway="azure-appgw", fix_dir=tmp_path)
    assert names(tmp_path) == {"README.txt", "root-acme-root-ca.cer"}
    assert (tmp_path / "root-acme-root-ca.cer").read_text().startswith("-----BEGIN CERTIFICATE-----\n")


def test_apigee_gets_a_new_truststore_with_the_chain_and_what_the_old_one_holds(captures: Path, tmp_path: Path) -> None:
    report = analysed(captures, "playbook", "without-root", gateway="apigee-edge", fix_dir=tmp_path)
    assert names(tmp_path) == {
        "README.txt",
        "intermediate-acme-intermediate-ca.pem",
        "root-acme-root-ca.pem",
        "root-globex-root-ca.pem",
        "root-initech-root-ca.pem",
    }
    uploads = [line for line in applied(report).commands if "certFile=@" in line]
    assert ["intermediate-acme" in line for line in uploads] == [True, False, False, False]
    assert "root-acme-root-ca.pem" in uploads[1]
    assert all(path.read_text().count("BEGIN") == 1 for path in tmp_path.glob("*.pem"))


@pytest.mark.slow
@pytest.mark.java
@pytest.mark.parametrize("gateway", ["java", "spring", "mulesoft", "wso2"])
def test_keytool_takes_the_kit_and_java_then_trusts_the_chain(captures: Path, tmp_path: Path, gateway: str) -> None:
    for tool in ("keytool", "java", "javac"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    report = analysed(captures, "playbook", "without-root", gateway=gateway, fix_dir=tmp_path / "kit")
    lines = [line for line in applied(report).commands if line.startswith("keytool -importcert")]
    assert len(lines) == 1
    store = tmp_path / "store.p12"
    words = lines[0].split()
    where = words.index("-cacerts") if "-cacerts" in words else words.index("-keystore")
    own = [*words[:where], "-keystore", str(store), "-storepass", "changeit"]
    subprocess.run(own, check=True, capture_output=True, timeout=120)
    source = tmp_path / "Check.java"
    source.write_text(JAVA)
    chain = tmp_path / "chain.pem"
    chain.write_text("".join(map(pem, sent_chain(captures / "playbook.pcap")[:2])))
    done = subprocess.run(
        ["java", str(source), str(store), str(chain)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.strip() == "trusted", done.stderr


JAVA = """
import java.io.*; import java.security.*; import java.security.cert.*; import javax.net.ssl.*;
public class Check {
    public static void main(String[] words) throws Exception {
        KeyStore store = KeyStore.getInstance(new File(words[0]), "changeit".toCharArray());
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(store);
        var found = CertificateFactory.getInstance("X.509").generateCertificates(new FileInputStream(words[1]));
        var chain = found.toArray(new X509Certificate[0]);
        ((X509TrustManager) factory.getTrustManagers()[0]).checkServerTrusted(chain, "ECDHE_RSA");
        System.out.println("trusted");
    }
}
"""


def sent_chain(capture: Path) -> tuple[bytes, ...]:
    (seen,) = connections_of(tls_flows([frame.data for frame in read(capture)]))
    message = seen.chain(Side.SERVER) if seen is not None else None
    assert message is not None
    return message.chain


# Other repairs


@needs_openssl
def test_a_server_with_an_incomplete_chain_gets_the_right_one(captures: Path, tmp_path: Path) -> None:
    report = analysed(
        captures,
        "missing-intermediate-openssl",
        "with-root",
        gateway="nginx",
        candidate=[captures / "gateways/nginx-missing-root/backend-ca.pem"],
        fix_dir=tmp_path,
    )
    assert names(tmp_path) == {"README.txt", "fullchain-api.backend.example.pem"}
    fullchain = tmp_path / "fullchain-api.backend.example.pem"
    assert len(digests(fullchain)) == 2
    assert digests(fullchain)[1] == ACME_INTERMEDIATE
    assert ACME_ROOT not in digests(fullchain)
    assert openssl_accepts(captures / "stores/with-root/acme-root.pem", fullchain, fullchain)
    assert any(str(fullchain) in line for line in applied(report).commands)


def test_a_wrong_name_is_repaired_by_the_products_own_setting(captures: Path, tmp_path: Path) -> None:
    report = analysed(captures, "hostname-mismatch-openssl", "with-root", gateway="nginx", fix_dir=tmp_path)
    assert names(tmp_path) == {"README.txt"}
    assert "proxy_ssl_name api.backend.example;" in applied(report).commands
    assert "proxy_ssl_name api.backend.example;" in (tmp_path / "README.txt").read_text()


def test_a_path_too_long_for_the_default_is_repaired_by_the_directive(captures: Path, tmp_path: Path) -> None:
    folder = captures / "gateways/nginx-chain-too-long"
    report = analyzer.analyze(
        folder / "capture.pcap",
        truststore=folder / "trusted.pem",
        host=json.loads((folder / "about.json").read_text())["host"],
        gateway="nginx",
        fix_dir=tmp_path / "kit",
    )
    assert report.connections[0].cause is not None
    assert report.connections[0].cause.code == "chain-too-long"
    assert "proxy_ssl_verify_depth 2;" in applied(report).commands


def test_apaches_limit_counts_the_root() -> None:
    authority = root("Acme Root")
    issuing = authority.issue_ca("Acme Issuing CA")
    chain = (issuing.issue("gw.example").der, issuing.der)
    verdict = check(chain, (authority.der,), host="gw.example", at=NOW, verify_depth=0)
    question = Repairable(
        chain=chain,
        anchors=(authority.der,),
        host="gw.example",
        verify_depth=0,
        at=NOW,
        remedies=remedies(chain, (authority.der,), verdict, host="gw.example", at=NOW, verify_depth=0),
    )
    kit = build([question], product_of("apache"))
    assert "SSLProxyVerifyDepth 2" in kit.parts[0].commands


def test_a_namesake_of_the_root_is_replaced_or_the_right_one_added(captures: Path, tmp_path: Path) -> None:
    analysed(
        captures,
        "reissued-root-openssl",
        "with-old-root.pem",
        gateway="haproxy",
        candidate=[captures / "stores/with-root"],
        fix_dir=tmp_path,
    )
    assert ACME_ROOT in digests(tmp_path / "trusted-ca.pem")


def test_an_expired_certificate_needs_a_new_one_so_there_is_no_kit(
    captures: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    words = [str(captures / "expired-leaf-openssl.pcap"), "--truststore", str(captures / "stores/with-root")]
    assert main([*words, "--gateway", "nginx", "--fix-dir", str(tmp_path / "kit")]) == 1
    assert not (tmp_path / "kit").exists()
    text = " ".join(capsysbinary.readouterr().out.decode().split())
    assert "not in it: it takes a certificate that is yet to be issued" in text
    assert "has the certificate issued anew" in text


def test_a_product_that_takes_no_certificates_gets_no_kit_and_the_reason(captures: Path, tmp_path: Path) -> None:
    report = analysed(captures, "playbook", "without-root", gateway="aws-apigw", fix_dir=tmp_path / "kit")
    assert report.repair_kit is not None
    assert report.repair_kit.files == ()
    assert "takes no certificate of one's own" in report.repair_kit.left_out[0]
    assert not (tmp_path / "kit").exists()


def test_a_missing_root_that_nobody_has_is_said_to_be_missing(captures: Path, tmp_path: Path) -> None:
    report = analysed(captures, "missing-root-openssl", "without-root", gateway="haproxy", fix_dir=tmp_path / "kit")
    assert report.repair_kit is not None
    assert report.repair_kit.left_out == ("the certificate that is missing is not at hand: name it with --candidate",)
    assert applied(report).commands


def test_without_a_directory_the_steps_are_told_and_nothing_is_written(captures: Path) -> None:
    report = analysed(captures, "playbook", "without-root", gateway="nginx")
    assert report.repair_kit is None
    assert "proxy_ssl_trusted_certificate trusted-ca.pem;" in applied(report).commands
    assert applied(report).files == ()


# Writing


def test_no_file_is_written_over_and_nothing_is_left_behind(
    captures: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    kit = tmp_path / "kit"
    kit.mkdir()
    (kit / "root-acme-root-ca.pem").write_text("mine")
    words = [str(captures / "playbook.pcap"), "--truststore", str(captures / "stores/without-root")]
    assert main([*words, "--gateway", "java", "--fix-dir", str(kit)]) == 2
    out, err = capsysbinary.readouterr()
    assert b"missing-root" in out
    assert b"root-acme-root-ca.pem: exists already, and is not written over" in err
    assert names(kit) == {"root-acme-root-ca.pem"}
    assert (kit / "root-acme-root-ca.pem").read_text() == "mine"


def test_a_link_to_nowhere_is_an_existing_file(captures: Path, tmp_path: Path) -> None:
    (tmp_path / "README.txt").symlink_to(tmp_path / "elsewhere")
    report = analysed(captures, "playbook", "without-root", gateway="java", fix_dir=tmp_path)
    assert report.repair_kit is not None
    assert report.repair_kit.problems
    assert names(tmp_path) == {"README.txt"}


def test_a_file_where_the_directory_should_be_is_told(captures: Path, tmp_path: Path) -> None:
    (tmp_path / "kit").write_text("a file")
    report = analysed(captures, "playbook", "without-root", fix_dir=tmp_path / "kit" / "deeper")
    assert report.repair_kit is not None
    assert "is no directory" in report.repair_kit.problems[0].text
    assert applied(report).files == ()


def test_parents_are_made(captures: Path, tmp_path: Path) -> None:
    analysed(captures, "playbook", "without-root", fix_dir=tmp_path / "a" / "b")
    assert names(tmp_path / "a" / "b") == {"README.txt", "trusted-ca.pem"}


def test_a_redacted_report_and_its_kit_have_names_that_tell_nothing(captures: Path, tmp_path: Path) -> None:
    report = analysed(captures, "playbook", "without-root", gateway="apigee-edge", fix_dir=tmp_path, redact=True)
    assert names(tmp_path) == {"README.txt", "intermediate.pem", "root.pem", "root-2.pem", "root-3.pem"}
    assert "acme" not in repr(report).lower()
    assert str(tmp_path) not in repr(report)


# Hostile names, several repairs


def case(chain: tuple[bytes, ...], anchors: tuple[bytes, ...], host: str, profile: str = "openssl") -> Repairable:
    verdict = check(chain, anchors, host=host, at=NOW, profile=profile)
    return Repairable(
        code=verdict.problems[0].code,
        server="192.0.2.1:443",
        host=host,
        chain=chain,
        anchors=anchors,
        verify_depth=None,
        at=NOW,
        remedies=remedies(chain, anchors, verdict, host=host, at=NOW),
    )


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\nb\x1b[31m", "CON", "", "é" * 30, "-rf", "$(reboot)", "a/b\\c", "x" * 64]
)
def test_a_subject_is_never_a_path_an_option_or_a_command(name: str) -> None:
    authority = root(name or "x")
    leaf = authority.issue("gw.example")
    kit = build([case((leaf.der, authority.der), (), "gw.example")], product_of("java"))
    stored = next(file for file in kit.files if file.name != "README.txt")
    assert stored.name.replace("-", "").replace(".", "").isalnum()
    assert stored.name.isascii()
    assert stored.name.startswith("root")
    assert len(stored.name) < 80
    assert all(line.isprintable() for part in kit.parts for line in part.commands)
    assert all(line.isprintable() for line in kit.files[-1].data.decode().splitlines())


@pytest.mark.parametrize("host", ["a; reboot", "$(reboot)", "--config=x", "a\nproxy_pass http://evil;", "a b"])
def test_a_host_that_is_no_name_does_not_get_into_a_step(host: str) -> None:
    authority = root("Acme Root")
    leaf = authority.issue("gw.example")
    chain = (leaf.der, authority.der)
    found = case(chain, (), "gw.example")
    hostile = replace(found, host=host, remedies=tuple(replace(item, host=host) for item in found.remedies))
    kit = build([hostile], product_of("haproxy"))
    steps = "\n".join(line for part in kit.parts for line in part.commands)
    assert host not in steps
    assert "reboot" not in steps


def everything(kit: Kit) -> str:
    return "\n".join(file.data.decode("latin-1") for file in kit.files)


def test_two_backends_of_one_authority_make_one_kit_with_each_certificate_once() -> None:
    authority = root("Acme Root")
    first, second = authority.issue("a.example"), authority.issue("b.example")
    cases = [
        case((first.der, authority.der), (), "a.example"),
        case((second.der, authority.der), (), "b.example"),
    ]
    kit = build(cases, product_of("nginx"))
    assert [file.name for file in kit.files] == ["trusted-ca.pem", "README.txt"]
    assert everything(kit).count("BEGIN CERTIFICATE") == 1
    assert all(part.applied and not part.refused for part in kit.parts)


def test_two_roots_of_one_name_get_two_files() -> None:
    first, second = root("Acme Root", label="one"), root("Acme Root", label="two")
    cases = [
        case((first.issue("a.example").der, first.der), (), "a.example", "java"),
        case((second.issue("b.example").der, second.der), (), "b.example", "java"),
    ]
    kit = build(cases, product_of("java"))
    assert len({file.name for file in kit.files}) == 3
    assert [len(part.files) for part in kit.parts] == [1, 1]


def test_what_does_not_pass_when_read_back_is_not_offered() -> None:
    authority, other = root("Acme Root"), root("Other Root")
    leaf = authority.issue("gw.example")
    found = case((leaf.der, authority.der), (), "gw.example")
    wrong = replace(found, remedies=tuple(replace(item, anchors=(other.der,)) for item in found.remedies))
    kit = build([wrong], product_of("nginx"))
    assert kit.files == ()
    assert kit.parts[0].refused.startswith("read back from its files it does not pass: ")


def test_one_repair_that_fails_costs_no_other() -> None:
    authority, other = root("Acme Root"), root("Other Root")
    good = case((authority.issue("a.example").der, authority.der), (), "a.example")
    bad = case((other.issue("b.example").der, other.der), (), "b.example")
    wrong = replace(bad, remedies=tuple(replace(item, host="c.example") for item in bad.remedies))
    kit = build([wrong, good], product_of("java"))
    assert kit.parts[0].refused
    assert kit.parts[1].applied
    assert [file.name for file in kit.files] == ["root-acme-root.pem", "README.txt"]

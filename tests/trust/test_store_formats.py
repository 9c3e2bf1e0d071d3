"""Every format as the real tools write it: what is found, under which alias, as what kind; and what is told."""

from __future__ import annotations

import base64
import re
import shutil
import struct
import subprocess
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7, pkcs12

from analyzer.trust.store import StoreEntry, StoreProblem, TrustStore, read_stores
from analyzer.trust.stores import formats

STORES = Path(__file__).parent / "data" / "stores"
ALL = sorted(path.name for path in STORES.iterdir())
needs_keytool = pytest.mark.skipif(shutil.which("keytool") is None, reason="keytool (a JDK) is not installed")

ROOT, OTHER, ISSUING, LEAF = (
    x509.load_pem_x509_certificate((STORES / name).read_bytes()).public_bytes(Encoding.DER)
    for name in ("root.pem", "other-root.pem", "issuing.pem", "leaf.pem")
)
NAMES = {ROOT: "root", OTHER: "other", ISSUING: "issuing", LEAF: "leaf"}


def read(name: str, password: str | None = "changeit") -> TrustStore:
    return read_stores([STORES / name], password)


def read_bytes(directory: Path, data: bytes, password: str | None = None) -> TrustStore:
    path = directory / "store"
    path.write_bytes(data)
    return read_stores([path], password)


def brief(entry: StoreEntry) -> tuple[str, str | None, str, int]:
    return NAMES.get(entry.der, "?"), entry.alias, entry.kind, entry.chain_index


def briefs(store: TrustStore) -> list[tuple[str, str | None, str, int]]:
    return [brief(entry) for entry in store.entries]


def only_problem(store: TrustStore) -> StoreProblem:
    (problem,) = store.problems
    return problem


def codes(store: TrustStore) -> list[str]:
    return [problem.code for problem in store.problems]


@pytest.mark.parametrize("name", ALL)
def test_exactly_one_format_recognises_a_file(name: str) -> None:
    data = (STORES / name).read_bytes()
    assert len([known.name for known in formats() if known.recognise(data)]) == 1


@pytest.mark.parametrize("name", [name for name in ALL if name != "bag-attributes.pem"])
def test_a_store_cut_anywhere_is_told(name: str, tmp_path: Path) -> None:
    data = (STORES / name).read_bytes()
    whole = len(read_stores([STORES / name], "changeit").entries)
    for length in {*range(0, len(data) - 1, 37), len(data) // 2, len(data) - 2}:
        store = read_bytes(tmp_path, data[:length], "changeit")
        assert len(store.entries) <= whole
        assert store.problems, f"cut after {length} bytes"


def test_pem_with_several_certificates_text_and_crlf(tmp_path: Path) -> None:
    pem = (
        (STORES / "root.pem").read_bytes()
        + b"# and the other\n\nsubject=CN = x\n"
        + (STORES / "other-root.pem").read_bytes()
    )
    for text in (pem, pem.replace(b"\n", b"\r\n"), pem.replace(b"\n", b"\r"), b"\xef\xbb\xbf" + pem, b"  " + pem):
        store = read_bytes(tmp_path, text)
        assert briefs(store) == [("root", None, "certificate", 0), ("other", None, "certificate", 0)]
        assert store.problems == ()


def test_names_above_blocks_become_aliases(tmp_path: Path) -> None:
    assert briefs(read("bag-attributes.pem")) == [
        ("leaf", "leaf", "certificate", 0), ("issuing", None, "certificate", 0), ("root", None, "certificate", 0),
    ]  # fmt: skip
    text = b"Alias name: my root\nEntry type: trustedCertEntry\n" + (STORES / "root.pem").read_bytes()
    assert briefs(read_bytes(tmp_path, text)) == [("root", "my root", "certificate", 0)]


def test_an_alias_cannot_drive_a_terminal(tmp_path: Path) -> None:
    text = "friendlyName: \x1b[31mred\u202e\n".encode() + (STORES / "root.pem").read_bytes()
    (entry,) = read_bytes(tmp_path, text).entries
    assert entry.alias == "\\x1b[31mred\\u202e"


def test_an_openssl_trusted_certificate_keeps_its_alias() -> None:
    assert briefs(read("trusted.pem")) == [("root", "root a", "trusted-certificate", 0)]


def test_copying_faults_are_read_and_told(tmp_path: Path) -> None:
    pem = (STORES / "root.pem").read_text()
    other = (STORES / "other-root.pem").read_text()
    for text in (
        (pem + other).replace("-----\n-----BEGIN", "----------BEGIN"),
        (pem + other).replace("\n", "\\n"),
        pem.replace("-----BEGIN", "----BEGIN") + other,
        pem.replace("-----END", "---END") + other,
        pem.replace("END CERTIFICATE", "END X509 CERTIFICATE") + other,
    ):
        store = read_bytes(tmp_path, text.encode())
        assert [name for name, *_ in briefs(store)] == ["root", "other"], text
        assert set(codes(store)) == {"damaged-armor"}
        assert {problem.severity for problem in store.problems} == {"warning"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_from_powershell_is_read_and_told(encoding: str, tmp_path: Path) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    store = read_bytes(tmp_path, (mark + (STORES / "root.pem").read_text()).encode(encoding))
    assert briefs(store) == [("root", None, "certificate", 0)]
    assert only_problem(store).code == "damaged-armor"


def test_a_block_without_end_does_not_take_its_neighbours_along(tmp_path: Path) -> None:
    pem = (STORES / "root.pem").read_text()
    cut = "\n".join((STORES / "leaf.pem").read_text().splitlines()[:-1]) + "\n"
    store = read_bytes(tmp_path, (pem + cut + (STORES / "other-root.pem").read_text()).encode())
    assert [name for name, *_ in briefs(store)] == ["root", "other"]
    problem = only_problem(store)
    assert problem.code == "truncated"
    assert f"block 2 (CERTIFICATE, line {len(pem.splitlines()) + 1})" in problem.text


def test_a_changed_character_is_told_with_its_block(tmp_path: Path) -> None:
    lines = (STORES / "root.pem").read_text().splitlines()
    for broken in (lines[1].replace("M", "#", 1), lines[1][4:], "A" + lines[1][1:], ""):
        store = read_bytes(tmp_path, "\n".join([lines[0], broken, *lines[2:]]).encode())
        assert not store.usable
        assert only_problem(store).code in ("damaged-certificate", "truncated")
        assert "block 1" in only_problem(store).text


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("PRIVATE KEY", "private-key"), ("ENCRYPTED PRIVATE KEY", "private-key"), ("RSA PRIVATE KEY", "private-key"),
        ("EC PRIVATE KEY", "private-key"), ("OPENSSH PRIVATE KEY", "private-key"), ("PUBLIC KEY", "public-key"),
        ("CERTIFICATE REQUEST", "certificate-request"), ("NEW CERTIFICATE REQUEST", "certificate-request"),
        ("X509 CRL", "crl"), ("DH PARAMETERS", "other-content"), ("SOMETHING NEW", "other-content"),
    ],
)  # fmt: skip
def test_other_pem_blocks_are_named(label: str, code: str, tmp_path: Path) -> None:
    block = f"-----BEGIN {label}-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END {label}-----\n".encode()
    alone = only_problem(read_bytes(tmp_path, block))
    assert (alone.code, alone.severity) == (code, "error")
    beside = read_bytes(tmp_path, (STORES / "root.pem").read_bytes() + block)
    assert beside.usable
    assert (only_problem(beside).code, only_problem(beside).severity) == (code, "note")


def test_what_certutil_encode_calls_a_certificate_is_read_for_what_it_is(tmp_path: Path) -> None:
    body = base64.encodebytes((STORES / "chain.p7c").read_bytes()).decode()
    store = read_bytes(tmp_path, f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n".encode())
    assert [name for name, *_ in briefs(store)] == ["leaf", "issuing", "root"]
    assert codes(store) == ["damaged-armor"]


def test_one_der_certificate_and_several_on_end(tmp_path: Path) -> None:
    assert briefs(read("root.der")) == [("root", None, "certificate", 0)]
    store = read_bytes(tmp_path, ROOT + OTHER)
    assert [name for name, *_ in briefs(store)] == ["root", "other"]
    assert codes(store) == ["several-in-der"]
    store = read_bytes(tmp_path, ROOT + b"\r\n")
    assert [name for name, *_ in briefs(store)] == ["root"]
    assert codes(store) == ["trailing-bytes"]


@pytest.mark.parametrize("name", ["chain.p7b", "chain.p7c"])
def test_pkcs7_holds_what_cryptography_finds_in_it(name: str) -> None:
    data = (STORES / name).read_bytes()
    load = pkcs7.load_pem_pkcs7_certificates if name.endswith("b") else pkcs7.load_der_pkcs7_certificates
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openssl does not sort the certificates, which DER asks for
        expected = [certificate.public_bytes(Encoding.DER) for certificate in load(data)]
    store = read(name)
    assert [entry.der for entry in store.entries] == expected
    assert store.problems == ()


@pytest.mark.parametrize("name", [name for name in ALL if name.endswith(".p12") and name != "key-only.p12"])
def test_pkcs12_holds_what_cryptography_finds_in_it(name: str) -> None:
    password = {"roots-empty-password.p12": "", "roots-umlaut-password.p12": "Schlüssel"}.get(name, "changeit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of BER, which NSS and Bouncy Castle write
        loaded = pkcs12.load_pkcs12((STORES / name).read_bytes(), password.encode())
    expected = {
        (item.certificate.public_bytes(Encoding.DER), item.friendly_name.decode() if item.friendly_name else None)
        for item in ((loaded.cert,) if loaded.cert else ()) + tuple(loaded.additional_certs)
    }
    store = read(name, password)
    assert {(entry.der, entry.alias) for entry in store.entries} == expected
    assert not [problem for problem in store.problems if problem.severity != "note"]


def test_a_key_and_its_chain_are_told_apart_from_trusted_certificates() -> None:
    chain = [("leaf", "leaf", "private-key-entry", 0), ("issuing", None, "private-key-entry", 1),
             ("root", None, "private-key-entry", 2)]  # fmt: skip
    assert briefs(read("chain.p12")) == chain
    assert briefs(read("chain-rc2.p12")) == chain
    in_java = [("other", "other", "trusted-certificate", 0), *((n, "leaf", k, i) for n, _, k, i in chain)]
    assert sorted(briefs(read("with-key.jks"))) == sorted(in_java)


def test_every_private_key_has_its_entry() -> None:
    found = [(entry.alias, entry.kind) for entry in read("java-two-keys.p12").entries]
    assert found == [("key 1", "private-key-entry"), ("key 2", "private-key-entry"), ("root", "trusted-certificate")]


def test_java_sees_nothing_in_a_pkcs12_file_without_its_mark() -> None:
    assert codes(read("roots.p12")) == ["not-trusted-by-java"]
    assert codes(read("java.p12")) == []
    assert [kind for _, _, kind, _ in briefs(read("java.p12"))] == ["trusted-certificate"] * 2


def test_pkcs12_in_pem_as_certtool_writes_it() -> None:
    assert briefs(read("certtool.p12.pem")) == [("root", "from certtool", "certificate", 0)]


@pytest.mark.parametrize("name", ["java.p12", "chain.p12", "chain-rc2.p12", "roots-3des.p12", "certtool.p12.pem"])
def test_an_encrypted_store_needs_its_password(name: str) -> None:
    problem = only_problem(read(name, None))
    assert (problem.code, problem.severity) == ("password-needed", "error")
    store = read(name, "wrong")
    assert (only_problem(store).code, only_problem(store).severity) == ("wrong-password", "error")
    assert not store.usable


@pytest.mark.parametrize("wrong", ["changeit ", "", "Schlüssel", "\U0001f511", "\udcff", "a\0b", "x" * 10_000])
def test_any_wrong_password_is_a_wrong_password(wrong: str) -> None:
    for name in ("roots.p12", "chain-rc2.p12"):
        assert codes(read(name, wrong)) == ["wrong-password"]
    assert "wrong-password" in codes(read("root-and-other.jks", wrong))


def test_certificates_in_clear_are_read_without_the_password_and_with_a_wrong_one() -> None:
    for name in ("root-and-other.jks", "root-and-other.jceks", "roots-clear.p12"):
        without = read(name, None)
        assert len(without.entries) == 2
        assert "integrity-not-checked" in codes(without)
        assert {problem.severity for problem in without.problems} == {"note"}
        wrong = read(name, "wrong")
        assert len(wrong.entries) == 2
        (told,) = (problem for problem in wrong.problems if problem.code == "wrong-password")
        assert told.severity == "error"
        assert "used all the same" in told.text


def test_an_empty_password_is_found_out() -> None:
    for password in (None, "", "changeit"):
        store = read("roots-empty-password.p12", password)
        assert len(store.entries) == 2
        assert ("password-not-needed" in codes(store)) is (password == "changeit")
    assert len(read("java-no-password.p12", None).entries) == 2


def test_a_password_beyond_ascii() -> None:
    assert len(read("roots-umlaut-password.p12", "Schlüssel").entries) == 2


def test_jks_and_jceks_entries() -> None:
    for name in ("root-and-other.jks", "root-and-other.jceks"):
        assert sorted(briefs(read(name))) == [
            ("other", "other", "trusted-certificate", 0), ("root", "root a", "trusted-certificate", 0),
        ]  # fmt: skip
        assert read(name).problems == ()


def test_the_entries_around_a_secret_key_are_all_read() -> None:
    store = read("secret-key.jceks")
    assert {entry.alias for entry in store.entries} == {"before", "zzz"}
    assert (only_problem(store).code, only_problem(store).severity) == ("secret-key", "note")


def test_a_flipped_bit_in_a_jks_is_noticed_with_the_password(tmp_path: Path) -> None:
    data = bytearray((STORES / "root-and-other.jks").read_bytes())
    data[data.index(b"root a")] ^= 1
    assert codes(read_bytes(tmp_path, bytes(data), "changeit")) == ["wrong-password"]


def test_a_version_1_jks(tmp_path: Path) -> None:
    import hashlib

    body = struct.pack(">4sII", b"\xfe\xed\xfe\xed", 1, 1) + struct.pack(">IH", 2, 3) + b"old" + bytes(8)
    body += struct.pack(">I", len(ROOT)) + ROOT
    digest = hashlib.sha1("pw".encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()
    store = read_bytes(tmp_path, body + digest, "pw")
    assert briefs(store) == [("root", "old", "trusted-certificate", 0)]
    assert store.problems == ()


@pytest.mark.parametrize(("name", "kind"), [("bouncy.bks", "BKS"), ("bouncy.bcfks", "BCFKS")])
def test_bouncy_castle_stores_are_named_with_the_way_to_convert_them(name: str, kind: str) -> None:
    problem = only_problem(read(name))
    assert problem.code == "unsupported-format"
    assert f"-srcstoretype {kind}" in problem.text


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("key.der", "private-key"), ("encrypted-key.der", "private-key"), ("sec1-key.der", "private-key"),
        ("key-only.p12", "private-key"), ("public-key.der", "public-key"), ("request.der", "certificate-request"),
        ("revoked.crl", "crl"),
    ],
)  # fmt: skip
def test_what_is_no_store_is_named(name: str, code: str) -> None:
    problem = only_problem(read(name))
    assert (problem.code, problem.severity, problem.source) == (code, "error", str(STORES / name))


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (b"", "empty", "empty"),
        (b" \r\n\n", "empty", "empty"),
        (b"<!DOCTYPE html>\n<html><title>404 Not Found</title></html>", "not-a-store", "HTML"),
        (b"\n\n  <HTML><body>login</body>", "not-a-store", "HTML"),
        (b"All our roots are on the intranet.\n", "not-a-store", "text"),
        (b"\xd4\xc3\xb2\xa1" + bytes(40), "not-a-store", "capture"),
        (b"PK\x03\x04" + bytes(40), "not-a-store", "ZIP"),
        (b"SQLite format 3\0" + bytes(40), "not-a-store", "certutil"),
        (b"\0\0\0\0CERT" + bytes(40), "not-a-store", "Windows"),
        (b"\x1f\x8b\x08" + bytes(40), "not-a-store", "gzip"),
        (b"MIIBjjCCATSgAwIBAgIU" * 9, "not-a-store", "base64"),
        (bytes(range(256)), "not-a-store", "not known"),
        (b"\x30\x03\x02\x01\x05", "damaged-certificate", "ASN.1"),
        (b"\xfe\xed\xfe\xed\0\0\0\x07" + bytes(40), "damaged-store", "version 7"),
    ],
)
def test_strange_files_are_named(data: bytes, code: str, word: str, tmp_path: Path) -> None:
    problem = only_problem(read_bytes(tmp_path, data))
    assert (problem.code, problem.severity) == (code, "error")
    assert word in problem.text


def test_an_html_page_that_shows_a_certificate_is_read(tmp_path: Path) -> None:
    page = b"<html><body><pre>" + (STORES / "root.pem").read_bytes() + b"</pre></body></html>"
    assert briefs(read_bytes(tmp_path, page)) == [("root", None, "certificate", 0)]


@pytest.mark.slow
@needs_keytool
@pytest.mark.java
@pytest.mark.parametrize("name", ["root-and-other.jks", "root-and-other.jceks", "secret-key.jceks", "java.p12",
                                  "java-two-keys.p12", "with-key.jks", "roots.p12"])  # fmt: skip
def test_keytool_lists_the_same_entries(name: str) -> None:
    kind = {"jks": "JKS", "jceks": "JCEKS", "p12": "PKCS12"}[name.rsplit(".", 1)[1]]
    listing = subprocess.run(
        ["keytool", "-J-Duser.language=en", "-list", "-rfc", "-keystore", STORES / name, "-storetype", kind,
         "-storepass", "changeit"], check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    expected = set()
    for part in re.split(r"^Alias name: ", listing, flags=re.MULTILINE)[1:]:
        for pem in re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", part, re.DOTALL):
            der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
            kind_of_entry = "trusted-certificate" if "trustedCertEntry" in part else "private-key-entry"
            expected.add((der, kind_of_entry))
    store = read(name)
    assert {(entry.der, entry.kind) for entry in store.entries if entry.kind != "certificate"} == expected


@pytest.mark.slow
@needs_keytool
@pytest.mark.java
@pytest.mark.parametrize("kind", ["JKS", "JCEKS", "PKCS12"])
def test_a_store_made_by_keytool_now(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "trust.store"
    for alias in ("first ca", "zweite-ß"):
        subprocess.run(
            ["keytool", "-J-Dfile.encoding=UTF-8", "-J-Dsun.jnu.encoding=UTF-8", "-importcert", "-noprompt", "-alias",
             alias, "-file", STORES / "root.pem", "-keystore", path, "-storetype", kind, "-storepass", "other-pass"],
            check=True, capture_output=True, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin:/usr/local/bin"},
        )  # fmt: skip
    store = read_stores([path], "other-pass")
    assert sorted(briefs(store)) == [
        ("root", "first ca", "trusted-certificate", 0), ("root", "zweite-ß", "trusted-certificate", 0),
    ]  # fmt: skip
    assert codes(store) == ["duplicate"]

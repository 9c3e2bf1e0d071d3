"""Makes the trust stores under `stores/` with the real tools: keytool, openssl, certtool.

    python tests/trust/data/make.py [--bcprov bcprov.jar] [--pk12util pk12util]

Certificates come from `cryptography` and are valid from 2020 to 2099, so that tests do not rot. Keys are
P-256 and made anew on every run. All passwords are `changeit` unless the name says otherwise.
`--bcprov` (Debian: libbcprov-java) is needed for `bouncy*`, `--pk12util` (Debian: libnss3-tools) for
`nss.p12`; without them those files stay as they are.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = Path(__file__).parent
OUT = HERE / "stores"
START, END = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2099, 12, 31, tzinfo=dt.UTC)
PASSWORD = "changeit"

Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def certificate(
    name: str,
    issuer: Pair | None = None,
    *,
    ca: bool = True,
    start: dt.datetime = START,
    end: dt.datetime = END,
) -> Pair:
    """A certificate for CN=`name` and its key; self-signed without `issuer`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(item.public_bytes(serialization.Encoding.PEM) for item in certificates)


def der(item: x509.Certificate) -> bytes:
    return item.public_bytes(serialization.Encoding.DER)


def run(*command: str | Path, inp: bytes | None = None) -> bytes:
    return subprocess.run([str(word) for word in command], input=inp, check=True, capture_output=True).stdout


def keytool(*words: str | Path, store: str, kind: str, password: str = PASSWORD) -> None:
    run("keytool", *words, "-keystore", OUT / store, "-storetype", kind, "-storepass", password, "-noprompt")


def make(work: Path, bcprov: str | None, pk12util: str | None) -> None:
    root, other = certificate("Store Test Root A"), certificate("Store Test Root B")
    issuing = certificate("Store Test Issuing CA", root)
    leaf = certificate("leaf.store.test", issuing, ca=False)
    reissued = certificate("Store Test Root A")
    expired = certificate("Store Test Expired Root", end=dt.datetime(2021, 1, 1, tzinfo=dt.UTC))
    future = certificate("Store Test Future Root", start=dt.datetime(2098, 1, 1, tzinfo=dt.UTC))
    for name, pair in {
        "root": root, "other-root": other, "issuing": issuing, "leaf": leaf,
        "reissued-root": reissued, "expired-root": expired, "future-root": future,
    }.items():  # fmt: skip
        (OUT / f"{name}.pem").write_bytes(pem(pair[0]))
    (OUT / "root.der").write_bytes(der(root[0]))
    key_pem = leaf[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    leaf_key = work / "leaf.key"
    leaf_key.write_bytes(key_pem)
    for name in (
        "root-and-other.jks", "with-key.jks", "root-and-other.jceks", "secret-key.jceks", "java.p12",
        "java-two-keys.p12", "java-no-password.p12", "bouncy.bks", "bouncy.bcfks", "bouncy.p12",
    ):  # fmt: skip
        if not name.startswith("bouncy") or bcprov:
            (OUT / name).unlink(missing_ok=True)

    make_text(work, leaf_key)
    make_pkcs12(work, leaf_key)
    make_java(work)
    if bcprov:
        make_bouncy_castle(bcprov)
    if pk12util:
        database = work / "nss"
        database.mkdir()
        run(pk12util.replace("pk12util", "certutil"), "-N", "-d", database, "--empty-password")
        run(pk12util, "-i", OUT / "chain.p12", "-d", database, "-W", PASSWORD)
        run(pk12util, "-o", OUT / "nss.p12", "-n", "leaf", "-d", database, "-W", PASSWORD)


def make_text(work: Path, leaf_key: Path) -> None:
    """OpenSSL's trusted certificates, PKCS#7, and the neighbours of stores that are none."""
    root, issuing, leaf = OUT / "root.pem", OUT / "issuing.pem", OUT / "leaf.pem"
    run("openssl", "x509", "-in", root, "-trustout", "-setalias", "root a", "-addtrust", "serverAuth",
        "-out", OUT / "trusted.pem")  # fmt: skip
    run("openssl", "x509", "-in", root, "-trustout", "-addreject", "serverAuth", "-out", OUT / "rejected.pem")
    run(
        "openssl",
        "x509",
        "-in",
        root,
        "-trustout",
        "-addtrust",
        "emailProtection",
        "-out",
        OUT / "mail-only.pem",
    )
    chain = ("-certfile", leaf, "-certfile", issuing, "-certfile", root)
    run("openssl", "crl2pkcs7", "-nocrl", *chain, "-out", OUT / "chain.p7b")
    run("openssl", "crl2pkcs7", "-nocrl", *chain, "-outform", "DER", "-out", OUT / "chain.p7c")
    run("openssl", "pkcs8", "-topk8", "-in", leaf_key, "-outform", "DER", "-passout", f"pass:{PASSWORD}",
        "-out", OUT / "encrypted-key.der")  # fmt: skip
    run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", leaf_key, "-outform", "DER", "-out", OUT / "key.der")
    run("openssl", "ec", "-in", leaf_key, "-outform", "DER", "-out", OUT / "sec1-key.der")
    run("openssl", "ec", "-in", leaf_key, "-pubout", "-outform", "DER", "-out", OUT / "public-key.der")
    run("openssl", "req", "-new", "-key", leaf_key, "-subj", "/CN=leaf.store.test", "-outform", "DER",
        "-out", OUT / "request.der")  # fmt: skip
    database = work / "index.txt"
    database.touch()
    settings = work / "ca.cnf"
    settings.write_text(f"[ca]\ndefault_ca=a\n[a]\ndatabase={database}\ndefault_md=sha256\n")
    root_key = work / "crl.key"
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", root_key)
    issuer = work / "crl.pem"
    run("openssl", "req", "-x509", "-key", root_key, "-subj", "/CN=Store Test CRL Issuer", "-out", issuer)
    run("openssl", "ca", "-config", settings, "-gencrl", "-keyfile", root_key, "-cert", issuer,
        "-crldays", "20000", "-out", work / "crl.out")  # fmt: skip
    run("openssl", "crl", "-in", work / "crl.out", "-outform", "DER", "-out", OUT / "revoked.crl")


def make_pkcs12(work: Path, leaf_key: Path) -> None:
    """PKCS#12 by openssl and certtool, with and without a key, old and new ciphers, all kinds of password."""
    above = work / "above.pem"
    above.write_bytes((OUT / "issuing.pem").read_bytes() + (OUT / "root.pem").read_bytes())
    roots = work / "roots.pem"
    roots.write_bytes((OUT / "root.pem").read_bytes() + (OUT / "other-root.pem").read_bytes())
    export = ("openssl", "pkcs12", "-export")
    chain = ("-inkey", leaf_key, "-in", OUT / "leaf.pem", "-certfile", above, "-name", "leaf")
    anchors = ("-nokeys", "-in", roots)

    def secret(text: str) -> tuple[str, str]:
        return ("-passout", f"pass:{text}")

    run(*export, *chain, *secret(PASSWORD), "-out", OUT / "chain.p12")
    run(*export, *chain, *secret(PASSWORD), "-legacy", "-out", OUT / "chain-rc2.p12")
    run(*export, *anchors, *secret(PASSWORD), "-caname", "first root", "-out", OUT / "roots.p12")
    for name, cipher in {"3des": "PBE-SHA1-3DES", "rc2-128": "PBE-SHA1-RC2-128", "rc4": "PBE-SHA1-RC4-128",
                         "aes128": "AES-128-CBC"}.items():  # fmt: skip
        run(*export, *anchors, *secret(PASSWORD), "-legacy", "-certpbe", cipher, "-macalg", "sha512",
            "-out", OUT / f"roots-{name}.p12")  # fmt: skip
    run(*export, *anchors, *secret(""), "-out", OUT / "roots-empty-password.p12")
    run(*export, *anchors, *secret("Schlüssel"), "-out", OUT / "roots-umlaut-password.p12")
    run(*export, *anchors, *secret(PASSWORD), "-nomac", "-out", OUT / "roots-no-mac.p12")
    run(*export, *anchors, *secret(PASSWORD), "-certpbe", "NONE", "-out", OUT / "roots-clear.p12")
    run(*export, "-nocerts", "-inkey", leaf_key, *secret(PASSWORD), "-out", OUT / "key-only.p12")
    text = run("openssl", "pkcs12", "-in", OUT / "chain.p12", "-nokeys", "-passin", f"pass:{PASSWORD}")
    (OUT / "bag-attributes.pem").write_bytes(text)
    to_p12 = ("certtool", "--to-p12", "--password", PASSWORD, "--p12-name", "from certtool")
    run(*to_p12, "--load-certificate", OUT / "root.pem", "--outfile", OUT / "certtool.p12.pem")
    run(*to_p12, "--load-privkey", leaf_key, "--load-certificate", OUT / "leaf.pem", "--load-ca-certificate",
        above, "--outder", "--outfile", OUT / "certtool-key.p12")  # fmt: skip


def make_java(work: Path) -> None:
    """JKS, JCEKS and PKCS#12 by keytool."""
    two = (("Root A", "root.pem"), ("other", "other-root.pem"))
    for store, kind in (
        ("root-and-other.jks", "JKS"),
        ("root-and-other.jceks", "JCEKS"),
        ("java.p12", "PKCS12"),
    ):
        for alias, file in two:
            keytool("-importcert", "-alias", alias, "-file", OUT / file, store=store, kind=kind)
    source = ("-srckeystore", OUT / "chain.p12", "-srcstoretype", "PKCS12", "-srcstorepass", PASSWORD)
    run("keytool", "-importkeystore", *source, "-destkeystore", OUT / "with-key.jks", "-deststoretype", "JKS",
        "-deststorepass", PASSWORD, "-noprompt")  # fmt: skip
    keytool("-importcert", "-alias", "other", "-file", OUT / "other-root.pem", store="with-key.jks", kind="JKS")
    keytool("-importcert", "-alias", "before", "-file", OUT / "root.pem", store="secret-key.jceks", kind="JCEKS")
    keytool("-genseckey", "-alias", "aes", "-keyalg", "AES", "-keysize", "256", "-keypass", PASSWORD,
            store="secret-key.jceks", kind="JCEKS")  # fmt: skip
    keytool(
        "-importcert",
        "-alias",
        "zzz",
        "-file",
        OUT / "other-root.pem",
        store="secret-key.jceks",
        kind="JCEKS",
    )
    for number in ("1", "2"):
        words = (
            "-genkeypair",
            "-alias",
            f"key {number}",
            "-keyalg",
            "EC",
            "-dname",
            f"CN=key{number}.store.test",
        )
        dates = ("-startdate", "2020/01/01", "-validity", "29000")
        keytool(*words, *dates, store="java-two-keys.p12", kind="PKCS12")
    keytool("-importcert", "-alias", "root", "-file", OUT / "root.pem", store="java-two-keys.p12", kind="PKCS12")
    clear = [f"-J-Dkeystore.pkcs12.{name}=NONE" for name in ("macAlgorithm", "certProtectionAlgorithm")]
    for alias, file in two:
        keytool("-importcert", *clear, "-alias", alias, "-file", OUT / file, store="java-no-password.p12",
                kind="PKCS12")  # fmt: skip


def make_bouncy_castle(jar: str) -> None:
    """What Bouncy Castle writes: its own two kinds, and PKCS#12 in BER with indefinite lengths."""
    provider = ("-providerpath", jar, "-provider", "org.bouncycastle.jce.provider.BouncyCastleProvider")
    for name, kind in (("bouncy.bks", "BKS"), ("bouncy.bcfks", "BCFKS"), ("bouncy.p12", "PKCS12")):
        keytool("-importcert", *provider, "-providername", "BC", "-alias", "root", "-file", OUT / "root.pem",
                store=name, kind=kind)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the trust stores for the tests.")
    parser.add_argument("--bcprov", help="Bouncy Castle's provider (a .jar)")
    parser.add_argument("--pk12util", help="NSS's pk12util, certutil beside it")
    options = parser.parse_args()
    os.environ["LC_ALL"] = "C.UTF-8"
    OUT.mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp())
    try:
        make(work, options.bcprov, options.pk12util)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()

"""A server's chain out of what people save of it."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
import time
from base64 import b64encode
from pathlib import Path
from textwrap import wrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.trust.chain import MOST_CERTIFICATES, SavedChain, read_chain
from tests.trust import pki

STORES = Path(__file__).parent / "data" / "stores"

ROOT = pki.root("Acme Root")
ISSUING = ROOT.issue_ca("Acme Issuing CA")
LEAF = ISSUING.issue("gw.example.com")
CHAIN = (LEAF.der, ISSUING.der, ROOT.der)


def pem(der: bytes) -> str:
    body = "\n".join(wrap(b64encode(der).decode(), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


BUNDLE = "".join(map(pem, CHAIN))

# As OpenSSL 3.0 prints it; tests/test_check_command.py has it from openssl itself.
SESSION = f"""CONNECTED(00000003)
---
Certificate chain
 0 s:CN = gw.example.com
   i:CN = Acme Issuing CA
{pem(LEAF.der)} 1 s:CN = Acme Issuing CA
   i:CN = Acme Root
{pem(ISSUING.der)}---
Server certificate
subject=CN = gw.example.com
issuer=CN = Acme Issuing CA
---
No client certificate CA names sent
---
"""

# OpenSSL before 1.1.0 shows the leaf a second time.
OLD_SESSION = SESSION.replace("Server certificate\n", f"Server certificate\n{pem(LEAF.der)}")

CHROME = f"""Your connection is not private
Attackers might be trying to steal your information from gw.example.com (for example, passwords, messages, or credit
cards). Learn more about this warning
NET::ERR_CERT_AUTHORITY_INVALID
Subject: gw.example.com
Issuer: Acme Issuing CA
Expires on: Nov 22, 2027
Current date: Nov 22, 2026
PEM encoded chain:
{BUNDLE}"""

FIREFOX = f"""https://gw.example.com/

Peer's Certificate issuer is not recognized.

HTTP Strict Transport Security: false
HTTP Public Key Pinning: false

Certificate chain:

{BUNDLE}"""


def read(text: str) -> SavedChain:
    return read_chain(text.encode())


def codes(chain: SavedChain) -> list[str]:
    return [problem.code for problem in chain.problems]


def converted(tmp_path: Path, *arguments: str) -> bytes:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    source = tmp_path / "chain.pem"
    source.write_text(BUNDLE)
    result = subprocess.run(["openssl", *arguments, str(source)], check=True, capture_output=True)
    return result.stdout


def test_a_bundle_is_the_chain_in_its_order() -> None:
    assert read(BUNDLE) == SavedChain(certificates=CHAIN)
    assert read("".join(map(pem, reversed(CHAIN)))).certificates == CHAIN[::-1]


def test_a_bundle_that_repeats_a_certificate_is_served_with_the_repetition() -> None:
    assert read(BUNDLE + pem(LEAF.der)).certificates == (*CHAIN, LEAF.der)


def test_what_stands_more_than_once_in_a_text_counts_once() -> None:
    chain = read(f"the chain:\n{BUNDLE}\nand its leaf again:\n{pem(LEAF.der)}")
    assert chain.certificates == CHAIN
    assert codes(chain) == ["duplicate"]


def test_one_certificate_in_der() -> None:
    assert read_chain(LEAF.der) == SavedChain(certificates=(LEAF.der,))


@pytest.mark.parametrize("session", [SESSION, OLD_SESSION, SESSION.replace("\n", "\r\n")])
def test_of_a_session_the_certificates_that_were_sent(session: str) -> None:
    assert read(session) == SavedChain(certificates=(LEAF.der, ISSUING.der))


def test_a_stapled_responder_s_certificate_is_not_of_the_chain() -> None:
    assert read(f"OCSP response:\n{pem(ROOT.der)}======\n{SESSION}").certificates == (LEAF.der, ISSUING.der)


def test_of_several_sessions_the_first() -> None:
    other = SESSION.replace(pem(LEAF.der), pem(ROOT.der))
    chain = read(SESSION + other)
    assert chain.certificates == (LEAF.der, ISSUING.der)
    assert codes(chain) == ["several-chains"]


def test_a_session_without_showcerts_lacks_what_it_lists() -> None:
    only_listed = OLD_SESSION.replace(f"{pem(LEAF.der)} 1", " 1", 1).replace(pem(ISSUING.der), "")
    chain = read(only_listed)
    assert chain.certificates == (LEAF.der,)
    (problem,) = chain.problems
    assert (problem.code, problem.severity) == ("chain-not-shown", "error")
    assert "2 certificates" in problem.text
    assert "-showcerts" in problem.text


def test_a_damaged_certificate_is_told_and_the_others_are_used() -> None:
    damaged = pem(ISSUING.der).replace("\n-----END", "§\n-----END")
    chain = read(BUNDLE.replace(pem(ISSUING.der), damaged))
    assert chain.certificates == (LEAF.der, ROOT.der)
    assert codes(chain) == ["damaged-certificate"]


def saved_by_chrome(text: str) -> str:
    """The page as its DOM is written, with the strings that made it in a script."""
    lines = "<br>\n".join(html.escape(line).replace("+", "&#43;") for line in text.splitlines())
    strings = json.dumps({"pem": BUNDLE}).replace("/", "\\/").replace("=", "\\u003d")
    return f"<!DOCTYPE html><html><body><div>{lines}</div><script>var data = {strings};</script></body></html>"


@pytest.mark.parametrize("page", [CHROME, saved_by_chrome(CHROME), FIREFOX, saved_by_chrome(FIREFOX)])
def test_a_browser_s_error_page(page: str) -> None:
    chain = read(page)
    assert chain.certificates == CHAIN
    assert chain.host == "gw.example.com"
    assert "browser-chain" in codes(chain)


def test_lines_quoted_in_a_mail() -> None:
    quoted = "".join(f">> {line}\n" for line in SESSION.splitlines())
    assert read(quoted).certificates == (LEAF.der, ISSUING.der)


def test_text_saved_as_utf_16() -> None:
    assert read_chain(SESSION.encode("utf-16")) == SavedChain(certificates=(LEAF.der, ISSUING.der))


@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_pkcs7_has_no_order_and_is_put_in_order(form: str, tmp_path: Path) -> None:
    data = converted(tmp_path, "crl2pkcs7", "-nocrl", "-outform", form, "-certfile")
    chain = read_chain(data)
    assert chain.certificates == CHAIN
    assert codes(chain) == ["no-order"]


@pytest.mark.parametrize("name", ["chain.p12", "with-key.jks"])
def test_of_a_key_store_the_chain_of_its_key(name: str) -> None:
    chain = read_chain((STORES / name).read_bytes(), "changeit")
    leaf, issuing, root = ((STORES / f"{part}.pem").read_text() for part in ("leaf", "issuing", "root"))
    assert chain.certificates == read(leaf + issuing + root).certificates
    assert chain.problems == ()


def test_of_several_keys_the_first() -> None:
    chain = read_chain((STORES / "java-two-keys.p12").read_bytes(), "changeit")
    assert len(chain.certificates) == 1
    assert codes(chain) == ["several-chains"]
    assert "'key 1'" in chain.problems[0].text


def test_a_trust_store_is_no_chain() -> None:
    assert "not-a-chain" in codes(read_chain((STORES / "root-and-other.jks").read_bytes(), "changeit"))


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("openssl s_client -connect gw.example.com:443 -showcerts", "gw.example.com"),
        ("openssl s_client -showcerts -connect 10.1.2.3:443 -servername gw.example.com </dev/null", "gw.example.com"),
        ("$ openssl s_client -connect other.example:443 \\\n  -servername 'gw.example.com'", "gw.example.com"),
        ("C:\\> openssl.exe s_client -CAfile C:\\new\\ca.pem -connect gw.example.com:443", "gw.example.com"),
        ("openssl s_client -servername a.example -verify_hostname gw.example.com", "gw.example.com"),
        ("openssl s_client -connect 10.1.2.3:443 -showcerts", None),
        ("openssl s_client -connect $HOST:443 -servername $HOST", None),
        ("openssl s_client -connect [2001:db8::1]:443", None),
        ("Verified peername: gw.example.com", "gw.example.com"),
        ("Verified peername: *.example.com", None),
        ("Resolving 'gw.example.com:443'...\nConnecting to '10.1.2.3:443'...", "gw.example.com"),
        ("Connecting to 10.1.2.3\nCONNECTED(00000003)", None),
        ("depth=0 CN = gw.example.com", None),
    ],
)
def test_the_host_is_taken_only_where_it_is_named(line: str, host: str | None) -> None:
    assert read(f"{line}\n{SESSION}").host == host


def test_of_several_commands_the_one_before_the_chain() -> None:
    first = f"openssl s_client -connect one.example:443\n{SESSION}"
    second = f"openssl s_client -connect two.example:443\n{SESSION}"
    assert read(first + second).host == "one.example"
    assert read(f"openssl s_client -connect zero.example:443\nerror\n{second}").host == "two.example"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"Hello", "not-a-store"),
        (b"\x89PNG\0\0", "not-a-store"),
        (b"CONNECTED(00000003)\n---\nno peer certificate available\n---\n", "no-certificate"),
        (pem(LEAF.der)[:200].encode(), "truncated"),
    ],
)
def test_what_holds_no_chain_is_told(data: bytes, code: str) -> None:
    chain = read_chain(data)
    assert chain.certificates == ()
    assert code in codes(chain)


def test_a_file_of_very_many_certificates_is_cut() -> None:
    chain = read(pem(LEAF.der) * (MOST_CERTIFICATES + 1))
    assert len(chain.certificates) == MOST_CERTIFICATES
    assert codes(chain) == ["too-many-certificates"]


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_a_fault(data: bytes) -> None:
    read_chain(data)
    read_chain(BUNDLE.encode() + data)


PIECES = ["-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "Certificate chain\n", "---\n", " 0 s:x\n"]
PIECES += [
    "<br>",
    "&#",
    "\\u0041",
    "-----\\n",
    "> ",
    "s_client -connect ",
    "a:1 ",
    "\n",
    "MIIB",
    "Server certificate\n",
]


@given(st.lists(st.sampled_from([*PIECES, pem(LEAF.der)]), max_size=40))
def test_any_order_of_its_parts_is_read_without_a_fault(parts: list[str]) -> None:
    assert set(read("".join(parts)).certificates) <= {LEAF.der}


@pytest.mark.parametrize("piece", [*PIECES, "-", "<", "s_client", " ", "https://a/ ", "steal your information from "])
def test_the_work_is_bounded_by_the_length(piece: str) -> None:
    text = f"<br>-----\\n{pem(LEAF.der)}" + piece * (1_000_000 // len(piece))
    began = time.perf_counter()
    read(text)
    assert time.perf_counter() - began < 10

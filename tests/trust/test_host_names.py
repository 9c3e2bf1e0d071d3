"""Host names as each validator compares them; the tables are facts measured on the real engines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.trust.check import check
from analyzer.trust.names import HostRules, reference, wildcard_match
from analyzer.trust.profile import profile_names, profile_of
from tests.trust.pki import NOW, root

ROOT = root("Acme Root")
MEASURED = ("openssl", "boringssl", "gnutls", "java", "dotnet", "go", "webpki")


def accepted_by(host: str, **leaf: object) -> set[str]:
    issued = ROOT.issue(None, **leaf)  # type: ignore[arg-type]
    return {p for p in MEASURED if check([issued.der], [ROOT.der], host=host, at=NOW, profile=p).accepted}


@pytest.mark.parametrize(
    ("pattern", "host", "by"),
    [
        ("gw.example.com", "gw.example.com", MEASURED),
        ("GW.Example.COM", "gw.example.com", MEASURED),
        ("*.example.com", "gw.example.com", MEASURED),
        ("*.example.com", "a.gw.example.com", ()),
        ("*.example.com", "example.com", ()),
        ("g*.example.com", "gw.example.com", ("openssl", "java")),
        ("*w.example.com", "gw.example.com", ("openssl", "gnutls", "java")),
        ("gw.*.com", "gw.example.com", ("java",)),
        ("*.*.com", "gw.example.com", ("java",)),
        ("*.com", "example.com", ("java", "go")),
        ("*.internal", "gw.internal", ("java", "go")),
        ("*", "localhost", ()),
        ("gw.example.com", "gw.example.com.", ("java", "go", "webpki")),
        ("my_gw.example.com", "my_gw.example.com", ("openssl", "boringssl", "gnutls", "dotnet", "go", "webpki")),
        ("*.example.com", "xn--bcher-kva.example.com", MEASURED),
    ],
)
def test_a_dns_name_covers_a_host(pattern: str, host: str, by: tuple[str, ...]) -> None:
    assert accepted_by(host, names=[pattern], common_name="leaf") == set(by)


@pytest.mark.parametrize(
    ("common_name", "names", "host", "by"),
    [
        ("gw.example.com", [], "gw.example.com", ("openssl", "boringssl", "gnutls", "java", "dotnet")),
        ("gw.example.com", ["10.1.2.3"], "gw.example.com", ("openssl", "java", "dotnet")),
        ("gw.example.com", ["a@example.com"], "gw.example.com", ("openssl", "gnutls", "java", "dotnet")),
        ("gw.example.com", ["other.test"], "gw.example.com", ()),
        ("10.1.2.3", [], "10.1.2.3", ("dotnet",)),
        ("leaf", ["10.1.2.3"], "10.1.2.3", MEASURED),
        ("leaf", ["10.1.2.4"], "10.1.2.3", ()),
        ("leaf", ["2001:db8::1"], "2001:DB8:0::1", MEASURED),
    ],
)
def test_the_common_name_and_addresses_count(
    common_name: str, names: list[str], host: str, by: tuple[str, ...]
) -> None:
    assert accepted_by(host, common_name=common_name, names=names) == set(by)


def test_a_name_in_the_cn_only_is_told_from_a_name_that_is_nowhere() -> None:
    in_cn = ROOT.issue(None, names=[], common_name="gw.example.com")
    nowhere = ROOT.issue("other.test", common_name="gw.example.com")
    codes = [
        check([c.der], [ROOT.der], host="gw.example.com", at=NOW, profile="go").problems[0].code
        for c in (in_cn, nowhere)
    ]
    assert codes == ["hostname-only-in-cn", "hostname-mismatch"]


def test_without_a_host_the_name_is_not_checked_and_the_verdict_says_so() -> None:
    leaf = ROOT.issue("gw.example.com")
    verdict = check([leaf.der], [ROOT.der], at=NOW)
    assert verdict.accepted
    assert any("host name was not checked" in note for note in verdict.notes)


def test_a_host_may_be_written_as_people_write_it() -> None:
    assert reference("Bücher.example").name == "xn--bcher-kva.example"
    assert reference("[2001:db8::1]").address == bytes.fromhex("20010db8000000000000000000000001")
    assert reference(" GW.Example.com ").name == "gw.example.com"


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["none", "end", "edges", "anywhere"]))
def test_no_pair_of_names_breaks_the_comparison(pattern: str, name: str, partial: str) -> None:
    assert wildcard_match(pattern, name, HostRules(partial=partial)) in (True, False)  # type: ignore[arg-type]


@given(st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){2,3}", fullmatch=True))
def test_every_validator_takes_an_equal_plain_name(name: str) -> None:
    assert all(wildcard_match(name, name, profile_of(p).host) for p in profile_names())


def test_many_stars_cost_no_time() -> None:
    assert not wildcard_match("*a" * 200 + ".com", "a" * 250 + ".com", HostRules(partial="anywhere"))

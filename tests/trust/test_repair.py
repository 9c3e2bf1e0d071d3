"""For every server-certificate code: a real chain, the verdict, and a repair that is proven by a second check."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from analyzer.trust.check import check
from analyzer.trust.profile import profile_names
from analyzer.trust.repair import remedies
from tests.trust.pki import CLIENT, NOW, UNKNOWN, Issued, broken, key, resigned, root

HOST = "gw.example.com"
ROOT = root("Acme Root")
ISSUING = ROOT.issue_ca("Acme Issuing CA")
LEAF = ISSUING.issue(HOST)
ZETA = root("Zeta Root", organisation="Zeta")
RSA_ROOT = root("Acme RSA Root", kind="rsa2048")


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A chain that is refused for one reason."""

    chain: Sequence[Issued]
    store: Sequence[Issued]
    profile: str = "openssl"
    candidates: Sequence[Issued] = ()
    options: dict[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()


def below(ca: Issued) -> tuple[Issued, ...]:
    return (ca.issue(HOST), ca)


def _self_signed() -> Issued:
    own = root(HOST)
    return Issued(certificate=own.certificate, private_key=key(HOST)).issue(HOST, label=HOST, aki=None)


def _deep(count: int) -> list[Issued]:
    line = [ROOT]
    for index in range(count):
        line.append(line[-1].issue_ca(f"Acme Level {index}"))
    return [line[-1].issue(HOST), *line[:0:-1]]


def _too_long() -> tuple[Issued, ...]:
    upper = ROOT.issue_ca("Acme Narrow", path_length=0)
    lower = upper.issue_ca("Acme Lower")
    return (lower.issue(HOST), lower, upper)


OTHER_KEY = root("Acme Root", label="another key")
PAST, FUTURE = NOW - timedelta(days=12), NOW + timedelta(days=2)
ELSEWHERE = [(x509.NameConstraints([x509.DNSName("other.test")], None), True)]

ALT_NAMES, CUT_OFF = x509.SubjectAlternativeName.oid, b"\x30\x10\x82\x0egw.example.co"

TICKETS = {
    "missing-root": Ticket(chain=(LEAF, ISSUING), store=(ZETA,), candidates=(ROOT,)),
    "missing-intermediate": Ticket(chain=(LEAF,), store=(ROOT,), candidates=(ISSUING,)),
    "self-signed-leaf": Ticket(chain=(_self_signed(),), store=(ROOT,)),
    "root-key-mismatch": Ticket(chain=(LEAF, ISSUING), store=(OTHER_KEY,), candidates=(ROOT,)),
    "anchor-not-self-signed": Ticket(chain=(LEAF, ISSUING), store=(ISSUING,), candidates=(ROOT,)),
    "expired-leaf": Ticket(chain=(ISSUING.issue(HOST, not_after=PAST), ISSUING), store=(ROOT,)),
    "expired-intermediate": Ticket(
        chain=below(ROOT.issue_ca("Acme Issuing CA", not_after=PAST)), store=(ROOT,), candidates=(ISSUING,)
    ),
    "expired-root": Ticket(chain=(LEAF, ISSUING), store=(root("Acme Root", not_after=PAST),), candidates=(ROOT,)),
    "not-yet-valid": Ticket(chain=(ISSUING.issue(HOST, not_before=FUTURE), ISSUING), store=(ROOT,)),
    "hostname-mismatch": Ticket(chain=(ISSUING.issue("other.example.com"), ISSUING), store=(ROOT,)),
    "hostname-only-in-cn": Ticket(chain=(ISSUING.issue(None), ISSUING), store=(ROOT,), profile="go"),
    "wrong-key-usage": Ticket(chain=(ISSUING.issue(HOST, eku=[CLIENT]), ISSUING), store=(ROOT,)),
    "issuer-not-ca": Ticket(chain=below(ROOT.issue_ca("Acme No CA", ca=False)), store=(ROOT,)),
    "path-too-long": Ticket(chain=_too_long(), store=(ROOT,)),
    "name-constraint-violation": Ticket(chain=below(ROOT.issue_ca("Acme Elsewhere", extra=ELSEWHERE)), store=(ROOT,)),
    "unknown-critical-extension": Ticket(
        chain=(ISSUING.issue(HOST, extra=[(x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), True)]), ISSUING),
        store=(ROOT,),
    ),
    "weak-key": Ticket(chain=below(ROOT.issue_ca("Acme Weak", kind="rsa1024")), store=(ROOT,), profile="webpki"),
    "weak-signature": Ticket(
        chain=below(resigned(RSA_ROOT.issue_ca("Acme SHA-1"), RSA_ROOT, hashes.SHA1())),
        store=(RSA_ROOT,),
        profile="gnutls",
    ),
    "wrong-chain-order": Ticket(
        chain=(ISSUING, LEAF), store=(ROOT,), also=("wrong-key-usage", "hostname-mismatch")
    ),
    "chain-too-long": Ticket(chain=_deep(4), store=(ROOT,), options={"verify_depth": 1}),
    "bad-signature": Ticket(chain=(broken(LEAF), ISSUING), store=(ROOT,)),
    "malformed-certificate": Ticket(
        chain=(ISSUING.issue(None, extra=[(x509.UnrecognizedExtension(ALT_NAMES, CUT_OFF), False)]), ISSUING),
        store=(ROOT,),
    ),
}  # fmt: skip


def ask(ticket: Ticket, profile: str | None = None) -> Any:
    return check(
        [c.der for c in ticket.chain], [c.der for c in ticket.store], host=HOST, at=NOW,
        profile=profile or ticket.profile, **ticket.options,
    )  # fmt: skip


def mend(ticket: Ticket, profile: str | None = None, **more: Any) -> Any:
    found = remedies(
        [c.der for c in ticket.chain], [c.der for c in ticket.store], ask(ticket, profile), host=HOST, at=NOW,
        candidates=[c.der for c in ticket.candidates], **ticket.options, **more,
    )  # fmt: skip
    return tuple(remedy.fix for remedy in found)


@pytest.mark.parametrize("code", TICKETS)
def test_each_cause_has_its_code_and_nothing_else(code: str) -> None:
    verdict = ask(TICKETS[code])
    assert not verdict.accepted
    assert tuple(p.code for p in verdict.problems) == (code, *TICKETS[code].also)
    assert verdict.error


@pytest.mark.parametrize("code", TICKETS)
def test_each_cause_has_a_repair_that_is_proven(code: str) -> None:
    fixes = mend(TICKETS[code])
    assert fixes[0].proven
    assert fixes[0].text.endswith(".")


EVERY = frozenset(profile_names())
WITHOUT_PARTIAL_CHAINS = frozenset({"openssl", "dotnet", "schannel"})
ACCEPTED_BY = {
    "anchor-not-self-signed": EVERY - WITHOUT_PARTIAL_CHAINS,
    "expired-root": {"java", "webpki"},
    "hostname-only-in-cn": EVERY - {"go", "webpki"},
    "weak-key": EVERY - {"webpki"},
    "weak-signature": EVERY - {"gnutls", "go", "webpki"},
    "chain-too-long": {"gnutls", "java"},
    "malformed-certificate": {"java", "schannel"},
}
"""Which validators take a chain that another one refuses for this cause; none where the cause is not listed."""


@pytest.mark.parametrize("code", TICKETS)
def test_every_validator_takes_the_chain_or_gives_the_cause_and_a_proven_repair(code: str) -> None:
    accepted, row = set(), []
    for profile in profile_names():
        verdict = ask(TICKETS[code], profile)
        fixes = mend(TICKETS[code], profile)
        row.append(f"{profile}: {verdict.error or 'accepts'} | {fixes[0].action if fixes else '-'}")
        if verdict.accepted:
            accepted.add(profile)
            continue
        found = {p.code for p in verdict.problems}
        assert code in found
        assert found <= {code, *TICKETS[code].also}
        assert fixes[0].proven
    print(code, *row, sep="\n    ")  # noqa: T201
    assert accepted == ACCEPTED_BY.get(code, set())


@pytest.mark.shared
def test_every_code_of_a_server_certificate_has_its_ticket(shared: Path) -> None:
    """Revocation is told by a stapled response, not by the chain: see the tests of OCSP."""
    section = (shared / "causes.md").read_text().partition("## The server's certificate")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {code for row in rows for code in re.findall("`([^`]+)`", row)} == {*TICKETS, "revoked"}


def test_an_accepted_chain_needs_no_repair() -> None:
    assert mend(Ticket(chain=(LEAF, ISSUING), store=(ROOT,))) == ()


def test_the_missing_root_that_the_server_sent_is_offered() -> None:
    fix = mend(Ticket(chain=(LEAF, ISSUING, ROOT), store=(ZETA,)))[0]
    assert (fix.action, fix.certificate, fix.proven, fix.caution) == ("add-to-store", ROOT.sha256, True, "")


def test_a_root_that_was_sent_and_is_a_candidate_is_offered_once() -> None:
    fixes = mend(Ticket(chain=(LEAF, ISSUING, ROOT), store=(ZETA,), candidates=(ROOT,)))
    assert [fix.certificate for fix in fixes].count(ROOT.sha256) == 1


def test_a_public_root_is_found_among_the_well_known_ones() -> None:
    fix = mend(Ticket(chain=(LEAF, ISSUING), store=(ZETA,)), public_roots=lambda: [ZETA.der, ROOT.der])[0]
    assert (fix.action, fix.certificate) == ("add-to-store", ROOT.sha256)
    assert "public root" in fix.text


def test_a_root_that_is_not_at_hand_is_described_so_that_it_can_be_asked_for() -> None:
    address = x509.UniformResourceIdentifier("http://pki.example.com/root.cer")
    aia = x509.AuthorityInformationAccess(
        [x509.AccessDescription(x509.oid.AuthorityInformationAccessOID.CA_ISSUERS, address)]
    )
    ca = ROOT.issue_ca("Acme Issuing CA 2", extra=[(aia, False)])
    fix = mend(Ticket(chain=below(ca), store=(ZETA,)))[0]
    assert not fix.proven
    assert "CN=Acme Root,O=Acme" in fix.text
    assert "http://pki.example.com/root.cer" in fix.text
    assert x509.SubjectKeyIdentifier.from_public_key(ROOT.private_key.public_key()).digest.hex() in fix.text


def test_trusting_the_leaf_alone_is_possible_and_unwise() -> None:
    fixes = mend(Ticket(chain=(LEAF, ISSUING), store=(ZETA,), profile="java"))
    pinned = next(f for f in fixes if f.certificate == LEAF.sha256)
    assert pinned.proven
    assert "renewal" in pinned.caution


def test_two_faults_need_two_changes_together() -> None:
    leaf = ISSUING.issue("other.example.com", not_after=PAST)
    fixes = [f for f in mend(Ticket(chain=(leaf, ISSUING), store=(ROOT,))) if f.proven]
    assert {f.action for f in fixes} == {"use-host", "replace-certificate"}
    assert all("needed together" in f.text for f in fixes)


def test_both_independent_faults_are_told_in_the_order_of_the_validator() -> None:
    leaf = ISSUING.issue("other.example.com", not_after=PAST)
    ticket = Ticket(chain=(leaf, ISSUING), store=(ROOT,))
    assert [p.code for p in ask(ticket, "openssl").problems] == ["hostname-mismatch", "expired-leaf"]
    assert [p.code for p in ask(ticket, "java").problems] == ["expired-leaf", "hostname-mismatch"]


def test_a_client_certificate_is_checked_for_its_own_purpose() -> None:
    from analyzer.trust.check import Checker

    checker = Checker([ROOT.der])
    client = ISSUING.issue(None, names=[], eku=[CLIENT], common_name="client 7")
    chain = [client.der, ISSUING.der]
    assert checker.check(chain, at=NOW, purpose="client").accepted
    assert checker.check(chain, at=NOW).problems[0].code == "wrong-key-usage"

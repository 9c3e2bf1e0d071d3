"""Random chains with random defects, random stores and random ways of sending, for comparing with real engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from random import Random
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.trust.pki import ANY, CLIENT, NOW, SERVER, UNKNOWN, YEAR, Issued, broken, general_name, resigned, root

HOSTS = (
    "gw.example.com",
    "gw.example.com",
    "gw.example.com",
    "a.b.example.com",
    "10.1.2.3",
    "localhost",
    "xn--bcher-kva.example",
)
NAMES = (
    "gw.example.com", "*.example.com", "g*.example.com", "*w.example.com", "other.test", "10.1.2.3", "10.9.9.9",
    "*.com", "localhost", "a@example.com", "https://gw.example.com/x", "GW.Example.COM", "*.b.example.com",
    "gw.*.com", "gw.example.com.", "example.com", "*", "xn--bcher-kva.example", "*.example", "xn--*.example",
    "2001:db8::1", "_gw.example.com", "gw-.example.com",
)  # fmt: skip
TREES = (
    "example.com", "test", ".example.com", "other.test", "com", "gw.example.com", "bar.example.com",
    "10.0.0.0/8", "10.1.2.3/32", "192.0.2.0/24", "mail:example.com", "mail:.example.com", "mail:a@example.com",
    "dn:Acme", "dn:Zeta", "uri:example.com", "uri:.example.com", "",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One question to a validator, and how it was drawn."""

    chain: tuple[bytes, ...]
    store: tuple[bytes, ...]
    host: str
    at: datetime
    story: str


class _Draw:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.story: list[str] = []

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    def one(self, values: Sequence[Any]) -> Any:
        return values[self.random.randrange(len(values))]

    def some(self, values: Sequence[Any], most: int) -> list[Any]:
        return [self.one(values) for _ in range(self.random.randrange(most + 1))]

    def told(self, what: str, value: Any) -> Any:
        self.story.append(f"{what}={value}")
        return value


def shape(random: Random) -> Shape:
    """Draw one case."""
    draw = _Draw(random)
    rsa = draw.chance(8)
    kind = "rsa2048" if rsa else "ec"
    depth = draw.told("depth", draw.one((0, 1, 1, 1, 2, 2, 3, 6)))
    top = root("Acme Root", kind=kind, **_defects(draw, "root", one_in=6))
    authorities = [top]
    for index in range(depth):
        common_name = "Acme Int" if draw.chance(12) else f"Acme Int {index}"
        how = _defects(draw, f"int{index}", one_in=4)
        made = authorities[-1].issue_ca(common_name, kind=kind, label=f"int {index}", **how)
        authorities.append(_spoiled(draw, made, authorities[-1], rsa=rsa, what=f"int{index}"))
    host = draw.told("host", draw.one(HOSTS))
    leaf = authorities[-1].issue(
        None,
        names=draw.told("names", draw.some(NAMES, 3) if draw.chance(2) else [host]),
        common_name=draw.told("cn", draw.one((host, "leaf", None, "*.example.com", "10.1.2.3", "other.test"))),
        kind="rsa1024" if draw.chance(20) else "ec",
        **_leaf_defects(draw),
    )
    leaf = _spoiled(draw, leaf, authorities[-1], rsa=rsa, what="leaf")
    others = _others(draw, authorities, kind)
    store = _store(draw, authorities, leaf, others)
    sent = _sent(draw, authorities, leaf, others)
    return Shape(
        chain=tuple(c.der for c in sent),
        store=tuple(c.der for c in store),
        host=host,
        at=draw.told("at", draw.one((NOW,) * 12 + (NOW + YEAR, NOW - YEAR, NOW + YEAR + timedelta(seconds=1)))),
        story="; ".join(draw.story),
    )


def _spoiled(draw: _Draw, made: Issued, issuer: Issued, *, rsa: bool, what: str) -> Issued:
    if draw.chance(30):
        draw.told(what, "broken signature")
        return broken(made)
    if rsa and draw.chance(6):
        return resigned(made, issuer, draw.told(what, draw.one((hashes.SHA1(), hashes.MD5()))))
    return made


def _defects(draw: _Draw, what: str, *, one_in: int) -> dict[str, Any]:
    how: dict[str, Any] = {}
    extra: list[tuple[x509.ExtensionType, bool]] = []
    if not draw.chance(one_in):
        return how
    for _ in range(1 + draw.random.randrange(2)):
        defect = draw.told(what, draw.one((
            "expired", "not yet", "no ca", "ca false", "no usage", "usage without sign", "path length 0", "eku client",
            "eku any", "eku server", "critical", "constraints", "constraints", "constraints", "no aki", "odd aki",
            "no ski", "policy", "aki serial", "own san",
        )))  # fmt: skip
        if defect == "expired":
            how |= {"not_after": NOW - timedelta(days=3), "not_before": NOW - YEAR}
        elif defect == "not yet":
            how |= {"not_before": NOW + timedelta(days=3), "not_after": NOW + YEAR}
        elif defect == "no ca":
            how["ca"] = None
        elif defect == "ca false":
            how["ca"] = False
        elif defect == "no usage":
            how["usage"] = None
        elif defect == "usage without sign":
            how["usage"] = ("crl_sign",)
        elif defect == "path length 0":
            how["path_length"] = 0
        elif defect.startswith("eku"):
            extra.append((x509.ExtendedKeyUsage([{"client": CLIENT, "any": ANY, "server": SERVER}[defect[4:]]]), False))
        elif defect == "critical":
            extra.append((x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), True))
        elif defect == "constraints":
            extra.append((_constraints(draw), not draw.chance(3)))
        elif defect == "no aki":
            how["aki"] = None
        elif defect == "odd aki":
            how["aki"] = b"\x01" * 20
        elif defect == "no ski":
            how["ski"] = False
        elif defect == "policy":
            explicit = draw.one((0, 1, 2))
            extra.append((x509.PolicyConstraints(require_explicit_policy=explicit, inhibit_policy_mapping=None), True))
        elif defect == "aki serial" and what != "root":
            how["aki"] = None
            extra.append((x509.AuthorityKeyIdentifier(None, [x509.DNSName("x")], 77), False))
        elif defect == "own san":
            extra.append((x509.SubjectAlternativeName([general_name(draw.one(NAMES[:13]))]), False))
    unique = {extension.oid: (extension, critical) for extension, critical in extra}
    if unique:
        how["extra"] = list(unique.values())
    if any(extension.oid == x509.AuthorityKeyIdentifier.oid for extension, _ in how.get("extra", ())):
        how["aki"] = None
    return how


def _tree(text: str) -> x509.GeneralName:
    if "/" in text:
        return x509.IPAddress(ip_network(text))
    kind, _, rest = text.rpartition(":")
    if kind == "mail":
        return x509.RFC822Name(rest)
    if kind == "uri":
        return x509.UniformResourceIdentifier(rest)
    if kind == "dn":
        return x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, rest)]))
    return x509.DNSName(text)


def _constraints(draw: _Draw) -> x509.NameConstraints:
    permitted = [_tree(t) for t in draw.told("permitted", draw.some(TREES, 2))]
    excluded = [_tree(t) for t in draw.told("excluded", draw.some(TREES, 2 if not permitted else 1))]
    if not permitted and not excluded:
        permitted = [_tree("example.com")]
    return x509.NameConstraints(permitted or None, excluded or None)


def _leaf_defects(draw: _Draw) -> dict[str, Any]:
    how: dict[str, Any] = {}
    if not draw.chance(3):
        return how
    defect = draw.told("leaf", draw.one((
        "expired", "not yet", "eku client", "eku any", "no eku", "eku both", "no usage", "usage ke", "usage sign",
        "critical", "no aki", "odd aki", "policy", "usage none",
    )))  # fmt: skip
    if defect == "expired":
        how["not_after"] = NOW - timedelta(days=3)
    elif defect == "not yet":
        how["not_before"] = NOW + timedelta(days=3)
    elif defect.startswith("eku"):
        how["eku"] = {"client": (CLIENT,), "any": (ANY,), "both": (SERVER, CLIENT)}[defect[4:]]
    elif defect == "no eku":
        how["eku"] = None
    elif defect.startswith("usage") or defect == "no usage":
        how["usage"] = {"no usage": None, "usage ke": ("key_encipherment",), "usage sign": ("key_cert_sign",)}.get(
            defect, ("key_agreement",)
        )
    elif defect == "critical":
        how["extra"] = [(x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), True)]
    elif defect == "no aki":
        how["aki"] = None
    elif defect == "odd aki":
        how["aki"] = b"\x01" * 20
    elif defect == "policy":
        how["extra"] = [(x509.CertificatePolicies([x509.PolicyInformation(UNKNOWN, None)]), False)]
    return how


def _others(draw: _Draw, authorities: list[Issued], kind: str) -> list[Issued]:
    """Relatives of the authorities: the same name with another key, renewed or expired twins, cross-signs."""
    made = [
        root("Acme Root", kind=kind, label="another key"),
        root("Acme Root", kind=kind, not_after=NOW - timedelta(days=9)),
        root("Acme Root", kind=kind, not_after=NOW + 2 * YEAR),
    ]
    old = root("Acme Old Root", kind=kind)
    made += [old, old.issue_ca("Acme Root", kind=kind, label="Acme Root")]
    for index in range(len(authorities) - 1):
        subject = authorities[index + 1].certificate.subject
        common_name = str(subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
        how: dict[str, Any] = {"kind": kind, "label": f"int {index}"}
        made.append(authorities[index].issue_ca(common_name, **how, not_after=NOW - timedelta(days=9)))
        made.append(old.issue_ca(common_name, **how))
        made.append(authorities[index].issue_ca(common_name, kind=kind, label="stranger"))
        if index:
            made.append(authorities[index + 1].issue_ca(f"Acme Int {index - 1}", kind=kind, label=f"int {index - 1}"))
    return made


def _store(draw: _Draw, authorities: list[Issued], leaf: Issued, others: list[Issued]) -> list[Issued]:
    plan = draw.told("store", draw.one((
        "root", "root", "root", "root", "all", "issuer", "leaf", "other", "root+other", "other+root", "ints", "any",
    )))  # fmt: skip
    stored = {
        "root": authorities[:1],
        "all": authorities,
        "issuer": authorities[-1:],
        "leaf": [leaf],
        "other": [draw.one(others)],
        "root+other": [authorities[0], draw.one(others)],
        "other+root": [draw.one(others), authorities[0]],
        "ints": authorities[1:] or authorities,
        "any": [draw.one([*authorities, *others, leaf]) for _ in range(3)],
    }[plan]
    return list(stored)


def _sent(draw: _Draw, authorities: list[Issued], leaf: Issued, others: list[Issued]) -> list[Issued]:
    plan = draw.told("sent", draw.one((
        "plain", "plain", "plain", "root too", "reversed", "one missing", "leaf only", "extra first", "extra last",
        "twice", "shuffled", "leaf twice",
    )))  # fmt: skip
    rest = authorities[:0:-1]
    if plan == "root too":
        rest = [*rest, authorities[0]]
    elif plan == "reversed":
        rest = rest[::-1]
    elif plan == "one missing" and rest:
        rest = [c for c in rest if c is not draw.one(rest)]
    elif plan == "leaf only":
        rest = []
    elif plan == "extra first":
        rest = [draw.one(others), *rest]
    elif plan == "extra last":
        rest = [*rest, draw.one(others)]
    elif plan == "twice":
        rest = [*rest, *rest]
    elif plan == "shuffled":
        rest = [*rest, draw.one(others), draw.one(others)]
        draw.random.shuffle(rest)
    elif plan == "leaf twice":
        rest = [leaf, *rest]
    return [leaf, *rest]

"""The repair kit: proven repairs as files in the form that a product takes, with the steps to install them.

Gives names and bytes; nothing is opened or written here. What a kit holds is read back from these bytes and the trust
check is run again with it: what does not pass is not offered, and the reason is said. All repairs of one capture go
into one kit, since a gateway has one store for them: each certificate once.
"""

from __future__ import annotations

import re
import shlex
from base64 import encodebytes
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.gateways import BACKEND_REPAIRS, Form, Kind, Product, kind_of_cause, lines
from analyzer.gateways.repairable import Repairable
from analyzer.gateways.wording import wording_of
from analyzer.trust.certificate import Certificate
from analyzer.trust.check import check
from analyzer.trust.model import TrustVerdict
from analyzer.trust.repair import Remedy
from analyzer.trust.stores import format_of

__all__ = ["MOST_CASES", "Kit", "KitFile", "Part", "build"]

MOST_CASES: Final = 100
"""Different repairs of one kit; who has more has another problem than certificates."""
_MOST_COPIED: Final = 50
"""Certificates in use that are copied into a new store one by one; more are left to be copied by hand."""
_MOST_NAMED: Final = 10
_NAME_LENGTH: Final = 40

_GENERIC_FORM: Final = Form()
_GENERIC_REPAIRS: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        "store": (
            "# {bundle} holds what the trust store holds and what it lacks: install it in its place.",
            "openssl s_client -connect {server} -servername {host} -CAfile {bundle} -verify_return_error </dev/null",
        ),
        "host": ("# The server has to be called by the name {host}.",),
        "depth": ("# Raise the limit on the path's length to {depth}.",),
    }
)
_KINDS_OF_ACTIONS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "add-to-store": "store",
        "fix-store": "store",
        "serve-intermediate": "chain",
        "replace-certificate": "certificate",
        "use-host": "host",
    }
)
README: Final = "README.txt"
_FIRST: Final = lines("""
    Each repair was read back from the files here and checked as the gateway would: it passes with it.
    Before you trust a root, compare its SHA-256 with what its owner says: that a server sent it proves nothing.
""")
_HOST: Final = re.compile(r"[A-Za-z0-9_.:-]{1,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KitFile:
    """A file of the kit: its name, its content, what it is, and the digests of the certificates in it."""

    name: str
    data: bytes
    text: str
    certificates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What the kit has for one repairable chain: the remedies it applies, the names of their files, the steps.

    `refused` says why there is nothing; the steps are then those that remain without files.
    """

    applied: tuple[Remedy, ...] = ()
    files: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """The files, and one part for each repairable chain in the order in which they were given."""

    files: tuple[KitFile, ...]
    parts: tuple[Part, ...]


def build(cases: Sequence[Repairable], product: Product | None, *, directory: str = "", anonymous: bool = False) -> Kit:
    """Put the repairs together, prove them from the bytes of the files, and write down the steps.

    `directory` stands before the names in the steps. `anonymous`: names of files tell nothing of the certificates.
    """
    chosen: dict[int, tuple[Remedy, ...]] = {}
    refused: dict[int, str] = {}
    for number, case in enumerate(cases):
        remedies = _chosen(case)
        reason = _hindrance(case, remedies, product) if number < MOST_CASES else f"a kit holds {MOST_CASES} repairs"
        if reason:
            refused[number] = reason
        else:
            chosen[number] = remedies
    while True:
        draft = _Draft([(number, cases[number], chosen[number]) for number in chosen], product, anonymous=anonymous)
        failed = {number: reason for number in chosen if (reason := draft.unproven(number, cases[number]))}
        if not failed:
            break
        refused.update(failed)
        chosen = {number: remedies for number, remedies in chosen.items() if number not in failed}
    parts = [
        draft.part(number, case, product, directory)
        if number in chosen
        else Part(refused=refused[number], commands=_bare_steps(case, product))
        for number, case in enumerate(cases)
    ]
    files = tuple(draft.files.values())
    if not any(part.applied for part in parts):
        return Kit(files=(), parts=tuple(parts))
    return Kit(files=(*files, _readme(files, cases, parts, product)), parts=tuple(parts))


def _chosen(case: Repairable) -> tuple[Remedy, ...]:
    """The best remedy that needs nothing but what is at hand: without a caution if there is one; or all of a row."""
    proven = [remedy for remedy in case.remedies if remedy.fix.proven]
    best = next((remedy for remedy in proven if not remedy.fix.caution), proven[0] if proven else None)
    if best is None:
        return ()
    return tuple(proven) if best.together > 1 else (best,)


def _hindrance(case: Repairable, remedies: Sequence[Remedy], product: Product | None) -> str:
    """Why no kit can be made; empty when one can."""
    if not remedies:
        return "the certificate that is missing is not at hand: name it with --candidate"
    after = remedies[-1]
    if after.supposed:
        return "it takes a certificate that is yet to be issued"
    if product is not None and product.form is None and set(after.anchors) != set(case.anchors):
        return product.closed
    return "" if _changes(case, after) else "it takes a setting of the program, and no certificate"


def _changes(case: Repairable, after: Remedy) -> tuple[Kind, ...]:
    changed: list[Kind] = []
    if set(after.anchors) != set(case.anchors):
        changed.append("store")
    if after.chain != case.chain:
        changed.append("chain")
    if after.host != case.host:
        changed.append("host")
    if after.verify_depth != case.verify_depth:
        changed.append("depth")
    return tuple(changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """One certificate for the store: the file with it, its role there, and the name of the store, where it has one."""

    file: str
    alias: str
    role: str
    place: str


class _Draft:
    """The files for some repairs together, and the check of each with what these files hold."""

    def __init__(
        self,
        chosen: Sequence[tuple[int, Repairable, tuple[Remedy, ...]]],
        product: Product | None,
        *,
        anonymous: bool,
    ) -> None:
        self.files: dict[str, KitFile] = {}
        self._chosen = {number: remedies for number, _, remedies in chosen}
        self._form = (product.form if product is not None else None) or _GENERIC_FORM
        self._names = _Names(anonymous=anonymous)
        self._added: dict[int, list[_Stored]] = {}
        self._served: dict[int, str] = {}
        self._bundles: dict[int, str] = {}
        self._left: dict[int, list[bytes]] = {}
        self._kept: dict[int, list[bytes]] = {}
        for anchors in dict.fromkeys(case.anchors for _, case, _ in chosen):
            self._write_store(anchors, [item for item in chosen if item[1].anchors == anchors])
        for number, case, remedies in chosen:
            if "chain" in _changes(case, remedies[-1]):
                self._served[number] = self._write_chain(case, remedies[-1])

    def unproven(self, number: int, case: Repairable) -> str:
        """Read the files back and run the check again; the reason when it does not pass, else empty."""
        after = self._chosen[number][-1]
        chain = self._loaded(self._served[number]) if number in self._served else case.chain
        anchors, intermediates = list(self._kept[number]), list(case.intermediates)
        if number in self._bundles:
            anchors = list(self._loaded(self._bundles[number]))
        for stored in self._added.get(number, ()):
            apart = stored.role == "intermediate" and stored.place != self._form.places.get("root", "")
            (intermediates if apart else anchors).extend(self._loaded(stored.file))
        verdict = _asked(case, after, chain, anchors, intermediates)
        if verdict.accepted and not (case.strict and verdict.stricter):
            return ""
        problems = verdict.problems or verdict.stricter
        return f"read back from its files it does not pass: {problems[0].text}"

    def part(self, number: int, case: Repairable, product: Product | None, directory: str) -> Part:
        """The files and the steps for one repair."""
        after = self._chosen[number][-1]
        stored = self._added.get(number, [])
        kinds = _changes(case, after)
        stored_anew = self._form.together or self._form.afresh
        bundle = self._bundles.get(number, "") if "store" in kinds else ""
        own = [bundle] if bundle else [item.file for item in stored]
        files = (*own, *([self._served[number]] if number in self._served else []))
        facts = _facts(case, after)
        facts["bundle"] = _path(directory, bundle or f"backend-ca{self._form.suffix}")
        facts["fullchain"] = _path(directory, self._served.get(number, "fullchain.pem"))
        steps = [line for kind in kinds for line in _filled(_steps(product, kind), facts, stored, directory)]
        if "store" in kinds and not self._form.together and not self._form.afresh:
            gone = self._left[number]
            steps += [f"# Take out of the store: SHA-256 {Certificate.parse(der).sha256}" for der in gone]
        if self._form.afresh and stored and len(self._kept[number]) > _MOST_COPIED:
            steps.append(f"# Put the {len(self._kept[number])} certificates of the store in use into the new one too.")
        if case.named and stored_anew and "store" in kinds:
            names = "; ".join(case.named[:_MOST_NAMED]) + ("; …" if len(case.named) > _MOST_NAMED else "")
            steps.append(f"# The store in use also holds what only its name is known of: {names}.")
            steps.append("# Put these into the new one too, or whoever needs them is refused.")
        return Part(applied=self._chosen[number], files=files, commands=tuple(dict.fromkeys(steps)))

    def _wanted(self, case: Repairable, after: Remedy) -> list[bytes]:
        """What the store needs for one repair: what the remedy adds, and the path's intermediates where wanted."""
        held = set(case.anchors)
        added = [der for der in after.anchors if der not in held]
        if not self._form.intermediates or not added:
            return added
        path = _asked(case, after, after.chain, after.anchors, case.intermediates).path
        at_hand = {Certificate.parse(der).sha256: der for der in (*after.chain, *case.intermediates, *after.anchors)}
        above = [at_hand[digest] for digest in path[1:] if digest in at_hand]
        wanted = _distinct([*(der for der in above if der not in held), *added])
        # Where the product has a store for each, the root goes in first: an intermediate is matched with what is there.
        return sorted(wanted, key=_is_no_root) if self._form.places else wanted

    def _write_store(
        self, anchors: tuple[bytes, ...], members: Sequence[tuple[int, Repairable, tuple[Remedy, ...]]]
    ) -> None:
        """The files for one store: what all repairs that go into it ask for."""
        gone = {der for _, case, remedies in members for der in set(case.anchors) - set(remedies[-1].anchors)}
        kept = [der for der in anchors if der not in gone]
        touched = [item for item in members if "store" in _changes(item[1], item[2][-1])]
        wanted = {number: self._wanted(case, remedies[-1]) for number, case, remedies in touched}
        bundle = ""
        if touched and self._form.together:
            bundle = self._write_bundle(kept, [der for number in wanted for der in wanted[number]])
        copied = kept if self._form.afresh and len(kept) <= _MOST_COPIED else []
        for number, _, _ in members:
            self._kept[number] = kept
            self._left[number] = [der for der in anchors if der in gone]
        for number, certificates in wanted.items():
            if bundle:
                self._bundles[number] = bundle
            else:
                self._added[number] = [self._write_single(der) for der in _distinct([*certificates, *copied])]

    def _write_bundle(self, kept: Sequence[bytes], added: Sequence[bytes]) -> str:
        certificates = _distinct([*kept, *added])
        name = self._names.of("trusted-ca", "", self._form.suffix)
        new = len(certificates) - len(set(kept))
        text = f"the trust store as it should be: {len(set(kept))} certificates that are in it, and {new} that it lacks"
        self._put(name, b"".join(map(_pem, certificates)), text, certificates)
        return name

    def _write_single(self, der: bytes) -> _Stored:
        certificate = Certificate.parse(der)
        role = "leaf" if not certificate.is_ca else "root" if certificate.self_issued else "intermediate"
        place = self._form.places.get(role, "")
        name = self._names.of_certificate(role, certificate, self._form.suffix)
        data = der if self._form.encoding == "der" else _pem(der)
        text = f"the {role} {certificate.title}" + (f", for the store {place}" if place else "")
        self._put(name, data, text, [der])
        return _Stored(file=name, alias=name.removesuffix(self._form.suffix), role=role, place=place)

    def _write_chain(self, case: Repairable, after: Remedy) -> str:
        """The chain for the backend: the leaf, then each issuer, without the root."""
        path = _asked(case, after, after.chain, after.anchors, case.intermediates).path
        sent = {Certificate.parse(der).sha256: der for der in after.chain}
        ordered = [sent[digest] for digest in path if digest in sent]
        served = [der for der in ordered if der == ordered[0] or not Certificate.parse(der).self_issued]
        data = b"".join(map(_pem, served))
        known = next((file.name for file in self.files.values() if file.data == data), "")
        if known:
            return known
        name = self._names.of("fullchain", case.host or case.server, ".pem")
        self._put(name, data, f"the chain that {_shown(case)} has to send: leaf first, without the root", served)
        return name

    def _put(self, name: str, data: bytes, text: str, certificates: Sequence[bytes]) -> None:
        digests = tuple(Certificate.parse(der).sha256 for der in certificates)
        self.files.setdefault(name, KitFile(name=name, data=data, text=text, certificates=digests))

    def _loaded(self, name: str) -> tuple[bytes, ...]:
        data = self.files[name].data
        known = format_of(data)
        return () if known is None else tuple(entry.der for entry in known.read(data, None).entries)


class _Names:
    """Names of files, made of letters, digits, dots and hyphens alone; one certificate keeps its name."""

    def __init__(self, *, anonymous: bool) -> None:
        self._anonymous = anonymous
        self._given: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def of_certificate(self, role: str, certificate: Certificate, suffix: str) -> str:
        """`root-acme-root-ca.pem`; with the digest's head where two certificates have the same name."""
        if certificate.sha256 not in self._known:
            common = certificate.subject.common_names
            self._known[certificate.sha256] = self.of(role, common[0] if common else "", suffix, certificate.sha256[:8])
        return self._known[certificate.sha256]

    def of(self, role: str, name: str, suffix: str, distinct: str = "") -> str:
        """A name that was not given before."""
        words = "" if self._anonymous else _slug(name)
        stem = "-".join(filter(None, (role, words)))
        candidates = [stem, f"{stem}-{distinct}"] if distinct and not self._anonymous else [stem]
        number = 1
        while candidates[0] in self._given:
            candidates = candidates[1:] or [f"{stem}-{(number := number + 1)}"]
        self._given[candidates[0]] = name
        return f"{candidates[0]}{suffix}"


def _readme(
    files: Sequence[KitFile], cases: Sequence[Repairable], parts: Sequence[Part], product: Product | None
) -> KitFile:
    """What is in the kit, why, and the steps, for whoever installs it."""
    words = wording_of(product.words, front=False) if product is not None else str
    of = f" for {product.title}" if product is not None else ""
    text = [f"Repair kit{of}, made by hsanalyze", "", *_FIRST]
    text += [f"Mind: {product.nearest}."] if product is not None and product.nearest else []
    for case, part in zip(cases, parts, strict=True):
        if not part.applied:
            continue
        text += ["", f"{_shown(case)}: {case.code}"]
        for remedy in part.applied:
            text.append(f"  {words(remedy.fix.text)}")
            text += [f"  Caution: {remedy.fix.caution}."] if remedy.fix.caution else []
        text += ["", *(f"    {line}" for line in part.commands)]
    text += ["", "Files", ""]
    for file in files:
        text += [f"  {file.name}: {file.text}", *(f"      SHA-256 {digest}" for digest in file.certificates)]
    both = zip(cases, parts, strict=True)
    without = [f"  {_shown(case)}: {case.code}: {part.refused}" for case, part in both if part.refused]
    text += ["", "Not in this kit", "", *without] if without else []
    data = ("\n".join(text) + "\n").encode("utf-8", "backslashreplace")
    return KitFile(name=README, data=data, text="what is in the kit, and the steps")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower())[:_NAME_LENGTH].strip("-.")


def _steps(product: Product | None, kind: Kind) -> tuple[str, ...]:
    if product is not None:
        return product.repair_for(kind)
    return _GENERIC_REPAIRS.get(kind) or BACKEND_REPAIRS[kind]


def _bare_steps(case: Repairable, product: Product | None) -> tuple[str, ...]:
    """The steps of the first repair when there are no files for it: with names that stand for them."""
    if not case.remedies:
        return ()
    remedy = case.remedies[0]
    kind: Kind = kind_of_cause(case.code)
    kind = _KINDS_OF_ACTIONS.get(remedy.fix.action, "depth" if kind == "depth" else "chain")
    form = (product.form if product is not None else None) or _GENERIC_FORM
    stored = [_Stored(file=f"root{form.suffix}", alias="root", role="root", place=form.places.get("root", ""))]
    facts = _facts(case, remedy) | {"bundle": f"backend-ca{form.suffix}", "fullchain": "fullchain.pem"}
    return tuple(_filled(_steps(product, kind), facts, stored, ""))


def _facts(case: Repairable, after: Remedy) -> dict[str, str]:
    """What a step may name. A name from the wire goes into a command only when it is a name and nothing else."""
    host = after.host or ""
    depth = after.verify_depth if after.verify_depth is not None else len(after.chain)
    return {
        "host": host if _HOST.fullmatch(host) and not host.startswith("-") else "HOST",
        "server": case.server,
        "port": case.server.rpartition(":")[2],
        "depth": str(depth),
        "depth_with_root": str(depth + 1),
    }


def _filled(
    templates: Iterable[str], facts: Mapping[str, str], stored: Sequence[_Stored], directory: str
) -> Iterable[str]:
    for template in templates:
        if any(f"{{{name}}}" in template for name in ("file", "alias", "place")):
            for item in stored:
                own = {"file": _path(directory, item.file), "alias": item.alias, "place": item.place}
                yield template.format_map({**facts, **own})
        else:
            yield template.format_map(facts)


def _path(directory: str, name: str) -> str:
    return shlex.quote(f"{directory.rstrip('/')}/{name}") if directory else name


def _shown(case: Repairable) -> str:
    return f"{case.host} ({case.server})" if case.host and _HOST.fullmatch(case.host) else case.server


def _asked(
    case: Repairable,
    after: Remedy,
    chain: Sequence[bytes],
    anchors: Sequence[bytes],
    intermediates: Sequence[bytes],
) -> TrustVerdict:
    """The question that the case is about, of another chain and another store."""
    return check(
        chain,
        anchors,
        host=after.host,
        at=case.at,
        profile=after.profile,
        intermediates=intermediates,
        verify_depth=after.verify_depth,
    )


def _is_no_root(der: bytes) -> bool:
    certificate = Certificate.parse(der)
    return not (certificate.self_issued and certificate.is_ca)


def _distinct(certificates: Iterable[bytes]) -> list[bytes]:
    return list(dict.fromkeys(certificates))


def _pem(der: bytes) -> bytes:
    body = encodebytes(der).replace(b"\n", b"")
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return b"-----BEGIN CERTIFICATE-----\n" + b"\n".join(lines) + b"\n-----END CERTIFICATE-----\n"

"""A finished report, told for a product: in its words, with what it logs for each cause."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar

from analyzer.diagnosis.cause import CERTAIN, LIKELY
from analyzer.diagnosis.certificate import SERVER_CERTIFICATE_CODES
from analyzer.gateways import Product
from analyzer.gateways.wording import Wording, wording_of
from analyzer.report.connections import Connections
from analyzer.report.model import Connection, Diagnosis, Finding, Fix, Gateway, Report, TrustProblem, TrustVerdict
from analyzer.report.wording import front_legs
from analyzer.trust.profile import profile_of

__all__ = ["gateway_of", "told_for"]

_T = TypeVar("_T")

_NOT_TRIED: Final = "what is said of this product, its texts and its steps, follows its documentation and was not tried"

_OPENSSL_ERROR: Final = re.compile(r"error (\d+) at \d+ depth lookup: (.*)", re.DOTALL)
_ADDRESS: Final = re.compile(r"[\d.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


def gateway_of(product: Product, profile: str | None, verify_depth: int | None, *, presumed: bool) -> Gateway:
    """The product as reports show it, with the validator and the depth that were applied (`presumed`: by default)."""
    validator = "several validators were asked"
    if profile is not None:
        followed = profile_of(profile)
        validator = followed.title + ("" if followed.measured else ", from documentation, not measured")
        if product.nearest and profile == product.profile:
            validator += f": {product.nearest}"
    elif product.profile is None:
        validator = "none: it verifies nothing"
    return Gateway(
        name=product.name,
        title=product.title,
        profile=profile,
        validator=validator,
        verify_depth=verify_depth,
        words=product.words,
        store=product.store,
        notes=(*product.notes, *([] if product.tried else [_NOT_TRIED])),
        sources=product.sources,
        verifies=product.profile is not None,
        presumed_depth=product.depth_setting if presumed and verify_depth is not None else "",
    )


def told_for(report: Report, product: Product, gateway: Gateway, *, front: frozenset[int] | None = None) -> Report:
    """The report in the product's words, each failed connection with what the product logs for its cause.

    `front` are the connections that lead to the gateway; without it the report's connections show them.
    """
    everything = Connections.of(report.connections)
    if front is None:
        front = front_legs(everything)
    if front:  # what stands for others on one leg of the gateway may be on the other
        everything = Connections.of(tuple(everything))
    tellers = {leg: _Teller(wording_of(gateway.words, front=leg == "front"), gateway) for leg in ("front", "back")}
    connections = everything.with_kinds(
        [_told(kind, product, "front" if kind.id in front else "back", tellers) for kind in everything.kinds]
    )
    findings = tuple(
        _finding_told(item, tellers["front" if item.connections[0] in front else "back"]) for item in report.findings
    )
    return replace(report, gateway=gateway, connections=connections, findings=findings)


class _Teller:
    """Puts the parts of a connection into a wording; what many connections share stays one object."""

    def __init__(self, wording: Wording, gateway: Gateway) -> None:
        self.wording = wording
        self._presumed = gateway.presumed_depth
        self._known: dict[int, tuple[object, Any]] = {}

    def diagnosis(self, cause: Diagnosis) -> Diagnosis:
        words = self.wording
        told = replace(
            cause, title=words(cause.title), explanation=words(cause.explanation), headline=words(cause.headline)
        )
        if cause.code != "chain-too-long" or not self._presumed:
            return told
        doubt = f"The limit is the default of {self._presumed}: where it is set to more, say so with --verify-depth."
        confidence = LIKELY if cause.confidence == CERTAIN else cause.confidence
        return replace(told, confidence=confidence, explanation=f"{told.explanation} {doubt}")

    def fixes(self, fixes: tuple[Fix, ...]) -> tuple[Fix, ...]:
        return self._shared(
            fixes,
            lambda: tuple(
                replace(fix, text=self.wording(fix.text), caution=self.wording(fix.caution)) for fix in fixes
            ),
        )

    def trust(self, verdicts: tuple[TrustVerdict, ...]) -> tuple[TrustVerdict, ...]:
        return self._shared(
            verdicts,
            lambda: tuple(replace(verdict, problems=self._problems(verdict.problems)) for verdict in verdicts),
        )

    def _problems(self, problems: tuple[TrustProblem, ...]) -> tuple[TrustProblem, ...]:
        return tuple(replace(problem, text=self.wording(problem.text)) for problem in problems)

    def _shared(self, value: _T, made: Callable[[], _T]) -> _T:
        known = self._known.get(id(value))
        if known is None:
            known = self._known[id(value)] = value, made()
        result: _T = known[1]
        return result


def _told(item: Connection, product: Product, leg: str, tellers: dict[str, _Teller]) -> Connection:
    if item.cause is None:
        return replace(item, leg=leg)
    teller = tellers[leg]
    return replace(
        item,
        leg=leg,
        cause=teller.diagnosis(item.cause),
        other_causes=tuple(map(teller.diagnosis, item.other_causes)),
        evidence=tuple(replace(evidence, text=teller.wording(evidence.text)) for evidence in item.evidence),
        fixes=teller.fixes(item.fixes),
        trust=teller.trust(item.trust),
        expected_log=_expected_log(item, product) if leg == "back" and item.outcome == "failed" else (),
    )


def _finding_told(finding: Finding, teller: _Teller) -> Finding:
    return replace(
        finding,
        cause=teller.diagnosis(finding.cause),
        text=teller.wording(finding.text),
        notes=tuple(map(teller.wording, finding.notes)),
    )


def _expected_log(item: Connection, product: Product) -> tuple[str, ...]:
    """What the product says for the cause. A text that needs what is not known here is left out."""
    if item.cause is None:
        return ()
    code = item.cause.code
    roles = [certificate.role for certificate in item.server_chain]
    variants = [
        name
        for name, holds in (
            ("leaf-only", len(roles) == 1),
            ("root-sent", "root" in roles),
            ("address", item.host is not None and _ADDRESS.fullmatch(item.host) is not None),
        )
        if holds
    ]
    facts = {"server": item.server, "port": item.server.rpartition(":")[2], **_validator_facts(item, code)}
    if item.host is not None:
        facts["host"] = item.host
    of_certificate = code in SERVER_CERTIFICATE_CODES or code == "certificate-rejected"
    return tuple(
        template.format_map(facts)
        for template in product.errors_for(code, variants, of_certificate=of_certificate)
        if _placeholders(template) <= facts.keys()
    )


def _validator_facts(item: Connection, code: str) -> dict[str, str]:
    """The words of the validator that refuses for this cause, and for OpenSSL their number apart."""
    errors = [v.error for v in item.trust if v.error and v.problems and v.problems[0].code == code]
    if not errors:
        return {}
    parts = _OPENSSL_ERROR.fullmatch(errors[0])
    return {"error": errors[0]} | ({"number": parts[1], "reason": parts[2]} if parts else {})


def _placeholders(template: str) -> set[str]:
    from string import Formatter

    return {name for _, name, _, _ in Formatter().parse(template) if name}

"""A stapled OCSP response (RFC 6960; RFC 6066 section 8, RFC 8446 section 4.4.2.1): what it says, and whether it may.

`read_staple` takes the DER bytes as they came in CertificateStatus or in the certificate entry's extension, and the
certificates of the chain. It verifies who signed (the issuer, or a responder that the issuer authorised), for which
certificate it speaks, and at which time. It never raises on hostile bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import new as new_hash
from typing import Any, Final

from analyzer.dataclass import dataclass
from analyzer.trust import der
from analyzer.trust.certificate import Certificate, instant, printable
from analyzer.trust.check import seconds_of
from analyzer.trust.model import TrustProblem
from analyzer.trust.signatures import Algorithm, algorithm_of, verify, verify_bytes

__all__ = ["Staple", "read_staple"]

_OCSP_SIGNING: Final = "1.3.6.1.5.5.7.3.9"
_MAX_RESPONDERS: Final = 8
_HASHES: Final = {"sha1": "sha1", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Staple:
    """What a stapled response comes to.

    `status`: `good`, `revoked`, `unknown`; or why it says nothing: `unreadable`, `unsuccessful`, `other-certificate`,
    `not-by-issuer`, `expired`, `not-yet-valid`, `unverified` (the issuer is not at hand). `text` states the facts.
    `problem` is set when the certificate is revoked. Times are RFC 3339, UTC, empty where not given.
    """

    status: str
    text: str
    this_update: str = ""
    next_update: str = ""
    revoked_at: str = ""
    reason: str = ""
    problem: TrustProblem | None = None


def read_staple(
    response: bytes, chain: Sequence[bytes], *, at: datetime | None = None, anchors: Sequence[bytes] = ()
) -> Staple:
    """Read the response that was stapled to `chain` (DER, leaf first). The issuer is sought in chain and anchors."""
    from cryptography.exceptions import UnsupportedAlgorithm

    seconds = seconds_of(at)
    if not chain:
        return Staple(status="unreadable", text="there is no certificate that the stapled response could speak for")
    try:
        return _read(response, chain, seconds, anchors)
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm) as error:
        return Staple(status="unreadable", text=printable(f"the stapled OCSP response cannot be read: {error}"))


def _read(response: bytes, chain: Sequence[bytes], seconds: int, anchors: Sequence[bytes]) -> Staple:
    from cryptography.x509 import ocsp

    leaf = Certificate.parse(chain[0])
    parsed = ocsp.load_der_ocsp_response(response)
    if parsed.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        word = parsed.response_status.name.lower().replace("_", " ")
        return Staple(status="unsuccessful", text=f"the stapled OCSP response carries no answer: {word}")
    others = [Certificate.parse(data) for data in (*chain[1:], *anchors)]
    issuers = [c for c in others if not c.malformed and c.subject.canonical == leaf.issuer.canonical]
    issuer = next((c for c in issuers if verify(leaf, c) == "good"), None)
    if issuer is None:
        return Staple(
            status="unverified", text=f"the issuer of {leaf.title} is not at hand, so its staple cannot be verified"
        )
    single = next((s for s in parsed.responses if _speaks_for(s, leaf, issuer)), None)
    if single is None:
        return Staple(status="other-certificate", text=f"the stapled response is not about {leaf.title}")
    times = _times(single)
    if not _signed_by_issuer(parsed, response, issuer, seconds):
        text = f"the stapled response about {leaf.title} was not signed by its issuer, nor by a responder of that"
        return Staple(status="not-by-issuer", text=text, **times)
    return _judged(single, leaf, seconds, times)


def _judged(single: Any, leaf: Certificate, seconds: int, times: dict[str, Any]) -> Staple:
    from cryptography.x509 import ocsp

    this_update, next_update = _seconds(single.this_update_utc), _seconds(single.next_update_utc)
    now = instant(seconds)
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        revoked_at = instant(_seconds(single.revocation_time_utc))
        reason = single.revocation_reason.value if single.revocation_reason is not None else ""
        text = f"{leaf.title} was revoked on {revoked_at}" + (f" ({reason})" if reason else "")
        problem = TrustProblem(
            code="revoked", certificate=leaf.sha256, text=f"{text}, as the stapled OCSP response says"
        )
        return Staple(status="revoked", text=text, revoked_at=revoked_at, reason=reason, problem=problem, **times)
    if this_update is not None and seconds < this_update:
        text = f"the stapled response holds from {times['this_update']}, which is after {now}"
        return Staple(status="not-yet-valid", text=text, **times)
    if next_update is not None and seconds > next_update:
        text = f"the stapled response was to be renewed by {times['next_update']}, which is before {now}"
        return Staple(status="expired", text=text, **times)
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return Staple(status="good", text=f"{leaf.title} is not revoked, says the stapled response", **times)
    return Staple(status="unknown", text=f"the responder does not know {leaf.title}", **times)


def _speaks_for(single: Any, leaf: Certificate, issuer: Certificate) -> bool:
    """RFC 6960 section 4.1.1: hashes of the issuer's name and key, and the serial number."""
    name = _HASHES.get(single.hash_algorithm.name)
    if name is None or single.serial_number != leaf.serial:
        return False
    hashed = [new_hash(name, data, usedforsecurity=False).digest() for data in (issuer.subject.der, _key_bits(issuer))]
    return [single.issuer_name_hash, single.issuer_key_hash] == hashed


def _key_bits(certificate: Certificate) -> bytes:
    """The content of the subjectPublicKey BIT STRING, without its count of unused bits."""
    spki = certificate.spki
    outer = der.read(spki, 0, len(spki), der.SEQUENCE)
    algorithm = der.read(spki, outer.start, outer.end, der.SEQUENCE)
    key = der.read(spki, algorithm.end, outer.end, der.BIT_STRING)
    return spki[key.start + 1 : key.end]


def _signed_by_issuer(parsed: Any, response: bytes, issuer: Certificate, seconds: int) -> bool:
    from cryptography.hazmat.primitives.serialization import Encoding

    algorithm = _signature_algorithm(response)
    if algorithm is None:
        return False
    signers = [issuer]
    for certificate in parsed.certificates[:_MAX_RESPONDERS]:
        responder = Certificate.parse(certificate.public_bytes(Encoding.DER))
        if _authorised(responder, issuer, seconds):
            signers.append(responder)
    message, signature = parsed.tbs_response_bytes, parsed.signature
    return any(verify_bytes(message, signature, algorithm, signer.spki) == "good" for signer in signers)


def _authorised(responder: Certificate, issuer: Certificate, seconds: int) -> bool:
    """RFC 6960 section 4.2.2.2: issued by the CA itself, for OCSP signing, and valid."""
    return (
        _OCSP_SIGNING in (responder.extended_key_usage or ())
        and responder.issuer.canonical == issuer.subject.canonical
        and responder.not_before is not None
        and responder.not_after is not None
        and responder.not_before <= seconds <= responder.not_after
        and verify(responder, issuer) == "good"
    )


def _signature_algorithm(response: bytes) -> Algorithm | None:
    """OID and parameters of BasicOCSPResponse.signatureAlgorithm; None when it is not where it should be."""
    try:
        outer = der.read(response, 0, len(response), der.SEQUENCE)
        status = der.read(response, outer.start, outer.end)
        tagged = der.read(response, status.end, outer.end, 0xA0)
        body = der.read(response, tagged.start, tagged.end, der.SEQUENCE)
        kind = der.read(response, body.start, body.end, der.OID)
        wrapped = der.read(response, kind.end, body.end, der.OCTET_STRING)
        basic = der.read(response, wrapped.start, wrapped.end, der.SEQUENCE)
        data = der.read(response, basic.start, basic.end, der.SEQUENCE)
        algorithm = der.read(response, data.end, basic.end, der.SEQUENCE)
        oid = der.read(response, algorithm.start, algorithm.end, der.OID)
        return algorithm_of(der.oid_text(response[oid.start : oid.end]), response[oid.end : algorithm.end])
    except der.DerError:
        return None


def _times(single: Any) -> dict[str, Any]:
    return {
        "this_update": instant(_seconds(single.this_update_utc)),
        "next_update": instant(_seconds(single.next_update_utc)),
    }


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())

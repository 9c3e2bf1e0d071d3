"""Certificates as a report shows them, with the role that each plays."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from analyzer.report.model import CertificateInfo
from analyzer.trust.certificate import Certificate, describe

__all__ = ["chain_infos", "store_certificate"]


def chain_infos(chain: Iterable[bytes]) -> tuple[CertificateInfo, ...]:
    """The certificates of a chain, each with its role in it."""
    return _chain_infos(tuple(chain))


@lru_cache(maxsize=1024)
def _chain_infos(chain: tuple[bytes, ...]) -> tuple[CertificateInfo, ...]:
    certificates = [Certificate.parse(der) for der in chain]
    infos = []
    for index, certificate in enumerate(certificates):
        self_issued = certificate.self_issued
        issues = any(
            other.issuer.canonical == certificate.subject.canonical
            for place, other in enumerate(certificates)
            if place != index
        )
        if index == 0:
            role = "self-signed" if self_issued else "leaf"
        elif not issues:
            role = "unrelated"
        else:
            role = "root" if self_issued else "intermediate"
        infos.append(describe(certificate, role))
    return tuple(infos)


def store_certificate(der: bytes) -> CertificateInfo:
    """A certificate of a store; its role is what it could be by itself."""
    certificate = Certificate.parse(der)
    role = "root" if certificate.self_issued else "intermediate" if certificate.is_ca else "leaf"
    return describe(certificate, role)

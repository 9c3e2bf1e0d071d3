"""What the trust stage says: plain data, shared with the diagnosis and the report.

Digests are SHA-256 of the DER encoding, lower-case hex. Times are RFC 3339, UTC.
Codes are those of the catalogue of causes (`missing-root`, `expired-leaf`, ...).
"""

from __future__ import annotations

from analyzer.dataclass import dataclass

__all__ = ["CertificateInfo", "Fix", "PathAttempt", "TrustProblem", "TrustVerdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInfo:
    """A certificate as a report shows it.

    `subject` and `issuer` are RFC 4514 strings, `serial` is lower-case hex, `names` the subject alternative
    names as text (DNS names bare, addresses bare, others with a prefix such as `email:`), `key` e.g.
    `RSA 2048`, `signature` e.g. `sha256WithRSAEncryption`, `role` one of `leaf`, `intermediate`, `root`,
    `self-signed`, `unrelated`, `malformed`.
    """

    sha256: str
    subject: str
    issuer: str
    serial: str
    not_before: str
    not_after: str
    names: tuple[str, ...]
    key: str
    signature: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustProblem:
    """One failed check. `certificate` is the digest of the certificate at fault, where one is."""

    code: str
    certificate: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathAttempt:
    """One path that was tried: digests from the leaf up, whether it reached an anchor, what failed."""

    path: tuple[str, ...]
    anchored: bool
    problems: tuple[TrustProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustVerdict:
    """What one validator says of one chain.

    `error` is the text that this validator itself would log, `path` the accepted path, or the one that came
    closest (digests, leaf first), `problems` what is wrong with it, the decisive one first, `attempts` every
    path that was tried, `notes` remarks for the reader (an unmeasured profile, a check that was not made), `stricter`
    what else this validator refuses in a setting that many installations have; each text names the setting.
    """

    profile: str
    accepted: bool
    error: str | None
    path: tuple[str, ...]
    problems: tuple[TrustProblem, ...]
    attempts: tuple[PathAttempt, ...] = ()
    notes: tuple[str, ...] = ()
    stricter: tuple[TrustProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A repair. `proven`: the check was run again with the repair applied, and passed.

    `action` is one of `add-to-store`, `serve-intermediate`, `replace-certificate`, `use-host`,
    `fix-store`, `configure`, `capture-again`, `supply`. `certificate` is the digest of the certificate concerned,
    where it is at hand; `caution` says why a repair that would pass is unwise, else it is empty.
    """

    action: str
    text: str
    certificate: str | None = None
    proven: bool = False
    commands: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    caution: str = ""

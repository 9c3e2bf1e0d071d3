"""Faults of the server's certificate, its chain and the client's store, by every client stack."""

from __future__ import annotations

from captures.record.clients import CLIENTS
from captures.record.matrix.case import Case


def _case(cause: str | None, group: str, client: str, tls: str, fault: str, **settings: str) -> Case:
    return Case(
        name=f"{group}-{client}-tls{tls.replace('.', '')}",
        group=group,
        fault=fault,
        injected=cause,
        by="client",
        client=client,
        tls=tls,
        **settings,  # type: ignore[arg-type]
    )


CASES: tuple[Case, ...] = tuple(
    _case("missing-root", "missing-root", client, tls, "the store lacks the root", store="without-root")
    for client in CLIENTS
    for tls in ("1.2", "1.3")
)
CASES += tuple(_case(None, "usual", client, tls, "nothing") for client in CLIENTS for tls in ("1.2", "1.3"))

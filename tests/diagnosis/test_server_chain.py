"""A chain that a connection does not show: from another connection of the capture, or supplied."""

from __future__ import annotations

from base64 import encodebytes
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analyzer import analyze
from analyzer.diagnosis.progress import Progress, trace
from analyzer.diagnosis.server_chain import ChainsSeen, ServerChain, is_hidden, server_chain
from analyzer.registry import ExtensionType
from analyzer.report.model import Connection as Seen
from analyzer.tls.connection import Connection, Side
from analyzer.trust.chain import read_chain
from analyzer.trust.check import Checker
from analyzer.trust.unanchored import with_issuer_at_hand
from tests.diagnosis.recorded import CAPTURES, only

DATA = Path(__file__).parent / "data"
FULL = DATA / "full-chain.pem"
HOST = "api.backend.example"
HIDDEN = "tls13-missing-root-java"
SECOND = 1_000_000_000
RSA_PSS, ECDSA = "0804", "0403"


def hidden(*names: str, store: str = "without-root", **options: Any) -> Seen:
    """The one refused connection in TLS 1.3 of some captures that are analysed as one."""
    files = [CAPTURES / f"{name}.pcap" for name in names]
    report = analyze(files, truststore=CAPTURES / "stores" / store, host=HOST, **options)
    (found,) = (seen for seen in report.connections if seen.cause and seen.tls and seen.tls.version == "TLS 1.3")
    return found


def cause(seen: Seen) -> tuple[str, str]:
    assert seen.cause is not None
    return seen.cause.code, seen.cause.confidence


def evidence(seen: Seen) -> str:
    return "\n".join(item.text for item in seen.evidence)


def chain_of(name: str) -> tuple[bytes, ...]:
    message = only(name).chain(Side.SERVER)
    assert message is not None
    return message.chain


def inferred(seen: Connection, *others: Connection, progress: Progress | None = None) -> ServerChain:
    """What is inferred for a connection from others, without the lengths of its flight unless `progress` has them."""
    chains = ChainsSeen()
    for other in others:
        chains.take(other)
    return server_chain(seen, progress or replace(trace(seen), hidden_flight=()), seen=chains)


def at(seen: Connection, seconds: int) -> Connection:
    return replace(seen, first_time_ns=seconds * SECOND)


def offering(seen: Connection, *schemes: str) -> Connection:
    """The connection, with a ClientHello that offers these signature algorithms."""
    body = bytes.fromhex(f"{2 * len(schemes):04x}" + "".join(schemes))
    (hello, *rest) = seen.hellos
    extensions = tuple(
        extension._replace(body=body) if extension.type == ExtensionType.SIGNATURE_ALGORITHMS else extension
        for extension in hello.message.extensions
    )
    return replace(seen, hellos=(replace(hello, message=replace(hello.message, extensions=extensions)), *rest))


def test_the_chain_that_the_server_sent_in_clear_to_another_client_is_taken_and_its_length_proves_it() -> None:
    seen = hidden("chain-from-elsewhere")
    assert (seen.chain_source, cause(seen)) == ("inferred", ("missing-root", "certain"))
    assert "10.77.0.2:443 sent it for api.backend.example in another connection" in evidence(seen)
    assert "(tcp.stream 0, packet 8)" in evidence(seen)
    assert "exactly what a Certificate message with" in evidence(seen)
    assert [info.role for info in seen.server_chain] == ["leaf", "intermediate"]


def test_a_flight_too_short_for_the_chain_from_elsewhere_shows_what_the_server_left_out() -> None:
    seen = hidden("chain-cut-short", store="with-root")
    assert (seen.chain_source, cause(seen)) == ("inferred", ("missing-intermediate", "certain"))
    assert [info.role for info in seen.server_chain] == ["leaf"]
    assert "alone takes (1,078 bytes); the whole chain would take 2,076" in evidence(seen)
    assert "it is an intermediate, so the server has to send it" in evidence(seen)
    assert any(fix.proven and fix.action == "serve-intermediate" for fix in seen.fixes)


@pytest.mark.parametrize("client", ["openssl", "java", "gnutls", "node"])
def test_each_stack_s_refusal_is_explained_by_a_chain_from_elsewhere(client: str) -> None:
    seen = hidden("success-curl", f"tls13-missing-root-{client}")
    assert (seen.chain_source, seen.cause and seen.cause.code) == ("inferred", "missing-root")


def test_before_and_after_are_alike_for_a_chain_from_elsewhere() -> None:
    report = analyze([CAPTURES / f"{name}.pcap" for name in (HIDDEN, "success-curl")])
    assert [seen.chain_source for seen in report.connections] == ["inferred", "captured"]
    assert [seen.started_at for seen in report.connections] == sorted(seen.started_at for seen in report.connections)
    assert [seen.id for seen in report.connections] == [0, 1]


def test_a_chain_that_keys_opened_elsewhere_serves_as_well() -> None:
    seen = hidden("tls13-success", HIDDEN, keylog=CAPTURES / "tls13-success.keys")
    assert (seen.chain_source, cause(seen)[0]) == ("inferred", "missing-root")


@pytest.mark.parametrize("other", ["hostname-mismatch-curl", "ipv6", "tls13-success"])
def test_another_name_or_address_or_a_hidden_chain_says_nothing(other: str) -> None:
    assert inferred(only(HIDDEN), only(other)) == ServerChain()


def test_a_chain_of_another_length_is_not_inferred_and_that_is_said() -> None:
    seen = hidden("expired-leaf-curl", HIDDEN)
    assert (seen.chain_source, cause(seen)[0]) == (None, "certificate-rejected")
    assert "not as long as what it sent here" in evidence(seen)
    assert "no chain is inferred" in evidence(seen)


def test_of_two_chains_the_length_chooses() -> None:
    seen = hidden("expired-leaf-curl", "success-curl", HIDDEN)
    assert (seen.chain_source, cause(seen)[0]) == ("inferred", "missing-root")


def test_without_lengths_a_chain_is_no_more_than_likely_the_one() -> None:
    found = inferred(only(HIDDEN), only("success-curl"))
    assert (found.source, found.agrees, found.is_sure) == ("inferred", None, False)
    assert found.certificates == chain_of("success-curl")


USUAL, RENEWED = "success-curl", "expired-leaf-curl"


@pytest.mark.parametrize(
    ("when", "chosen"),
    [
        pytest.param(5, USUAL, id="before all"),
        pytest.param(15, USUAL, id="while the first was in use"),
        pytest.param(25, None, id="between the two"),
        pytest.param(35, RENEWED, id="while the second was in use"),
        pytest.param(45, RENEWED, id="after all"),
    ],
)
def test_of_two_chains_in_turn_the_one_in_use_at_the_time_is_taken(when: int, chosen: str | None) -> None:
    usual, renewed = only(USUAL), only(RENEWED)
    others = (at(usual, 10), at(usual, 20), at(renewed, 30), at(renewed, 40))
    found = inferred(at(only(HIDDEN), when), *others)
    assert found.certificates == (() if chosen is None else chain_of(chosen))


def test_of_two_chains_by_turns_none_is_taken() -> None:
    usual, renewed = only(USUAL), only(RENEWED)
    found = inferred(at(only(HIDDEN), 50), at(usual, 10), at(renewed, 20), at(usual, 30))
    assert (found.source, found.certificates) == (None, ())
    assert "2 different chains" in found.evidence[0][1]


def test_a_chain_whose_key_the_client_does_not_take_was_not_sent_to_it() -> None:
    found = inferred(offering(only(HIDDEN), ECDSA), only(USUAL))
    assert found.source is None
    assert "whose keys this client does not take" in found.evidence[0][1]


def test_a_client_that_takes_another_kind_of_key_may_have_got_another_chain() -> None:
    seen = offering(only(HIDDEN), RSA_PSS, ECDSA)
    narrow = offering(only(USUAL), RSA_PSS)
    assert inferred(seen, narrow).source is None
    assert inferred(seen, narrow, only(USUAL)).source == "inferred"
    assert inferred(offering(only(HIDDEN), RSA_PSS), narrow).source == "inferred"
    assert inferred(seen, narrow, progress=trace(seen)).agrees is True


def test_each_chain_of_a_server_is_kept_once() -> None:
    chains = ChainsSeen()
    for second in range(100):
        chains.take(at(only(USUAL), second))
    assert len(chains.of(only(USUAL))) == 1


def sending(seen: Connection, chain: tuple[bytes, ...]) -> Connection:
    """The connection, with another chain in its Certificate message."""
    message = seen.chain(Side.SERVER)
    assert message is not None
    details = copy(seen._details)
    details.__dict__["chains"] = {Side.SERVER: replace(message, chain=chain)}
    return replace(seen, _details=details)


def test_a_server_with_more_chains_than_can_be_compared_has_no_usual_one() -> None:
    leaf = chain_of(USUAL)[0]
    many = [sending(only(USUAL), (leaf, number.to_bytes(4, "big"))) for number in range(1000)]
    chains = ChainsSeen()
    for other in many:
        chains.take(other)
    assert len(chains.of(only(USUAL))) < 20
    found = inferred(only(HIDDEN), *many)
    assert found.source is None
    assert "more than 16 different chains" in found.evidence[0][1]


def test_a_chain_of_thousands_is_no_chain() -> None:
    leaf = chain_of(USUAL)[0]
    endless = (leaf, *(number.to_bytes(4, "big") for number in range(100_000)))
    assert inferred(only(HIDDEN), sending(only(USUAL), endless)) == ServerChain()
    given = server_chain(only(HIDDEN), trace(only(HIDDEN)), supplied=endless)
    assert (given.source, given.agrees) == ("supplied", None)


def test_no_chain_is_looked_for_where_all_went_well_or_nothing_was_hidden() -> None:
    for name in ("tls13-success", "success-curl", "missing-root-curl", "server-reset-go"):
        assert not is_hidden(only(name), trace(only(name)))
    assert is_hidden(only(HIDDEN), trace(only(HIDDEN)))


def test_a_supplied_chain_that_is_as_long_makes_certain_and_one_that_is_not_is_contradicted(tmp_path: Path) -> None:
    seen = hidden(HIDDEN, server_chain=FULL)
    assert (seen.chain_source, cause(seen)) == ("supplied", ("missing-root", "certain"))
    other = tmp_path / "other.pem"
    other.write_bytes(b"".join(_pem(der) for der in chain_of("self-signed-leaf-curl")))
    seen = hidden("tls13-missing-root-openssl", server_chain=other)
    assert cause(seen) == ("certificate-rejected", "certain")
    assert "what was sent is another chain" in evidence(seen)
    assert any("the chain that the server sent then (--server-chain)" in fix.text for fix in seen.fixes)


def test_a_supplied_chain_that_does_not_fit_gives_way_to_one_from_elsewhere(tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(b"".join(_pem(der) for der in chain_of("self-signed-leaf-curl")))
    seen = hidden("success-curl", "tls13-missing-root-openssl", server_chain=other)
    assert (seen.chain_source, cause(seen)) == ("inferred", ("missing-root", "certain"))


def test_an_issuer_at_hand_decides_what_is_missing() -> None:
    leaf, intermediate, root = read_chain(FULL.read_bytes()).certificates
    for sent, unsent, code in (
        ((leaf,), intermediate, "missing-intermediate"),
        ((leaf, intermediate), root, "missing-root"),
    ):
        (verdict,) = Checker(()).check_by(sent, ("openssl",), host=HOST)
        told = with_issuer_at_hand(verdict, sent, (unsent,))
        assert (told.problems[0].code, with_issuer_at_hand(verdict, sent, ())) == (code, verdict)


def _pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + encodebytes(der) + b"-----END CERTIFICATE-----\n"

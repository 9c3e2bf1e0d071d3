"""Who sent a RST: the peer, or a box on the wire in its name. Recordings of the lab."""

from pathlib import Path

import pytest

from analyzer import analyze
from analyzer.report.model import Connection

DATA = Path(__file__).parent / "data" / "transport"


def only(name: str) -> Connection:
    (found,) = analyze(DATA / f"{name}.pcap").connections
    assert found.cause is not None
    return found


def evidence(connection: Connection) -> str:
    return "\n".join(item.text for item in connection.evidence)


def test_a_server_that_goes_on_behind_its_reset_did_not_send_it() -> None:
    found = only("forged-id-openssl-curl-tls13")
    assert found.cause is not None
    assert (found.cause.code, found.cause.confidence, found.aborted_by) == ("middlebox-reset", "certain", "network")
    assert "bytes of data from behind the RST's sequence number" in evidence(found)
    assert "IP identification 0xd431" in evidence(found)


@pytest.mark.parametrize("name", ["forged-ttl-openssl-curl-tls12", "forged-ttl-swallowed-openssl-node-tls12"])
def test_a_reset_from_another_distance_is_a_boxs(name: str) -> None:
    found = only(name)
    assert found.cause is not None
    assert (found.cause.code, found.aborted_by) == ("middlebox-reset", "network")
    assert "time to live" in evidence(found)


def test_a_distant_syn_ack_does_not_make_the_servers_own_reset_a_forged_one() -> None:
    found = only("far-reset-python-curl-tls12")
    assert found.cause is not None
    assert (found.cause.code, found.aborted_by) == ("server-reset", "server")


def test_a_reset_that_nothing_speaks_against_is_the_servers_and_never_certain() -> None:
    found = only("forged-perfect-openssl-curl-tls12")
    assert found.cause is not None
    assert (found.cause.code, found.cause.confidence) == ("server-reset", "likely")

"""TLS in the packets of another protocol is read as if it stood for itself, however all that is cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.tls.carriers import Carrier, What, recognise
from analyzer.tls.records import SideRecords
from tests.packets import CLIENT, Dialogue, records, segments_of, tls_flows
from tests.tls.test_prelude import prelogin
from tests.tls.test_records import ALERT, CCS, DATA, FLIGHT, HANDSHAKE, HELLO, UNKNOWN_CA, read, record, without_packets

SEALED = record(CCS, b"\1") + record(HANDSHAKE, bytes(range(40)))
STREAMS = {
    "a client that refuses": record(HANDSHAKE, HELLO) + UNKNOWN_CA,
    "a server's flight": FLIGHT + SEALED + record(DATA, bytes(900)) * 3 + record(ALERT, bytes(26)),
    "a client that goes on": record(HANDSHAKE, HELLO)
    + SEALED
    + record(DATA, bytes(40)) * 30
    + record(ALERT, b"\1\0" * 13),
}
SESSION = b"\xcdJgd\x91\x19q\xaf"


def tds(parts: list[bytes], *, bare: bytes = b"") -> bytes:
    """PRELOGIN, the parts in TDS packets, and what stands for itself behind them."""
    packets = [
        b"\x12" + bytes([n == len(parts)]) + (8 + len(p)).to_bytes(2, "big") + bytes(4) + p
        for n, p in enumerate(parts, 1)
    ]
    return prelogin(0x12, 1) + b"".join(packets) + bare


def openvpn(parts: list[bytes], *, added: int = 0, acknowledged: int = 1) -> bytes:
    """The reset of a client, the parts in packets of the control channel, acknowledgements and data between them."""

    def packet(opcode: int, acks: int, number: int | None, payload: bytes = b"") -> bytes:
        body = bytes([opcode << 3]) + SESSION + b"h" * added + bytes([acks]) + bytes(4 * acks)
        body += (SESSION if acks else b"") + (b"" if number is None else number.to_bytes(4, "big")) + payload
        return len(body).to_bytes(2, "big") + body

    found = packet(7, 0, 0)
    for number, part in enumerate(parts, 1):
        found += packet(4, acknowledged * (number % 2), number, part) + packet(5, 1, None)
        found += (70).to_bytes(2, "big") + b"\x48" + b"\x16\x03\x03\0\x40" + bytes(64)  # P_DATA_V2
    return found


def same(seen: SideRecords) -> dict[str, Any]:
    """What was read, but for packets and what was said before TLS."""
    return without_packets(seen) | {"plain": None}


def split(stream: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(stream), *(place % len(stream) for place in places)})
    return [stream[a:b] for a, b in pairwise(ends)]


CUTS = st.lists(st.integers(1, 1 << 16), max_size=12)
HOW = st.sampled_from(["tds", "openvpn", "openvpn 28", "openvpn 40", "openvpn 72"])


@settings(deadline=None)
@given(st.sampled_from(sorted(STREAMS)), HOW, CUTS, CUTS, st.sampled_from([None, 1, 2, 5]))
def test_whatever_carries_it_and_wherever_it_is_cut_the_same_is_read(
    name: str, how: str, packets: list[int], segments: list[int], batch: int | None
) -> None:
    parts = split(STREAMS[name], packets)
    carried = tds(parts) if how == "tds" else openvpn(parts, added=int(how.partition(" ")[2] or 0))
    begin = carried[: len(tds([])) if how == "tds" else 2 + int.from_bytes(carried[:2], "big")]
    cuts = sorted({len(begin) + place % (len(carried) - len(begin)) for place in segments} | {len(begin)})
    assert same(read(carried, cuts, batch=batch)) == same(read(STREAMS[name]))


@settings(deadline=None)
@given(CUTS, CUTS, st.integers(1, 400), st.sampled_from([None, 1, 3]))
def test_behind_the_handshake_tls_stands_for_itself_in_tds(
    packets: list[int], segments: list[int], size: int, batch: int | None
) -> None:
    handshake, bare = record(HANDSHAKE, HELLO) + SEALED, record(DATA, bytes(size)) * 5 + record(ALERT, bytes(26))
    carried = tds(split(handshake, packets), bare=bare)
    cuts = sorted({len(tds([])), len(carried) - len(bare)} | {60 + place % (len(carried) - 60) for place in segments})
    assert same(read(carried, cuts, batch=batch)) == same(read(handshake + bare))


@pytest.mark.parametrize("batch", [None, 1])
def test_the_packets_are_those_that_brought_the_messages(batch: int | None) -> None:
    carried = tds([record(HANDSHAKE, HELLO), UNKNOWN_CA])
    cuts = [len(tds([])), len(carried) - 8 - len(UNKNOWN_CA)]
    seen = read(carried, cuts, batch=batch)
    assert [seen.plain and seen.plain.packet, seen.messages[0].packet, seen.alerts[0].packet] == [4, 5, 6]


@settings(deadline=None)
@given(st.sampled_from(["tds", "openvpn"]), st.binary(max_size=300), CUTS, st.sampled_from([None, 1]))
def test_any_bytes_behind_such_a_beginning_are_read_to_their_end(
    how: str, rest: bytes, segments: list[int], batch: int | None
) -> None:
    begin = tds([]) if how == "tds" else openvpn([])
    stream = begin + rest
    read(
        stream,
        sorted({len(begin)} | {1 + place % (len(stream) - 1) for place in segments} - {len(stream)}),
        batch=batch,
    )


@settings(deadline=None)
@given(
    HOW,
    CUTS,
    st.lists(st.integers(1, 1 << 16), min_size=2, max_size=12),
    st.integers(0, 99),
    st.sampled_from([None, 1]),
)
def test_a_hole_costs_nothing_that_came_before_it(
    how: str, packets: list[int], segments: list[int], lost: int, batch: int | None
) -> None:
    parts = split(STREAMS["a server's flight"], packets)
    carried = tds(parts) if how == "tds" else openvpn(parts, added=int(how.partition(" ")[2] or 0))
    begin = len(tds([])) if how == "tds" else 2 + int.from_bytes(carried[:2], "big")
    cuts = sorted({begin + place % (len(carried) - begin) for place in segments} | {begin})
    frames = segments_of(carried, cuts)
    gone = 1 + lost % (len(frames) - 1)
    seen = records(tls_flows(Dialogue().open().frames + frames[:gone] + frames[gone + 1 :], batch=batch), CLIENT)
    before = records(tls_flows(Dialogue().open().frames + frames[:gone]), CLIENT)
    whole = [message.body for message in before.messages if message.complete]
    assert [message.body for message in seen.messages][: len(whole)] == whole


@given(st.binary(max_size=200))
def test_any_bytes_are_the_beginning_of_a_protocol_or_of_none(data: bytes) -> None:
    carrier = recognise(data)
    assert carrier is None or isinstance(carrier.packet(data, 0), tuple)


def test_a_control_channel_that_is_encrypted_is_not_taken_for_one_that_is_authenticated() -> None:
    crypted = bytes([7 << 3]) + SESSION + bytes(8) + b"t" * 32 + b"cipher"[:5]
    assert recognise(len(crypted).to_bytes(2, "big") + crypted) is None


def test_a_packet_that_claims_less_than_its_header_ends_the_reading() -> None:
    carrier: Carrier | None = recognise(openvpn([]))
    assert carrier is not None
    assert carrier.packet(b"\0\x05\x20" + bytes(20), 1) == (What.END, 0, 0)

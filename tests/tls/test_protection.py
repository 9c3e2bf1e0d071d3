"""Opening records: the traces of RFC 8448, keys that follow each other, holes, damage, and every form of suite."""

from __future__ import annotations

import time
from typing import Final

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from analyzer.registry import cipher_suite_name
from analyzer.registry.tables import CIPHER_SUITES
from analyzer.tls.keylog import Secrets
from analyzer.tls.keys import Keys, expand_label, key_block, master_secret, next_traffic_secret, prf, traffic_keys
from analyzer.tls.protection import Opened, Protection, protection, protections13
from analyzer.tls.suites import Form, Suite, suite_of

HANDSHAKE, ALERT, DATA = 22, 21, 23
SSL30, TLS10, TLS11, TLS12, TLS13 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304


def suite(number: int) -> Suite:
    found = suite_of(number)
    assert found is not None
    return found


AES_128_GCM = suite(0x1301)

# RFC 8448 section 3, "Simple 1-RTT Handshake", and section 4 for the early data.
CLIENT_HANDSHAKE = bytes.fromhex("b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21")
SERVER_HANDSHAKE = bytes.fromhex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38")
CLIENT_APPLICATION = bytes.fromhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
SERVER_APPLICATION = bytes.fromhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
CLIENT_EARLY = bytes.fromhex("3fbbe6a60deb66c30a32795aba0eff7eaa10105586e7be5c09678d63b6caab62")
FINISHED = bytes.fromhex(
    "75ec4dc238cce60b298044a71e219c56cc77b0517fe9b93c7a4bfc44d87f38f80338ac98fc46deb384bd1caeacab6867d726c40546"
)
TICKET = bytes.fromhex(
    "3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116e95d41d6af8f6b580dcf3d11d63c758db289a015940252f55713e061dc13e07"
    "8891a38efbcf5753ad8ef170ad3c7353d16d9da773b9ca7f2b9fa1b6c0d4a3d03f75e09c30ba1e62972ac46f75f7b981be63439b2999ce13"
    "064615139891d5e4c5b406f16e3fc181a77ca475840025db2f0a77f81b5ab05b94c01346755f69232c86519d86cbeeac87aac347d143f960"
    "5d64f650db4d023e70e952ca49fe5137121c74bc2697687e248746d6df353005f3bce18696129c8153556b3b6c6779b37bf15985684f"
)
CLIENT_DATA = bytes.fromhex(
    "a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e"
    "3deae63aeebb21694915e4"
)
SERVER_DATA = bytes.fromhex(
    "2e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047c2ab"
    "f332540dd032e167c2955d"
)
CLIENT_ALERT = bytes.fromhex("c9872760655666b74d7ff1153efd6db6d0b0e3")
SERVER_ALERT = bytes.fromhex("b58fd67166ebf599d24720cfbe7efa7a8864a9")
CLOSE_NOTIFY = Opened(ALERT, b"\x01\x00")
FIFTY = Opened(DATA, bytes(range(50)))
SECRETS = Secrets(
    client_handshake=CLIENT_HANDSHAKE,
    server_handshake=SERVER_HANDSHAKE,
    client_application=CLIENT_APPLICATION,
    server_application=SERVER_APPLICATION,
)


@pytest.mark.parametrize(
    ("secret", "key", "iv"),
    [
        (CLIENT_HANDSHAKE, "dbfaa693d1762c5b666af5d950258d01", "5bd3c71b836e0b76bb73265f"),
        (SERVER_HANDSHAKE, "3fce516009c21727d0f2e4e86ee403bc", "5d313eb2671276ee13000b30"),
        (CLIENT_APPLICATION, "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"),
        (SERVER_APPLICATION, "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"),
    ],
)
def test_keys_of_rfc_8448(secret: bytes, key: str, iv: str) -> None:
    assert traffic_keys(AES_128_GCM, secret) == Keys(b"", bytes.fromhex(key), bytes.fromhex(iv))


def test_the_records_of_rfc_8448_open_with_the_keys_following_each_other() -> None:
    client, server = protections13(TLS13, AES_128_GCM, SECRETS)
    finished = client.open(DATA, TLS12, FINISHED)
    assert finished is not None
    assert (finished.type, finished.content[:4], len(finished.content)) == (HANDSHAKE, b"\x14\0\0\x20", 36)
    assert client.changes == 0
    assert client.open(DATA, TLS12, CLIENT_DATA) == FIFTY
    assert client.changes == 1
    assert client.open(DATA, TLS12, CLIENT_ALERT) == CLOSE_NOTIFY
    ticket = server.open(DATA, TLS12, TICKET)
    assert ticket is not None
    assert (ticket.type, ticket.content[:4]) == (HANDSHAKE, b"\x04\0\0\xc9")
    assert server.open(DATA, TLS12, SERVER_DATA) == FIFTY
    assert server.open(DATA, TLS12, SERVER_ALERT) == CLOSE_NOTIFY


def test_early_data_of_rfc_8448() -> None:
    client, _ = protections13(TLS13, AES_128_GCM, Secrets(client_early=CLIENT_EARLY))
    record = bytes.fromhex("ab1df420e75c457a7cc5d2844f76d5aee4b4edbf049be0")
    assert client.open(DATA, TLS12, record) == Opened(DATA, b"ABCDEF")


def test_records_that_are_stepped_over_count() -> None:
    _, server = protections13(TLS13, AES_128_GCM, SECRETS)
    assert server.open(DATA, TLS12, TICKET) is not None
    server.skip(1, len(SERVER_DATA))
    assert server.open(DATA, TLS12, SERVER_ALERT) == CLOSE_NOTIFY


def test_a_damaged_record_costs_only_itself() -> None:
    _, server = protections13(TLS13, AES_128_GCM, SECRETS)
    assert server.open(DATA, TLS12, TICKET) is not None
    assert server.open(DATA, TLS12, SERVER_DATA[:-1] + b"\0") is None
    assert server.open(DATA, TLS12, SERVER_ALERT) == CLOSE_NOTIFY


@pytest.mark.parametrize("missing", [44, 1000, 5000])
def test_records_behind_a_hole_are_found_by_trying_numbers(missing: int) -> None:
    _, server = protections13(TLS13, AES_128_GCM, SECRETS)
    server.lose(missing)
    assert server.open(DATA, TLS12, SERVER_ALERT) == CLOSE_NOTIFY


def test_what_has_another_key_is_given_up_after_bounded_work() -> None:
    client, _ = protections13(TLS13, AES_128_GCM, Secrets(client_application=bytes(32)))
    client.lose(1 << 40)
    begun = time.process_time()
    assert [client.open(DATA, TLS12, bytes(16000)) for _ in range(100)] == [None] * 100
    assert time.process_time() - begun < 5


def sealed13(secret: bytes, number: int, kind: int, content: bytes, *, padding: int = 0, draft: int = 0) -> bytes:
    """A record as RFC 8446 section 5.2 makes it, with AES-128-GCM."""
    keys = traffic_keys(AES_128_GCM, secret, draft=draft)
    nonce = (int.from_bytes(keys.iv, "big") ^ number).to_bytes(12, "big")
    inner = content + bytes([kind]) + bytes(padding)
    header = b"" if 0 < draft < 25 else b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
    return AESGCM(keys.key).encrypt(nonce, inner, header)


def client_of(secrets: Secrets, version: int = TLS13) -> Protection:
    return protections13(version, AES_128_GCM, secrets)[0]


def test_padding_is_taken_off() -> None:
    client = client_of(SECRETS)
    assert client.open(DATA, TLS12, sealed13(CLIENT_HANDSHAKE, 0, ALERT, b"\2\x30", padding=200)) == Opened(
        ALERT, b"\2\x30"
    )


def test_a_record_of_padding_alone_has_no_type_and_no_content() -> None:
    client = client_of(SECRETS)
    assert client.open(DATA, TLS12, sealed13(CLIENT_HANDSHAKE, 0, 0, b"", padding=9)) == Opened(0, b"")
    assert client.open(DATA, TLS12, sealed13(CLIENT_HANDSHAKE, 1, ALERT, b"\2\x30")) == Opened(ALERT, b"\2\x30")


def test_keys_are_updated_as_often_as_need_be() -> None:
    client = client_of(SECRETS)
    secret = CLIENT_APPLICATION
    for _ in range(5):
        for number in range(3):
            assert client.open(DATA, TLS12, sealed13(secret, number, DATA, b"x")) == Opened(DATA, b"x")
        secret = next_traffic_secret(AES_128_GCM, secret)
    assert client.changes == 5


def test_a_key_update_inside_a_hole_is_survived() -> None:
    client = client_of(SECRETS)
    assert client.open(DATA, TLS12, sealed13(CLIENT_APPLICATION, 0, DATA, b"x"))
    client.lose(1000)
    secret = next_traffic_secret(AES_128_GCM, CLIENT_APPLICATION)
    assert client.open(DATA, TLS12, sealed13(secret, 7, ALERT, b"\1\0")) == CLOSE_NOTIFY


def test_early_data_without_its_secret_does_not_keep_the_handshake_shut() -> None:
    client = client_of(SECRETS)
    for number in range(20):
        assert client.open(DATA, TLS12, sealed13(CLIENT_EARLY, number, DATA, b"early")) is None
    assert client.open(DATA, TLS12, sealed13(CLIENT_HANDSHAKE, 0, HANDSHAKE, b"fin")) == Opened(HANDSHAKE, b"fin")


def test_early_data_goes_before_the_handshake() -> None:
    client = client_of(
        Secrets(client_early=CLIENT_EARLY, client_handshake=CLIENT_HANDSHAKE, client_application=CLIENT_APPLICATION)
    )
    opened = [
        client.open(DATA, TLS12, sealed13(secret, 0, DATA, b"x"))
        for secret in (CLIENT_EARLY, CLIENT_HANDSHAKE, CLIENT_APPLICATION)
    ]
    assert opened == [Opened(DATA, b"x")] * 3


@pytest.mark.parametrize("draft", [18, 23, 26])
def test_drafts_have_labels_and_headers_of_their_own(draft: int) -> None:
    client = client_of(SECRETS, 0x7F00 + draft)
    record = sealed13(CLIENT_HANDSHAKE, 0, ALERT, b"\2\x2a", draft=draft)
    assert client.open(DATA, 0x0303, record) == Opened(ALERT, b"\2\x2a")


def test_application_data_opens_without_the_handshake_secrets() -> None:
    client = client_of(Secrets(client_application=CLIENT_APPLICATION))
    assert client.open(DATA, TLS12, FINISHED) is None
    assert client.open(DATA, TLS12, CLIENT_DATA) == FIFTY


def test_the_prf_of_tls_12() -> None:
    # A vector published on the mailing list of the TLS working group.
    found = prf(
        TLS12,
        "sha256",
        bytes.fromhex("9bbe436ba940f017b17652849a71db35"),
        b"test label",
        bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c"),
        100,
    )
    assert found[:16].hex() == "e3f229ba727be17b8d122620557cd453"
    assert found[-16:].hex() == "22ee42c5a72e5a5110fff70187347b66"


def test_expanding_a_label_gives_any_length() -> None:
    whole = expand_label("sha256", bytes(32), "key", 100)
    assert len(whole) == 100
    assert expand_label("sha256", bytes(32), "key", 100) == whole
    assert expand_label("sha256", bytes(32), "key", 100, draft=18) != whole


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", ("AES", Form.GCM, 16, "", "sha256")),
        ("TLS_RSA_WITH_AES_256_GCM_SHA384", ("AES", Form.GCM, 32, "", "sha384")),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", ("AES", Form.CCM, 16, "", "sha256")),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", ("ChaCha20", Form.POLY1305, 32, "", "sha256")),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", ("AES", Form.BLOCK, 32, "sha384", "sha384")),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", ("AES", Form.BLOCK, 16, "sha1", "sha256")),
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", ("TripleDES", Form.BLOCK, 24, "sha1", "sha256")),
        ("TLS_RSA_WITH_RC4_128_MD5", ("ARC4", Form.STREAM, 16, "md5", "sha256")),
        ("TLS_ECDHE_RSA_WITH_NULL_SHA", ("NULL", Form.NULL, 0, "sha1", "sha256")),
        ("TLS_AES_256_GCM_SHA384", ("AES", Form.GCM, 32, "", "sha384")),
        ("TLS_AES_128_CCM_8_SHA256", ("AES", Form.CCM, 16, "", "sha256")),
    ],
)
def test_a_suites_name_says_what_it_does(name: str, expected: tuple[str, Form, int, str, str]) -> None:
    (number,) = [number for number, known in CIPHER_SUITES.items() if known == name]
    found = suite(number)
    assert (found.cipher, found.form, found.key_length, found.mac, found.hash) == expected


NOT_UNDONE: Final = (
    "ARIA", "CAMELLIA_128_GCM", "CAMELLIA_256_GCM", "SALSA20", "GOST", "28147", "SM3", "SM4", "SM1", "AEGIS", "OMAC",
    "MGM", "SCSV", "_OLD", "FORTEZZA", "RC2_CBC_56", "TLS_SHA256_SHA256", "TLS_SHA384_SHA384",
)  # fmt: skip


def test_all_registered_suites_are_known_but_for_ciphers_that_are_named() -> None:
    unknown = [cipher_suite_name(number) for number in CIPHER_SUITES if suite_of(number) is None]
    assert [name for name in unknown if not any(part in name for part in NOT_UNDONE)] == []
    assert suite_of(0x0A0A) is None
    assert suite_of(0xFFFF) is None


def test_only_rsa_key_exchange_sends_the_pre_master_secret() -> None:
    with_rsa = {cipher_suite_name(n) for n in CIPHER_SUITES if (found := suite_of(n)) and found.rsa_key_exchange}
    assert "TLS_RSA_WITH_AES_128_CBC_SHA" in with_rsa
    assert all(
        name.split("_WITH_")[0] in {"TLS_RSA", "TLS_RSA_EXPORT", "TLS_RSA_EXPORT1024", "SSL_RSA_FIPS"}
        for name in with_rsa
    )


RANDOMS = (bytes(range(32)), bytes(range(100, 132)))
USED = sorted(n for n in CIPHER_SUITES if suite_of(n) is not None)


def block(version: int, number: int) -> Keys:
    return key_block(version, suite(number), b"m" * 48, *RANDOMS)[0]


@given(
    st.sampled_from([SSL30, TLS10, TLS11, TLS12, 0x0002, 0x0305]),
    st.sampled_from(USED),
    st.booleans(),
    st.lists(st.binary(max_size=120), max_size=4),
)
def test_no_record_of_any_suite_and_version_raises(version: int, number: int, after: bool, bodies: list[bytes]) -> None:
    opener = protection(version, suite(number), block(version, number), encrypt_then_mac=after)
    assert opener is not None
    for body in bodies:
        opened = opener.open(HANDSHAKE, version, body)
        assert opened is None or suite(number).form is Form.NULL
        opener.skip(1, len(body), body[-16:])
    opener.lose(10)
    opener.open(ALERT, version, b"\1" * 48)


@given(st.sampled_from([0x1301, 0x1302, 0x1303, 0x1304, 0x1305]), st.binary(max_size=300))
def test_no_record_of_tls_13_raises(number: int, body: bytes) -> None:
    for opener in protections13(TLS13, suite(number), SECRETS):
        assert opener.open(DATA, TLS12, body) is None


def test_a_suite_that_encrypts_nothing_needs_no_keys() -> None:
    opener = protection(TLS12, suite(0xC010), None)
    assert opener is not None
    assert opener.open(ALERT, TLS12, b"\2\x2a" + bytes(20)) == Opened(ALERT, b"\2\x2a")
    assert opener.open(ALERT, TLS12, bytes(19)) is None


def test_without_keys_nothing_else_opens() -> None:
    assert protection(TLS12, suite(0xC02F), None) is None


def test_the_extended_master_secret_depends_on_the_session_hash() -> None:
    plain = master_secret(TLS12, suite(0x009C), b"p" * 48, *RANDOMS)
    extended = {master_secret(TLS12, suite(0x009C), b"p" * 48, *RANDOMS, extended_by=bytes([n]) * 32) for n in (1, 2)}
    assert len(extended | {plain}) == 3
    assert {len(secret) for secret in extended} == {48}

"""Configuration and logs that are broken, huge, hostile or another product's: told in a line, and the rest goes on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from analyzer.cli import main

GATEWAYS = Path(__file__).resolve().parents[1] / "captures" / "gateways"
NGINX = GATEWAYS / "nginx-missing-root"
SECONDS = 60
"""Far more than anything here takes; what explodes takes longer, or all memory."""

Capsys = pytest.CaptureFixture[str]

_ENTITIES = "".join(f'<!ENTITY a{n} "&a{n - 1};&a{n - 1};">' for n in range(1, 30))
_TARGET = '<TargetEndpoint name="default"><HTTPTargetConnection><URL>https://&{}/</URL></HTTPTargetConnection>'
_VERIFIED = "http { server { location / { proxy_ssl_verify on; proxy_pass https://"

UNUSABLE: dict[str, tuple[str, str]] = {
    "empty.conf": ("", "the file is empty"),
    "cut.json": ('{"properties": {"url": "https://api', "is no JSON: line 1"),
    "deep.json": ("[" * 200_000, "is nested deeper"),
    "huge.json": ('{"a": [' + '{"x": 1},' * 1_000_000 + "1]}", "holds more than"),
    "cut.xml": ("<TargetEndpoint><HTTPTargetConnection><URL>https://api", "is no XML: line 1"),
    "laughs.xml": (f'<!DOCTYPE x [<!ENTITY a0 "ha">{_ENTITIES}]>{_TARGET.format("a29;")}', "DOCTYPE"),
    "outside.xml": (f'<!DOCTYPE x [<!ENTITY s SYSTEM "file:///etc/passwd">]>{_TARGET.format("s;")}', "DOCTYPE"),
    "anchors.yaml": (
        "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
        "is no configuration of a product that is known here",
    ),
    "object.yaml": ("!!python/object/apply:os.abort []\n", "is no configuration of a product that is known here"),
    "prose.txt": ("Dear all,\nplease find the file attached.\n", "is no configuration of a product that is known here"),
}
"""Files of `--config` and what is said of each."""


def analysed(capsys: Capsys, *options: str | Path) -> tuple[int, str, str]:
    """Exit status, report and diagnostics of the nginx case; its cause is found whatever else it is given."""
    begun = time.monotonic()
    status = main([str(NGINX / "capture.pcap"), "--truststore", str(NGINX / "trusted.pem"), *map(str, options)])
    assert time.monotonic() - begun < SECONDS
    said = capsys.readouterr()
    assert "missing-root" in said.out
    return status, " ".join(said.out.split()), said.err


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_configuration_that_cannot_be_read_is_an_error_with_its_reason(
    name: str, tmp_path: Path, capsys: Capsys
) -> None:
    content, reason = UNUSABLE[name]
    (tmp_path / name).write_text(content)
    status, _, errors = analysed(capsys, "--gateway", "nginx", "--config", tmp_path / name)
    assert status == 2
    assert name in errors
    assert reason in errors
    assert "root:" not in errors


def test_a_binary_configuration_is_an_error(tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "nginx.conf"
    path.write_bytes(bytes(range(256)) * 64)
    status, _, errors = analysed(capsys, "--config", path)
    assert (status, "nginx.conf: is binary" in errors) == (2, True)


def test_of_a_configuration_without_end_the_beginning_is_used(tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(f"{_VERIFIED}api.backend.example; }} }} " + "server { " * 100_000)
    status, report, errors = analysed(capsys, "--gateway", "nginx", "--config", path)
    assert status == 1
    assert "ends inside a block" in errors
    assert "1 target" in report


def test_control_characters_of_a_configuration_do_not_reach_the_terminal(tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(f"{_VERIFIED}api\x1b[31m.backend.example; }} }} }}")
    _, report, errors = analysed(capsys, "--gateway", "nginx", "--config", path)
    assert "\x1b" not in report + errors


def test_the_configuration_of_another_product_is_told(capsys: Capsys) -> None:
    path = GATEWAYS / "haproxy-missing-root" / "haproxy.cfg"
    status, report, errors = analysed(capsys, "--gateway", "nginx", "--config", path)
    assert status == 1
    assert "configures haproxy, and the gateway is nginx" in errors
    assert "configures haproxy, and the gateway is nginx" in report


def test_the_log_of_another_product_is_told_as_of_no_connection_here(capsys: Capsys) -> None:
    path = GATEWAYS / "haproxy-missing-root" / "haproxy.log"
    status, report, _ = analysed(capsys, "--gateway", "nginx", "--log", path)
    assert status == 1
    assert "1 line speaks of a handshake that no connection of this capture fits" in report


@pytest.mark.parametrize(
    "content",
    [b"", b"Dear all,\n", bytes(range(256)) * 64, b'{"traceEntries": {"backend": [', b"[" * 200_000, b"x" * 10_000_000],
    ids=["empty", "prose", "binary", "cut JSON", "deep JSON", "one line of 10 MB"],
)
def test_a_log_that_says_nothing_of_handshakes_is_told(content: bytes, tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "gateway.log"
    path.write_bytes(content)
    status, report, _ = analysed(capsys, "--gateway", "nginx", "--log", path)
    assert status == 1
    assert "gateway.log: no line speaks of a TLS handshake" in report


def test_a_log_that_is_not_there_is_an_error(tmp_path: Path, capsys: Capsys) -> None:
    assert main([str(NGINX / "capture.pcap"), "--log", str(tmp_path / "gone.log")]) == 2
    assert "gone.log: there is no such log" in capsys.readouterr().err


def test_the_one_line_of_a_huge_log_is_found(tmp_path: Path, capsys: Capsys) -> None:
    (line,) = (NGINX / "error.log").read_text().splitlines()
    day, clock = line.split()[:2]
    other = f'{day} {clock} [error] 7#7: *{{}} open() "/favicon.ico" failed (2: No such file), client: 10.1.2.3\n'
    path = tmp_path / "error.log"
    path.write_text("".join(map(other.format, range(50_000))) + f"{line}\n")
    status, report, _ = analysed(capsys, "--gateway", "nginx", "--log", path)
    assert status == 1
    assert "error.log:50001" in report

"""nginx, HAProxy, Apache and Java, run for real: they refuse a backend, the report says why, and its kit repairs it.

The kit is followed to the letter: its files are used where its commands name them, and a directive of the kit takes
the place of the product's directive of the same name. Whether that helped is for the product to say.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from captures.record import gateways, lab, pki, products, stacks
from captures.record.products import CHAIN, PRODUCTS, Product

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[2]
CASES = {case.name: case for case in gateways.CASES}
KIT = "kit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A product on the client's host, in `folder`, and the backend that it asks."""

    case: gateways.Case
    product: Product
    wire: lab.Lab
    folder: Path
    programs: Path
    backend: subprocess.Popen[bytes]

    def ask(self) -> gateways.Recorded:
        """Have the product make its request, with tcpdump watching; its log starts anew."""
        (self.folder / self.product.log).unlink(missing_ok=True)
        seen = gateways.watch(
            self.wire,
            lambda: products.ask(
                self.product, self.wire, self.folder, self.programs, host=self.case.host, zone=self.case.zone
            ),
        )
        shutil.copyfile(seen.capture, self.folder / "capture.pcap")
        return seen

    def explain(self, *, status: int = 1) -> dict[str, Any]:
        """Analyse the capture with all that the product's owner has, as a user would, and write the kit."""
        command = [
            sys.executable, "-m", "analyzer", "capture.pcap", "--gateway", self.product.gateway,
            "--config", self.product.configuration, "--log", self.product.log,
            "--truststore", self.product.store, "--truststore-password", pki.STORE_PASSWORD,
            "--candidate", gateways.CANDIDATE, "--fix-dir", KIT, "--format", "json",
        ]  # fmt: skip
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == status, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def lines_of_log(self, numbers: Iterable[int]) -> list[str]:
        """The lines of the product's log with these numbers, which begin with 1."""
        lines = (self.folder / self.product.log).read_text().splitlines()
        return [lines[number - 1] for number in numbers]

    def kit(self) -> list[str]:
        """The names of the files in the kit."""
        folder = self.folder / KIT
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def follow(self, steps: Iterable[str]) -> None:
        """Do what the steps say to the gateway: run keytool, or put directives into the configuration."""
        for step in steps:
            if step.startswith("keytool -importcert"):
                self._import(step)
            elif self.product.gateway == "haproxy":
                self._extend_server_line(step)
            elif step.endswith(";") or step.startswith(("SSLProxy", "ProxyPass ")):
                self._set(step)

    def renew_backend(self, chain: str) -> None:
        """Have the backend send what is in a file of the kit."""
        products.stop(self.backend)
        folder = self.wire.directory / "backend"
        shutil.copyfile(self.folder / KIT / chain, folder / CHAIN)
        products.serve(self.wire, folder)

    def _import(self, step: str) -> None:
        words = [self.product.store if word == "TRUSTSTORE" else word for word in shlex.split(step)]
        command = [*words, "-storepass", pki.STORE_PASSWORD]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=30)

    def _set(self, step: str) -> None:
        """Set a directive of nginx or Apache: where its like stands, or beside the product's other ones for TLS."""
        path = self.folder / self.product.configuration
        lines = path.read_text().splitlines()
        names = [line.split()[0] if line.strip() else "" for line in lines]
        name = step.split()[0]
        if name in names:
            lines[names.index(name)] = step
        else:
            lines.insert(next(place for place, each in enumerate(names) if each in _VERIFYING) + 1, step)
        path.write_text("\n".join(lines) + "\n")

    def _extend_server_line(self, step: str) -> None:
        """Give the words of a `server` line of HAProxy, which are pairs, to the product's own."""
        path = self.folder / self.product.configuration
        text = path.read_text()
        for keyword, value in re.findall(r"(?<!-)\b(ca-file|sni|verifyhost) (\S+)", step):
            text = re.sub(rf" {keyword} \S+", "", text)
            text = re.sub(r"(?m)^( +server \S+ \S+:\d+ .*)$", rf"\1 {keyword} {value}", text)
        path.write_text(text)


_VERIFYING = ("proxy_ssl_verify", "SSLProxyVerify")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled Java programs; empty where there is no JDK."""
    folder: Path = tmp_path_factory.mktemp("programs")
    if not stacks.absent(PRODUCTS["java"].needs):
        stacks.build_programs(folder, ("java",))
    return folder


@pytest.fixture
def bench(request: pytest.FixtureRequest, programs: Path) -> Iterator[Bench]:
    """The product and the backend of a case, ready."""
    case = CASES[request.param]
    product = case.running
    absent = gateways.missing_tools(product)
    if os.geteuid() != 0 or absent:
        pytest.skip(f"{product.title} cannot be run here: {', '.join(absent) or 'that needs root'}")
    with gateways.running_lab(pki.CHAINS[case.chain]) as (wire, backend):
        folder = wire.directory / "product"
        products.install(
            product, folder, host=case.host, store=pki.STORES[case.store], options=case.options, template=case.template
        )
        (folder / gateways.CANDIDATE).write_bytes(pki.pem(("acme-intermediate", "acme-root")))
        yield Bench(case=case, product=product, wire=wire, folder=folder, programs=programs, backend=backend)


def of(*names: str) -> pytest.MarkDecorator:
    """The cases of a test."""
    return pytest.mark.parametrize("bench", names, indirect=True)


def refused(bench: Bench) -> dict[str, Any]:
    """The connection that the product refused, after checking that cause and line of the log are the right ones."""
    report = bench.explain()
    (connection,) = [item for item in report["connections"] if item["outcome"] == "failed"]
    assert connection["cause"]["code"] == bench.case.cause
    told = bench.lines_of_log(line["line"] for line in connection["log_lines"] if line["agrees"])
    assert any(re.search(bench.case.logged, line) for line in told)
    assert report["logs"]["unmatched"] == []
    found: dict[str, Any] = connection
    return found


@of(
    "nginx-missing-root", "nginx-hostname", "nginx-chain-too-long", "haproxy-missing-root", "haproxy-hostname",
    "apache-missing-root", "apache-hostname", "apache-chain-too-long", "java-missing-root", "java-missing-root-nio",
)  # fmt: skip
def test_the_kit_of_a_refused_request_makes_the_next_one_succeed(bench: Bench) -> None:
    assert bench.ask().said.status != 0
    bench.follow(refused(bench)["fixes"][0]["commands"])
    assert bench.ask().said.status == 0
    assert bench.explain(status=0)["summary"]["failed"] == 0


@of("nginx-missing-intermediate", "java-missing-intermediate")
def test_the_kit_repairs_the_backend_where_that_sends_too_little(bench: Bench) -> None:
    assert bench.ask().said.status != 0
    refused(bench)
    (chain,) = [name for name in bench.kit() if name.startswith("fullchain")]
    bench.renew_backend(chain)
    assert bench.ask().said.status == 0
    assert bench.explain(status=0)["summary"]["failed"] == 0


@of("haproxy-expired")
def test_there_is_no_kit_where_a_certificate_has_yet_to_be_issued(bench: Bench) -> None:
    assert bench.ask().said.status != 0
    assert refused(bench)["fixes"][0]["files"] == []
    assert bench.kit() == []

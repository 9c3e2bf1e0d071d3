"""Record the cases of captures/gateways: gateways' products, run for real, with what their owners have at hand.

    python -m captures.record.gateways                       all of them, into captures/gateways/
    python -m captures.record.gateways --only 'nginx-*'      one (or several, or a pattern)
    python -m captures.record.gateways --out DIR             somewhere else

One entry of `CASES` is one folder: `capture.pcap`, the product's configuration as it was given, its log as it wrote
it, its trust store, and `about.json` with what an analysis should find. The cases of products that do not run here
are in `captures.record.source_cases`. Needs root, tcpdump, tshark, and the products; a case whose product is missing
is skipped, and said so.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from captures.record import lab, pki, products, readme, stacks, walk
from captures.record.products import PORT, PRODUCTS, Product
from captures.record.recording import RECORDERS, RecordingError

CANDIDATE = "backend-ca.pem"
"""The file of CA certificates that the backend's owner has sent."""

_SHOWN_CHAIN = "showcerts.txt"
_DEFAULT_OUT = Path(__file__).resolve().parents[1] / "gateways"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One recording of a product.

    - `cause`: what an analysis should find, `None` when all is well
    - `logged`: finds the line of the log that speaks of the failed connection
    - `chain`, `store`: keys of `pki.CHAINS` and `pki.STORES`
    - `tls`: the version that the backend speaks; from 1.3 on its chain is kept as `openssl s_client` sees it
    - `host`: the host that the product is told to ask for; `checks`: the name that it checks, where that differs
    - `options`: further lines (words, for HAProxy) of its configuration; `template`: another configuration
    - `requests`: how many connections there are, each with its line in the log
    - `zone`: the time zone of the product's host
    - `change`: what else differs from the row in `PRODUCTS`
    """

    name: str
    shows: str
    product: str
    cause: str | None
    logged: str = ""
    chain: str = "usual"
    store: str = "with-root"
    tls: str = "1.2"
    host: str = pki.HOST
    checks: str = ""
    options: tuple[str, ...] = ()
    template: str = ""
    requests: int = 1
    zone: str = "UTC"
    change: Callable[[Product], Product] = lambda product: product

    @property
    def running(self) -> Product:
        """The product as this case has it."""
        return self.change(PRODUCTS[self.product])


def _nio(product: Product) -> Product:
    """A selector loop over SSLEngine, which leaves without its alert."""

    def command(programs: Path, _: str) -> list[str]:
        java = ["java", *stacks.JAVA_SETTINGS, "@jvm.options", "-cp", str(programs), "NioClient", pki.HOST]
        return [*java, str(PORT), product.store, "alert=keep", "read=record", "log=yes"]

    return replace(product, title="Java SSLEngine over NIO", command=command)


def _jks(product: Product) -> Product:
    return replace(product, store="truststore.jks", kind="JKS")


_APACHE_DEPTH = "SSLProxyVerifyDepth 2"
_HAPROXY_NAME = f"sni str({pki.HOST}) verifyhost {pki.HOST}"
_JUL_WITH_MILLISECONDS = '"-Djava.util.logging.SimpleFormatter.format=%1$tF %1$tT,%1$tL %4$s [%3$s] %5$s%6$s%n"'
_PKIX = r"^javax\.net\.ssl\.SSLHandshakeException: .*PKIX path building failed"

CASES: tuple[Case, ...] = (
    Case(
        name="nginx-missing-root",
        shows="proxy_ssl_verify, and the root is not in proxy_ssl_trusted_certificate",
        product="nginx",
        cause="missing-root",
        logged=r"upstream SSL certificate verify error: \(20:",
        store="without-root",
    ),
    Case(
        name="nginx-missing-root-local-time",
        shows="the same, on a host whose log is in the time of Berlin",
        product="nginx",
        cause="missing-root",
        logged=r"upstream SSL certificate verify error: \(20:",
        store="without-root",
        zone="Europe/Berlin",
    ),
    Case(
        name="nginx-missing-intermediate",
        shows="the backend sends its leaf alone",
        product="nginx",
        cause="missing-intermediate",
        logged=r"upstream SSL certificate verify error: \(21:",
        chain="leaf-only",
    ),
    Case(
        name="nginx-hostname",
        shows="proxy_pass to an upstream block, whose name is the one that nginx checks",
        product="nginx",
        cause="hostname-mismatch",
        logged=r'upstream SSL certificate does not match "orders_backend"',
        checks="orders_backend",
        template=products.NGINX_UPSTREAM,
    ),
    Case(
        name="nginx-chain-too-long",
        shows="two intermediates where proxy_ssl_verify_depth, by default, allows one; OpenSSL calls that 20",
        product="nginx",
        cause="chain-too-long",
        logged=r"upstream SSL certificate verify error: \(20:",
        chain="deep",
    ),
    Case(
        name="nginx-missing-root-thrice",
        shows="three requests, each with its connection and its line",
        product="nginx",
        cause="missing-root",
        logged=r"upstream SSL certificate verify error: \(20:",
        store="without-root",
        requests=3,
    ),
    Case(
        name="nginx-missing-root-tls13",
        shows="TLS 1.3: the chain is encrypted, and the client leaves behind its Finished",
        product="nginx",
        cause="missing-root",
        logged=r"upstream SSL certificate verify error: \(20:",
        store="without-root",
        tls="1.3",
        options=("proxy_ssl_protocols TLSv1.2 TLSv1.3;",),
    ),
    Case(name="nginx-success", shows="all is well", product="nginx", cause=None),
    Case(
        name="haproxy-missing-root",
        shows="verify required, and the root is not in ca-file; log-format with addresses and ssl_bc_err_str",
        product="haproxy",
        cause="missing-root",
        logged=r"->10\.77\.0\.2:443 ",
        store="without-root",
        options=(_HAPROXY_NAME,),
    ),
    Case(
        name="haproxy-missing-root-thrice",
        shows="three requests, each with its connection and its line",
        product="haproxy",
        cause="missing-root",
        logged=r"->10\.77\.0\.2:443 ",
        store="without-root",
        options=(_HAPROXY_NAME,),
        requests=3,
    ),
    Case(
        name="haproxy-hostname",
        shows="verifyhost names another host, and no SNI is sent, which would be checked instead",
        product="haproxy",
        cause="hostname-mismatch",
        logged=r"->10\.77\.0\.2:443 ",
        checks=pki.OTHER_HOST,
        options=(f"verifyhost {pki.OTHER_HOST}",),
    ),
    Case(
        name="haproxy-expired",
        shows="the backend's certificate has expired",
        product="haproxy",
        cause="expired-leaf",
        logged=r"->10\.77\.0\.2:443 ",
        chain="expired-leaf",
        options=(_HAPROXY_NAME,),
    ),
    Case(
        name="haproxy-missing-root-httplog",
        shows="the root is missing; option httplog, which tells neither address nor reason, and three retries",
        product="haproxy",
        cause="missing-root",
        logged=r"orders/orders1",
        store="without-root",
        options=(_HAPROXY_NAME,),
        template=products.HAPROXY_HTTPLOG,
    ),
    Case(
        name="apache-missing-root",
        shows="SSLProxyVerify require, and the root is not in SSLProxyCACertificateFile",
        product="apache",
        cause="missing-root",
        logged=r"AH02276: Certificate Verification: Error \(20\)",
        store="without-root",
        options=(_APACHE_DEPTH,),
    ),
    Case(
        name="apache-hostname",
        shows="SSLProxyCheckPeerName, and the certificate is for another host",
        product="apache",
        cause="hostname-mismatch",
        logged=r"AH02411",
        host=pki.OTHER_HOST,
        options=(_APACHE_DEPTH,),
    ),
    Case(
        name="apache-chain-too-long",
        shows="one intermediate where SSLProxyVerifyDepth, by default, allows one certificate above the leaf",
        product="apache",
        cause="chain-too-long",
        logged=r"AH02040: Certificate Verification: Certificate Chain too long",
    ),
    Case(
        name="java-missing-root",
        shows="the root is not in the PKCS#12 trust store; java.util.logging with a stack trace",
        product="java",
        cause="missing-root",
        logged=_PKIX,
        store="without-root",
    ),
    Case(
        name="java-missing-root-nio",
        shows="SSLEngine in a selector loop, which leaves without its alert; JKS",
        product="java",
        cause="missing-root",
        logged=_PKIX,
        store="without-root",
        options=(_JUL_WITH_MILLISECONDS,),
        change=lambda product: _nio(_jks(product)),
    ),
    Case(
        name="java-missing-root-tls13",
        shows="TLS 1.3: chain and alert are encrypted",
        product="java",
        cause="missing-root",
        logged=_PKIX,
        store="without-root",
        tls="1.3",
        options=(_JUL_WITH_MILLISECONDS,),
    ),
    Case(
        name="java-missing-root-debug",
        shows="the root is missing; javax.net.debug=ssl:handshake",
        product="java",
        cause="missing-root",
        logged=r"Fatal \(CERTIFICATE_UNKNOWN\): PKIX path building failed",
        store="without-root",
        options=("-Djavax.net.debug=ssl:handshake",),
    ),
    Case(
        name="java-missing-intermediate",
        shows="the backend sends its leaf alone",
        product="java",
        cause="missing-intermediate",
        logged=_PKIX,
        chain="leaf-only",
    ),
    Case(
        name="java-hostname",
        shows="the certificate is for another host; JKS",
        product="java",
        cause="hostname-mismatch",
        logged=rf"No subject alternative DNS name matching {re.escape(pki.OTHER_HOST)} found",
        host=pki.OTHER_HOST,
        options=(_JUL_WITH_MILLISECONDS,),
        change=_jks,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was recorded: the capture, tshark's reading of it, and what the one who asked heard."""

    capture: Path
    packets: tuple[walk.Packet, ...]
    said: lab.Finished


@contextlib.contextmanager
def running_lab(
    chain: tuple[str, ...], *, tls: str = "1.2", delay: float = 0
) -> Iterator[tuple[lab.Lab, subprocess.Popen[bytes]]]:
    """Lay the wire and start a backend that sends `chain`, from the folder `backend` of the lab's directory."""
    names = (pki.HOST, pki.OTHER_HOST)
    with lab.Lab(names=names, family=4, delay=delay) as wire:
        products.write_backend(wire.directory / "backend", chain)
        yield wire, products.serve(wire, wire.directory / "backend", tls=tls)


def watch(wire: lab.Lab, talk: Callable[[], lab.Finished]) -> Recorded:
    """Record what `talk` makes of the wire."""
    recorder, capture = RECORDERS["tcpdump"], wire.directory / "capture.pcap"
    with wire.recording(recorder.command(capture, PORT), ready=recorder.ready, settle=0.4):
        said = talk()
    packets = walk.read(capture, port=PORT, keylog=wire.directory / products.KEYS)
    if not packets:
        raise RecordingError(f"no packet was recorded; the product said:\n{said.output}")
    return Recorded(capture=capture, packets=packets, said=said)


def record(case: Case, out: Path, programs: Path) -> None:
    """Record one case into the folder `out`, which is made afresh. `programs` holds the compiled programs."""
    product = case.running
    with running_lab(pki.CHAINS[case.chain], tls=case.tls) as (wire, _):
        folder = wire.directory / "product"
        products.install(
            product, folder, host=case.host, store=pki.STORES[case.store], options=case.options, template=case.template
        )
        seen = watch(
            wire,
            lambda: products.ask(
                product, wire, folder, programs, host=case.host, zone=case.zone, requests=case.requests
            ),
        )
        if (seen.said.status == 0) != (case.cause is None):
            raise RecordingError(f"it ended with {seen.said.status}: {seen.said.output}")
        begin(out, seen)
        for name in (product.configuration, product.store, product.log):
            if (folder / name).exists():
                shutil.copyfile(folder / name, out / name)
        if case.tls == "1.3":
            (out / _SHOWN_CHAIN).write_text(_show_chain(wire, case.host))
    if case.cause is not None:
        (out / CANDIDATE).write_bytes(pki.pem(("acme-intermediate", "acme-root")))
    version = stacks.version_of(product.version, product.version_pattern)
    write_about(out, {
        "name": case.name,
        "shows": case.shows,
        "gateway": product.gateway,
        "product": f"{product.title} {version}",
        "configuration": [product.configuration],
        "truststore": [product.store],
        "candidates": [CANDIDATE] if case.cause else [],
        "server_chain_file": _SHOWN_CHAIN if case.tls == "1.3" else None,
        "host": case.checks or case.host,
        "zone": case.zone,
        "server_chain": list(pki.digests(pki.CHAINS[case.chain])),
        "expected": expected(seen, case.cause),
        "logs": _logged(case, out / product.log, list(walk.streams(seen.packets))),
    })  # fmt: skip


def begin(out: Path, seen: Recorded) -> None:
    """Make the folder of a case afresh, with the capture in it."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    shutil.copyfile(seen.capture, out / "capture.pcap")


def write_about(out: Path, about: dict[str, Any]) -> None:
    """Write what an analysis should find in the folder of a case."""
    (out / "about.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")


def expected(seen: Recorded, cause: str | None) -> dict[str, Any]:
    """Say what tshark sees of the last connection, which is the one that the log's line is about."""
    stream, packets = list(walk.streams(seen.packets).items())[-1]
    verdict = walk.judge(packets)
    return {
        "outcome": "failed" if cause else "completed",
        "cause": cause,
        "connection": stream,
        "client": local_address(packets),
        "abort_packet": verdict.abort_packet if cause else None,
        "events": walk.events(packets),
    }


def local_address(packets: tuple[walk.Packet, ...]) -> str:
    """Give the client's address and port, from tshark's line about the SYN."""
    return f"{lab.CLIENT_ADDRESS[4]}:{packets[0].info.split()[0]}"


def matching_lines(log: Path, pattern: str) -> list[int]:
    """Give the numbers, from 1, of the lines in which `pattern` is found. Raises `RecordingError` without one."""
    found = [number for number, line in enumerate(log.read_text().splitlines(), 1) if re.search(pattern, line)]
    if not found:
        raise RecordingError(f"no line has {pattern!r}:\n{log.read_text()}")
    return found


def _show_chain(wire: lab.Lab, host: str) -> str:
    """Ask the backend for its chain, as anybody can from anywhere."""
    command = ["openssl", "s_client", "-connect", f"{host}:{PORT}", "-servername", host, "-showcerts"]
    return wire.run(wire.client, [*command, "-no-CAfile", "-no-CApath", "-no-CAstore"], timeout=10).output


def _logged(case: Case, log: Path, streams: list[int]) -> list[dict[str, Any]]:
    """Say which line of the log is about which connection: one each, or the first about the last connection."""
    if not case.logged:
        return []
    lines = matching_lines(log, case.logged)
    pairs = zip(lines, streams, strict=True) if case.requests > 1 else [(lines[0], streams[-1])]
    return [{"file": log.name, "line": line, "connection": stream} for line, stream in pairs]


def missing_tools(product: Product) -> tuple[str, ...]:
    """Name what this machine lacks to run a product."""
    return stacks.absent((*lab.NEEDS, *product.needs))


def main(arguments: list[str] | None = None) -> int:
    """Record what the command line asks for; give the exit status."""
    from captures.record.source_cases import SOURCE_CASES

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a case, or a pattern")
    parser.add_argument("--out", type=Path, default=_DEFAULT_OUT, metavar="DIR", help="default: captures/gateways/")
    options = parser.parse_args(arguments)
    recordings: dict[str, tuple[tuple[str, ...], Callable[[Path, Path], None]]] = {
        case.name: (missing_tools(case.running), functools.partial(record, case)) for case in CASES
    }
    recordings |= {name: (stacks.absent((*lab.NEEDS, *case.needs)), case.record) for name, case in SOURCE_CASES.items()}
    if os.geteuid() != 0:
        print("cannot record: network namespaces need root", file=sys.stderr)
        return 2
    lab.remove_leftovers()
    failed = 0
    with tempfile.TemporaryDirectory(prefix=f"hsa-{os.getpid()}-") as programs:
        stacks.build_programs(Path(programs), ("java",))
        for name, (absent, recorded) in recordings.items():
            if options.only and not any(fnmatch.fnmatch(name, pattern) for pattern in options.only):
                continue
            if absent:
                print(f"skipped   {name}: {', '.join(absent)} not installed")
                continue
            try:
                recorded(options.out / name, Path(programs))
                print(f"recorded  {name}", flush=True)
            except (RecordingError, lab.LabError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"FAILED    {name}: {error}", flush=True)
    update_readme(options.out)
    return 1 if failed else 0


def update_readme(folder: Path) -> None:
    """Write the table of the cases into `folder`/README.md, if there is one."""
    path = folder / "README.md"
    if not path.exists():
        return
    lines = [
        "| folder | what it shows | product | cause | ended in packet | in the log |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for file in sorted(folder.glob("*/about.json")):
        about = json.loads(file.read_text())
        logged = ", ".join(f"`{log['file']}` line {log['line']}" for log in about["logs"]) or "-"
        cause = f"`{about['expected']['cause']}`" if about["expected"]["cause"] else "-"
        cells = (
            f"`{file.parent.name}/`",
            about["shows"],
            about["product"],
            cause,
            str(about["expected"]["abort_packet"] or "-"),
            logged,
        )
        lines.append(f"| {' | '.join(cells)} |")
    path.write_text(readme.replace_block(path.read_text(), "cases", "\n".join(lines)))


if __name__ == "__main__":
    sys.exit(main())

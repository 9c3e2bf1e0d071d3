"""Client stacks that the lab does without: they are not in Debian, are large, or are slow to start.

`python -m captures.record.fetch` makes their programs, which are called `hsa-NAME` and have to be on the PATH;
Debian's chromium is found as it is. The lab's own cases do not use them.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from captures.record.lab import Finished
from captures.record.stacks import Client, Job

_ERROR = re.compile(r"^error: (.*)$", re.MULTILINE)


def _by_url(name: str, *, unit: float = 1, suffix: str = "", program: str = "", more: tuple[str, ...] = ()) -> Client:
    """A program that takes a URL, the anchors and its patience, in `1/unit` seconds."""

    def talk(job: Job) -> Finished:
        patience = f"{job.patience * unit:g}{suffix}"
        return _run(job, [program or f"hsa-{name}", job.url, str(job.bundle), patience, *more, *job.client_options])

    return _client(name, talk, program=program)


def _by_host(name: str) -> Client:
    """A program that takes host, port, the anchors and its patience in seconds."""

    def talk(job: Job) -> Finished:
        return _run(job, [f"hsa-{name}", job.host, str(job.port), str(job.bundle), f"{job.patience:.0f}"])

    return _client(name, talk)


def _uv(job: Job) -> Finished:
    """Ask for a package, which no server of the lab has: that uv got an answer is told by its words."""
    command = ["hsa-uv", "pip", "install", "--no-config", "--no-cache", "--target", "packages", "--index-url", job.url]
    settings = {"SSL_CERT_FILE": str(job.bundle), "UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": f"{job.patience:.0f}"}
    return _asked(_run(job, [*command, "hello"], settings), r"not found in the package registry|No solution found")


def _grpc(job: Job) -> Finished:
    """Ask for a call, which no server of the lab answers: who waits for the answer is done with TLS."""
    command = ["hsa-grpc", job.host, str(job.port), str(job.bundle), f"{job.patience:.0f}"]
    return _asked(_run(job, command, {"GRPC_DNS_RESOLVER": "native"}), "Deadline Exceeded")


def _dotnet(job: Job) -> Finished:
    (job.lab.directory / "no-certificates").mkdir()
    settings = {"SSL_CERT_FILE": str(job.bundle), "SSL_CERT_DIR": str(job.lab.directory / "no-certificates")}
    return _run(job, ["hsa-dotnet", job.host, str(job.port), f"{job.patience * 1000:.0f}"], settings)


def _mono(job: Job) -> Finished:
    """Ask by Mono. Its trust anchors are files named by their subject's hash in the user's folder."""
    trust = job.lab.directory / ".config/.mono/new-certs/Trust"
    trust.mkdir(parents=True)
    for anchor in _anchors(job):
        naming = ["openssl", "x509", "-noout", "-subject_hash"]
        name = subprocess.run(naming, input=anchor, capture_output=True, text=True, check=True, timeout=10).stdout
        (trust / f"{name.strip()}.0").write_text(anchor)
    settings = {"HOME": str(job.lab.directory), "XDG_CONFIG_HOME": str(job.lab.directory / ".config")}
    return _run(job, ["hsa-mono", job.host, str(job.port), f"{job.patience * 1000:.0f}"], settings)


def _chromium(job: Job) -> Finished:
    """Ask by Chromium, which takes the user's own anchors from an NSS database."""
    home = job.lab.directory / "home"
    database = home / ".pki/nssdb"
    database.mkdir(parents=True)
    _run(job, ["certutil", "-N", "-d", f"sql:{database}", "--empty-password"])
    for number, anchor in enumerate(_anchors(job)):
        command = ["certutil", "-A", "-n", f"anchor-{number}", "-t", "C,,", "-a", "-d", f"sql:{database}"]
        job.lab.run(job.lab.client, command, timeout=10, stdin=anchor.encode())
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    quiet = ["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0"]
    settings = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    return _asked(
        job.lab.run(
            job.lab.client, [*command, *quiet, f"--user-data-dir={home}/data", "--dump-dom", job.url],
            timeout=30, environment=settings,
        ),
        r"hello|s_server|Ciphers supported",
    )  # fmt: skip


def _anchors(job: Job) -> list[str]:
    end = "-----END CERTIFICATE-----\n"
    return [f"{anchor}{end}" for anchor in Path(job.bundle).read_text().split(end)[:-1]]


def _asked(done: Finished, answer: str) -> Finished:
    """Judge by its words a program whose exit status does not tell whether it got an answer."""
    return Finished(output=done.output, status=0 if re.search(answer, done.output) else done.status or 1)


def _run(job: Job, command: list[str], environment: dict[str, str] | None = None) -> Finished:
    return job.lab.run(job.lab.client, command, timeout=job.patience + 5, environment=environment)


def _client(
    name: str,
    talk: Callable[[Job], Finished],
    *,
    program: str = "",
    errors: re.Pattern[str] = _ERROR,
) -> Client:
    title, profile, pattern = _ABOUT[name]
    program = program or f"hsa-{name}"
    return Client(
        title=title,
        talk=talk,
        errors=errors,
        needs=(program,),
        version=(program, "--version"),
        version_pattern=pattern,
        profile=profile,
    )


_NUMBER = r"(\d+\.\d+[\w.+-]*)"
_ABOUT: dict[str, tuple[str, str, str]] = {
    "go122": ("Go net/http", "go", r"go(\d+\.\d+[\w.]*)"),
    "go125": ("Go net/http", "go", r"go(\d+\.\d+[\w.]*)"),
    "go127": ("Go net/http", "go", r"go(\d+\.\d+[\w.]*)"),
    "java11": ("Java HttpsURLConnection", "java", r'version "([^"]+)"'),
    "java21": ("Java HttpsURLConnection", "java", r'version "([^"]+)"'),
    "java25": ("Java HttpsURLConnection", "java", r'version "([^"]+)"'),
    "node18": ("Node https", "openssl", _NUMBER),
    "node22": ("Node https", "openssl", _NUMBER),
    "node24": ("Node https", "openssl", _NUMBER),
    "openssl35": ("libcurl/OpenSSL", "openssl-partial", r"libcurl/(\S+ OpenSSL/\S+)"),
    "boringssl": ("libcurl/BoringSSL", "openssl-partial", r"libcurl/(\S+)"),
    "boringssl-chrome": ("libcurl/BoringSSL as Chrome", "openssl-partial", r"libcurl/(\S+)"),
    "bun": ("Bun fetch (BoringSSL)", "boringssl", _NUMBER),
    "grpc": ("gRPC (BoringSSL)", "boringssl", _NUMBER),
    "chromium": ("Chromium", "", r"Chromium (\S+)"),
    "deno": ("Deno fetch (rustls)", "webpki", _NUMBER),
    "uv": ("uv (rustls)", "webpki", _NUMBER),
    "s2n": ("awscrt (s2n-tls)", "openssl-partial", _NUMBER),
    "dotnet": (".NET SslStream (OpenSSL 1.1.1)", "dotnet", _NUMBER),
    "mono": ("Mono SslStream (BoringSSL)", "", _NUMBER),
    "wolfssl": ("wolfSSL", "", _NUMBER),
    "mbedtls": ("Mbed TLS", "", _NUMBER),
}
"""Title, the analyzer's profile of the validator, and where the version stands in what the program says of itself."""

FURTHER: dict[str, Client] = {
    **{name: _by_url(name, suffix="s") for name in ("go122", "go125", "go127")},
    **{name: _by_url(name, unit=1000) for name in ("java11", "java21", "java25")},
    **{name: _by_url(name, unit=1000) for name in ("node18", "node22", "node24", "bun", "deno")},
    **{name: _by_url(name) for name in ("openssl35", "boringssl")},
    "boringssl-chrome": _by_url("boringssl-chrome", program="hsa-boringssl", more=("chrome136",)),
    **{name: _by_host(name) for name in ("s2n", "wolfssl", "mbedtls")},
    "uv": _client("uv", _uv, errors=re.compile(r"((?:client error|invalid peer certificate|error:|received).*)")),
    "grpc": _client("grpc", _grpc),
    "dotnet": _client("dotnet", _dotnet),
    "mono": _client("mono", _mono),
    "chromium": _client(
        "chromium", _chromium, program="chromium", errors=re.compile(r"(handshake failed.*|net_error.*|ERR_\w+)")
    ),
}

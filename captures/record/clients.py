"""The client stacks: how each is started, and where it says why it failed."""

from __future__ import annotations

import re
import sys

from captures.record.before_tls import BEFORE_TLS_CLIENTS
from captures.record.further import FURTHER
from captures.record.lab import Finished
from captures.record.proxies import PROXIES
from captures.record.stacks import JAVA_SETTINGS, PROGRAMS, REQUEST, Client, Job


def _curl(job: Job) -> Finished:
    command = [
        "curl", "--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{size_download} bytes",
        "--cacert", str(job.bundle), "--capath", "/dev/null", "--http1.1", "--max-time", f"{job.patience:g}",
        "--resolve", f"{job.host}:{job.port}:{job.address}", *job.client_options, job.url,
    ]  # fmt: skip
    return _run(job, command)


def _curl_plain(job: Job) -> Finished:
    """Ask in plain HTTP on the port of TLS."""
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", f"{job.patience:g}"]
    command += ["--resolve", f"{job.host}:{job.port}:{job.address}", f"http://{job.host}:{job.port}/"]
    return _run(job, command)


def _openssl(job: Job) -> Finished:
    command = [
        "openssl", "s_client", "-connect", f"{job.address}:{job.port}", "-servername", job.host,
        "-verify_hostname", job.host, "-verify_return_error", "-CAfile", str(job.bundle),
        "-no-CApath", "-no-CAstore", "-ign_eof", *job.client_options,
    ]  # fmt: skip
    return _run(job, command, stdin=REQUEST.encode())


def _python(job: Job) -> Finished:
    program = str(PROGRAMS / "tls_client.py")
    return _run(job, [sys.executable, program, job.host, str(job.port), str(job.bundle), f"{job.patience:g}",
                      *job.client_options])  # fmt: skip


def _go(job: Job) -> Finished:
    command = [str(job.programs / "client"), job.url, str(job.bundle), f"{job.patience:g}s"]
    return _run(job, [*command, *job.client_options])


def _node(job: Job) -> Finished:
    program = str(PROGRAMS / "client.js")
    return _run(job, ["node", program, job.url, str(job.bundle), f"{job.patience * 1000:.0f}",
                      *job.client_options])  # fmt: skip


def _gnutls(job: Job) -> Finished:
    command = [
        "gnutls-cli", "--x509cafile", str(job.bundle), "--port", str(job.port), *job.client_options, job.host,
    ]  # fmt: skip
    return _run(job, command, stdin=REQUEST.encode())


def _wget(job: Job) -> Finished:
    command = [
        "wget", "--no-config", "--no-hsts", "--tries", "1", "--timeout", f"{job.patience:g}",
        "--ca-certificate", str(job.bundle), "--ca-directory", str(job.programs),
        "--output-document", "/dev/null", *job.client_options, job.url,
    ]  # fmt: skip
    return _run(job, command)


def _java_https(job: Job) -> Finished:
    settings = [option for option in job.client_options if option.startswith("-")]
    rest = [option for option in job.client_options if not option.startswith("-")]
    command = ["java", *JAVA_SETTINGS, "-cp", str(job.programs), *settings, "HttpsClient", job.url]
    return _run(job, [*command, str(job.bundle), f"{job.patience * 1000:.0f}", *rest])


def _java_nio(job: Job) -> Finished:
    command = ["java", *JAVA_SETTINGS, "-cp", str(job.programs), "NioClient", job.host, str(job.port)]
    return _run(job, [*command, str(job.bundle), *job.client_options])


def _java_http(job: Job) -> Finished:
    command = ["java", *JAVA_SETTINGS, "-cp", str(job.programs), *job.client_options, "HttpClient11", job.url]
    return _run(job, [*command, str(job.bundle), f"{job.patience * 1000:.0f}"])


def _perl(job: Job) -> Finished:
    return _run(job, ["perl", str(PROGRAMS / "client.pl"), *_plain_arguments(job)])


def _ruby(job: Job) -> Finished:
    return _run(job, ["ruby", str(PROGRAMS / "client.rb"), *_plain_arguments(job)])


def _php(job: Job) -> Finished:
    return _run(job, ["php", "-n", str(PROGRAMS / "client.php"), job.url, str(job.bundle), f"{job.patience:g}"])


def _libcurl_gnutls(job: Job) -> Finished:
    command = ["/usr/bin/python3", str(PROGRAMS / "client_libcurl.py"), job.url, str(job.bundle)]
    return _run(job, [*command, f"{job.patience:g}"])


def _leaving(job: Job) -> Finished:
    command = [sys.executable, str(PROGRAMS / "leaving_client.py"), job.host, str(job.port), str(job.bundle)]
    return _run(job, [*command, *job.client_options])


def _erlang(job: Job) -> Finished:
    call = f'client:main(["{job.host}","{job.port}","{job.bundle}","{job.patience * 1000:.0f}"]).'
    return _run(job, ["erl", "-noshell", "-pa", str(job.programs), "-eval", call])


def _nss(job: Job) -> Finished:
    """Ask by NSS's test client. It takes its anchors from a database, which certutil makes."""
    folder = job.lab.directory / "nss"
    folder.mkdir()
    _run(job, ["certutil", "-N", "-d", f"sql:{folder}", "--empty-password"])
    for number, anchor in enumerate(job.bundle.read_text().split("-----END CERTIFICATE-----\n")[:-1]):
        text = f"{anchor}-----END CERTIFICATE-----\n".encode()
        _run(job, ["certutil", "-A", "-n", f"anchor-{number}", "-t", "C,,", "-a", "-d", f"sql:{folder}"], stdin=text)
    command = ["tstclnt", "-h", job.host, "-p", str(job.port), "-d", f"sql:{folder}", "-V", "tls1.2:tls1.3"]
    # Once it has its answer it waits for the server to close, however long that takes.
    done = job.lab.run(
        job.lab.client, [*command, *job.client_options], timeout=min(job.patience, 3), stdin=REQUEST.encode()
    )
    return Finished(output=done.output, status=0 if "HTTP/1" in done.output else done.status or 1)


def _plain_arguments(job: Job) -> list[str]:
    return [job.host, str(job.port), str(job.bundle), f"{job.patience:g}"]


def _run(job: Job, command: list[str], stdin: bytes = b"") -> Finished:
    # Stacks that can give up by themselves get the time to do so first.
    return job.lab.run(job.lab.client, command, timeout=job.patience + 5, stdin=stdin)


CLIENTS: dict[str, Client] = {
    "curl": Client(
        title="curl",
        talk=_curl,
        errors=re.compile(r"^(curl: \(\d+\).*)$", re.MULTILINE),
        needs=("curl",),
        version=("curl", "--version"),
        profile="openssl-partial",
    ),
    "curl-plain": Client(
        title="curl without TLS",
        talk=_curl_plain,
        errors=re.compile(r"^(curl: \(\d+\).*)$", re.MULTILINE),
        needs=("curl",),
        version=("curl", "--version"),
    ),
    "openssl": Client(
        title="openssl s_client",
        talk=_openssl,
        errors=re.compile(r"^(verify error:.*|.*:error:.*|connect:errno=.*|.*Connection refused.*)$", re.MULTILINE),
        needs=("openssl",),
        version=("openssl", "version"),
        profile="openssl",
    ),
    "python": Client(
        title="Python ssl",
        talk=_python,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=(),
        version=(sys.executable, "--version"),
        profile="openssl",
    ),
    "leaving": Client(
        title="Python ssl, leaving in the middle",
        talk=_leaving,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=(),
        version=(sys.executable, "--version"),
    ),
    "go": Client(
        title="Go net/http",
        talk=_go,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("go",),
        version=("go", "version"),
        version_pattern=r"go(\d+\.\d+[\w.]*)",
        profile="go",
    ),
    "node": Client(
        title="Node https",
        talk=_node,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("node",),
        version=("node", "--version"),
        profile="openssl",
    ),
    "gnutls": Client(
        title="gnutls-cli",
        talk=_gnutls,
        errors=re.compile(r"^(?:- Status: |\*\*\* )(.*)$", re.MULTILINE),
        needs=("gnutls-cli",),
        version=("gnutls-cli", "--version"),
        profile="gnutls",
    ),
    "wget": Client(
        title="GNU wget/GnuTLS",
        talk=_wget,
        errors=re.compile(r"^(ERROR: .*|.*failed: .*|The certificate's owner .*)$", re.MULTILINE),
        needs=("wget",),
        version=("wget", "--version"),
        profile="gnutls",
    ),
    "java": Client(
        title="Java HttpsURLConnection",
        talk=_java_https,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("java", "javac"),
        version=("java", "-version"),
        version_pattern=r'version "([^"]+)"',
        profile="java",
    ),
    "java-nio": Client(
        title="Java SSLEngine over NIO",
        talk=_java_nio,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("java", "javac"),
        version=("java", "-version"),
        version_pattern=r'version "([^"]+)"',
        profile="java",
    ),
    "java-http": Client(
        title="java.net.http",
        talk=_java_http,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("java", "javac"),
        version=("java", "-version"),
        version_pattern=r'version "([^"]+)"',
        profile="java",
    ),
    "perl": Client(
        title="Perl IO::Socket::SSL",
        talk=_perl,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("perl",),
        version=("perl", "-MIO::Socket::SSL", "-e", "print $IO::Socket::SSL::VERSION"),
        profile="openssl-partial",
    ),
    "ruby": Client(
        title="Ruby Net::HTTP",
        talk=_ruby,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("ruby",),
        version=("ruby", "--version"),
        profile="openssl",
    ),
    "php": Client(
        title="PHP https stream",
        talk=_php,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("php",),
        version=("php", "--version"),
        profile="openssl",
    ),
    "libcurl-gnutls": Client(
        title="libcurl/GnuTLS",
        talk=_libcurl_gnutls,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("/usr/bin/python3",),
        version=("/usr/bin/python3", "-c", "import pycurl; print(pycurl.version)"),
        version_pattern=r"libcurl/(\S+ GnuTLS/\S+)",
        profile="gnutls",
    ),
    "erlang": Client(
        title="Erlang ssl",
        talk=_erlang,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("erl", "erlc"),
        version=(
            "erl",
            "-noshell",
            "-eval",
            "application:load(ssl), {ok, V} = application:get_key(ssl, vsn), io:format(V), halt().",
        ),
    ),
    "nss": Client(
        title="NSS tstclnt",
        talk=_nss,
        errors=re.compile(r"^(tstclnt: .*(?:fail|err|Err).*)$", re.MULTILINE),
        needs=("tstclnt", "certutil"),
        version=("dpkg-query", "--show", "libnss3"),
    ),
} | (PROXIES | FURTHER | BEFORE_TLS_CLIENTS)

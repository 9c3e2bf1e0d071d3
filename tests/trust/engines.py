"""The validators of this machine, asked directly: libcrypto and libgnutls through ctypes, JSSE through one JVM.

Each oracle answers `None` for an accepted chain and the engine's own text for a refused one. They raise
`UnavailableError` where the library or tool is missing.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any


class UnavailableError(Exception):
    """The engine is not on this machine."""


def is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _library(name: str, least: str) -> ctypes.CDLL:
    found = ctypes.util.find_library(name)
    if found is None:
        raise UnavailableError(f"lib{name} is not installed")
    library = ctypes.CDLL(found)
    if not hasattr(library, least):
        raise UnavailableError(f"lib{name} is too old: it has no {least}")
    return library


class OpenSsl:
    """`X509_verify_cert` as `openssl verify -purpose sslserver -attime -verify_hostname` calls it."""

    PARTIAL_CHAIN = 0x80000

    def __init__(self) -> None:
        lib = _library("crypto", "X509_STORE_CTX_set_purpose")
        for function in (
            "X509_STORE_new", "d2i_X509", "OPENSSL_sk_new_null", "X509_STORE_CTX_new", "X509_STORE_CTX_get0_param",
        ):  # fmt: skip
            getattr(lib, function).restype = ctypes.c_void_p
        lib.X509_verify_cert_error_string.restype = ctypes.c_char_p
        lib.OpenSSL_version.restype = ctypes.c_char_p
        lib.X509_VERIFY_PARAM_set_flags.argtypes = (ctypes.c_void_p, ctypes.c_ulong)
        lib.X509_VERIFY_PARAM_set_time.argtypes = (ctypes.c_void_p, ctypes.c_long)
        self.lib = lib
        self.version = lib.OpenSSL_version(0).decode()

    def _certificate(self, der: bytes) -> Any:
        buffer = ctypes.c_char_p(der)
        parsed = self.lib.d2i_X509(None, ctypes.byref(buffer), ctypes.c_long(len(der)))
        return ctypes.c_void_p(parsed) if parsed else None

    def verify(
        self, chain: Sequence[bytes], anchors: Sequence[bytes], host: str | None, at: datetime, *, partial: bool = False
    ) -> str | None:
        lib = self.lib
        store = ctypes.c_void_p(lib.X509_STORE_new())
        context = ctypes.c_void_p(lib.X509_STORE_CTX_new())
        untrusted = ctypes.c_void_p(lib.OPENSSL_sk_new_null())
        made = [self._certificate(der) for der in (*chain, *anchors)]
        try:
            if None in made:
                return "parse: a certificate cannot be read"
            for anchor in made[len(chain) :]:
                lib.X509_STORE_add_cert(store, anchor)
            for certificate in made[1 : len(chain)]:
                lib.OPENSSL_sk_push(untrusted, certificate)
            lib.X509_STORE_CTX_init(context, store, made[0], untrusted)
            lib.X509_STORE_CTX_set_purpose(context, 2)
            parameters = ctypes.c_void_p(lib.X509_STORE_CTX_get0_param(context))
            lib.X509_VERIFY_PARAM_set_time(parameters, int(at.timestamp()))
            if partial:
                lib.X509_VERIFY_PARAM_set_flags(parameters, self.PARTIAL_CHAIN)
            if host is not None and is_address(host):
                lib.X509_VERIFY_PARAM_set1_ip_asc(parameters, host.encode())
            elif host is not None:
                lib.X509_VERIFY_PARAM_set1_host(parameters, host.encode(), ctypes.c_size_t(len(host)))
            if lib.X509_verify_cert(context) == 1:
                return None
            error = lib.X509_STORE_CTX_get_error(context)
            depth = lib.X509_STORE_CTX_get_error_depth(context)
            text = lib.X509_verify_cert_error_string(ctypes.c_long(error)).decode()
            return f"error {error} at {depth} depth lookup: {text}"
        finally:
            lib.X509_STORE_CTX_free(context)
            lib.OPENSSL_sk_free(untrusted)
            lib.X509_STORE_free(store)
            for certificate in made:
                lib.X509_free(certificate)


class _Datum(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_uint)]


class _TypedData(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("data", ctypes.c_char_p), ("size", ctypes.c_uint)]


class GnuTls:
    """`gnutls_x509_trust_list_verify_crt2` with the purpose of a TLS server and a host name."""

    SERVER = b"1.3.6.1.5.5.7.3.1"

    def __init__(self) -> None:
        lib = _library("gnutls", "gnutls_x509_trust_list_verify_crt2")
        for function in (lib.gnutls_check_version, lib.gnutls_strerror):
            function.restype = ctypes.c_char_p
        self.lib = lib
        self.version = lib.gnutls_check_version(None).decode()
        self._clock_type = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.POINTER(ctypes.c_long))
        self._moment = 0
        self._clock = self._clock_type(self._now)
        lib.gnutls_global_set_time_function(self._clock)

    def _now(self, target: Any) -> int:
        if target:
            target[0] = self._moment
        return self._moment

    def verify(self, chain: Sequence[bytes], anchors: Sequence[bytes], host: str | None, at: datetime) -> str | None:
        lib = self.lib
        self._moment = int(at.timestamp())
        made = []
        for der in (*chain, *anchors):
            certificate = ctypes.c_void_p()
            lib.gnutls_x509_crt_init(ctypes.byref(certificate))
            made.append(certificate)
            code = lib.gnutls_x509_crt_import(certificate, ctypes.byref(_Datum(der, len(der))), 0)
            if code < 0:
                return str(lib.gnutls_strerror(code).decode())
        trust = ctypes.c_void_p()
        lib.gnutls_x509_trust_list_init(ctypes.byref(trust), 0)
        stored = (ctypes.c_void_p * max(len(anchors), 1))(*made[len(chain) :])
        lib.gnutls_x509_trust_list_add_cas(trust, stored, len(anchors), 0)
        sent = (ctypes.c_void_p * len(chain))(*made[: len(chain)])
        data = [_TypedData(2, self.SERVER, 0)]
        if host is not None:
            data.append(_TypedData(1, host.encode(), 0))
        wanted = (_TypedData * len(data))(*data)
        status = ctypes.c_uint()
        low = 2 << 24
        code = lib.gnutls_x509_trust_list_verify_crt2(
            trust, sent, len(chain), wanted, len(data), low, ctypes.byref(status), None
        )
        if code < 0:
            return f"error {code}"
        if status.value == 0:
            return None
        text = _Datum()
        lib.gnutls_certificate_verification_status_print(status, 1, ctypes.byref(text), 0)
        return (text.data or b"").decode()


class _Conversation:
    """A program that answers one line for each line of a case."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def verify(self, chain: Sequence[bytes], anchors: Sequence[bytes], host: str | None, at: datetime) -> str | None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        sent, stored = (",".join(b64encode(der).decode() for der in group) for group in (chain, anchors))
        self.process.stdin.write(f"{int(at.timestamp())} {host or '-'} {sent} {stored}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        return None if answer == "ok" else answer

    def close(self) -> None:
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.wait(timeout=20)
        self.process.stdout.close()  # type: ignore[union-attr]


class Jsse(_Conversation):
    """`TrustManagerFactory("PKIX")` with endpoint identification HTTPS, in one JVM for many cases."""

    QUICK_START = ("-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

    def __init__(self, workplace: Path) -> None:
        java, javac = shutil.which("java"), shutil.which("javac")
        if java is None or javac is None:
            raise UnavailableError("java and javac are not installed")
        source = Path(__file__).parent / "oracles" / "JsseOracle.java"
        compiling = [f"-J{flag}" for flag in self.QUICK_START]
        subprocess.run(
            [javac, *compiling, "-nowarn", "-d", str(workplace), str(source)], check=True, capture_output=True
        )
        super().__init__([java, *self.QUICK_START, "-cp", str(workplace), "JsseOracle"])


class GoX509(_Conversation):
    """crypto/x509 `Certificate.Verify` as crypto/tls calls it, in one process for many cases."""

    def __init__(self, workplace: Path) -> None:
        go = shutil.which("go")
        if go is None:
            raise UnavailableError("go is not installed")
        source = Path(__file__).parent / "oracles" / "x509_oracle.go"
        program = workplace / "x509_oracle"
        environment = {**os.environ, "GOCACHE": str(workplace / "cache"), "GO111MODULE": "off", "GOFLAGS": ""}
        subprocess.run([go, "build", "-o", str(program), str(source)], check=True, capture_output=True, env=environment)
        said = subprocess.run([go, "version"], check=True, capture_output=True, text=True).stdout
        version = re.search(r"go(\d+)\.(\d+)", said)
        self.version = (int(version[1]), int(version[2])) if version else (0, 0)
        super().__init__([str(program)])


@cache
def openssl() -> OpenSsl:
    return OpenSsl()


@cache
def gnutls() -> GnuTls:
    return GnuTls()

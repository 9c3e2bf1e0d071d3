"""What is known of gateway products: which validator they follow, their words, their error texts, their repair steps.

A product is data: one module in `products/` that holds a `PRODUCT`, found by walking the folder. The texts are
templates; `Facts` fills them in. Every product names its sources: an address, or `measured` with what was run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cache
from types import MappingProxyType
from typing import Final, Literal

from analyzer.dataclass import dataclass
from analyzer.errors import InputError

__all__ = ["KINDS", "Form", "Kind", "Product", "Words", "catalogue", "kind_of_cause", "lines", "product_of"]

Kind = Literal["store", "chain", "certificate", "host", "depth"]
KINDS: Final[tuple[Kind, ...]] = ("store", "chain", "certificate", "host", "depth")
"""What a repair changes: the gateway's store, the chain that the backend sends, a certificate that has to be issued
anew, the name that is asked for, the limit on the path's length."""

_KIND_OF_CAUSE: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("missing-root", "self-signed-leaf", "root-key-mismatch", "anchor-not-self-signed", "expired-root"), "store"
        ),
        **dict.fromkeys(("missing-intermediate", "wrong-chain-order"), "chain"),
        **dict.fromkeys(("hostname-mismatch", "hostname-only-in-cn"), "host"),
        "chain-too-long": "depth",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the product calls the two ends and the store, each with its article, as in the middle of a sentence.

    `client` is the part that opens the connection to the backend and validates, `server` the backend, `store` the
    place of the trusted certificates, `leg` the connection between the two, `front` the part that clients connect to.
    """

    client: str
    server: str
    store: str
    leg: str
    front: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the product takes certificates.

    `together`: all in one PEM file, which replaces the one in use, so what is in use goes in too; else one file each,
    added to what is there, unless `afresh`: then a new store takes the place of the one in use. `encoding` and
    `suffix` are those of the files. `intermediates`: those of the path are wanted beside the root. `places` names the
    product's own stores by role (`root`, `intermediate`, `leaf`).
    """

    together: bool = True
    afresh: bool = False
    encoding: Literal["pem", "der"] = "pem"
    suffix: str = ".pem"
    intermediates: bool = False
    places: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Product:
    """One product.

    `profile` is the validator that it follows, None when it verifies nothing; `nearest` says why that one, where the
    product's own was not measured. `verify_depth` is the product's default limit on intermediates, `depth_setting`
    its name. `store` says where the trusted certificates live and what they look like there; `form` is None when no
    certificate of one's own can be put there, and `closed` says why.

    `errors`: cause code -> what the product logs or answers, to be looked for; `certificate` stands for any cause of
    the server's certificate without a row of its own, and a code may be followed by `:leaf-only`, `:root-sent` or
    `:address` (the host is an address) where the words differ. Placeholders: `{host}`, `{server}` (address and port),
    `{port}`, `{error}` (the validator's own text), `{number}` and `{reason}` (OpenSSL's number and text in it).

    `repairs`: kind of repair -> lines of commands, or of comments (`# ...`) where there is no command. A line with
    `{file}`, `{alias}` or `{place}` is repeated for each certificate. Further placeholders: `{bundle}` (all
    certificates in one file), `{fullchain}`, `{host}`, `{server}`, `{port}`, `{depth}` (the limit on intermediates) and
    `{depth_with_root}` (the same for products that count the root). `notes` are told in every report.
    """

    name: str
    title: str
    profile: str | None
    nearest: str = ""
    verify_depth: int | None = None
    depth_setting: str = ""
    words: Words
    store: str
    form: Form | None = Form()
    closed: str = ""
    errors: Mapping[str, tuple[str, ...]]
    repairs: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...]

    @property
    def tried(self) -> bool:
        """Whether something of it was measured, rather than read."""
        return any(source.startswith("measured") for source in self.sources)

    def errors_for(self, code: str, variants: Sequence[str], *, of_certificate: bool) -> tuple[str, ...]:
        """The templates of what the product says for a cause, the most specific row that there is."""
        keys = [f"{code}:{variant}" for variant in variants] + [code] + (["certificate"] if of_certificate else [])
        return next((self.errors[key] for key in keys if key in self.errors), ())

    def repair_for(self, kind: Kind) -> tuple[str, ...]:
        """The templates of the steps for a kind of repair."""
        return self.repairs.get(kind) or BACKEND_REPAIRS.get(kind, ())


def lines(text: str) -> tuple[str, ...]:
    """The lines of a text, without indentation and empty ones; runs of spaces count as one."""
    return tuple(re.sub(r" +", " ", line.strip()) for line in text.splitlines() if line.strip())


BACKEND_REPAIRS: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        "chain": lines("""
            # The backend's owner installs {fullchain}: the leaf first, then each issuer, without the root.
            # nginx: ssl_certificate; Apache: SSLCertificateFile; HAProxy: crt, with the key behind it in one file
            # Java: keytool -importcert -alias SERVER -file {fullchain} -keystore KEYSTORE, under the alias of the key
            openssl s_client -connect {server} -servername {host} -showcerts </dev/null
        """),
        "certificate": lines("""
            # The backend's owner has the certificate issued anew, and installs it with its intermediates.
            openssl s_client -connect {server} -servername {host} -showcerts </dev/null
        """),
        "depth": lines("""
            # There is no setting for the length of a path here: the backend has to send a shorter chain, in order.
        """),
    }
)
"""Steps that are not the gateway's but the backend's, whatever the gateway is."""


@cache
def catalogue() -> Mapping[str, Product]:
    """All products by name, in alphabetical order."""
    from importlib import import_module
    from pkgutil import iter_modules

    from analyzer.gateways import products

    found: dict[str, Product] = {}
    for module in iter_modules(products.__path__):
        product: Product = import_module(f"{products.__name__}.{module.name}").PRODUCT
        found[product.name] = product
    return MappingProxyType(dict(sorted(found.items())))


def product_of(name: str) -> Product:
    """The product of that name; capitals, spaces and underscores do not matter. Raises `InputError`."""
    known = catalogue()
    key = re.sub(r"[\s_]+", "-", name.strip().lower())
    if key in known:
        return known[key]
    from difflib import get_close_matches

    near = get_close_matches(key, known, n=3, cutoff=0.5) or [item for item in known if key and key in item][:3]
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise InputError("--gateway", f"there is no gateway {name!r}", hint=f"{hint}There are: {', '.join(known)}")


def kind_of_cause(code: str) -> Kind:
    """What has to change for a cause of the server's certificate; most of them need a new certificate."""
    return _KIND_OF_CAUSE.get(code, "certificate")

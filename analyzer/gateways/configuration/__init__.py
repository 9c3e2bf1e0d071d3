"""A product's own configuration: whom it connects to, by which name, what it verifies and against which store.

A module of this folder without a leading underscore is a form of configuration and holds `FORMAT`, found by walking
the folder. `recognise` looks at the content, never at a name. Forms take a `File` and give a `Configuration`; none
opens a file, none raises. Passwords and keys are not kept, but for the password that opens a store.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import field
from functools import cache, cached_property
from importlib import import_module
from typing import Any, Final

from analyzer.dataclass import dataclass
from analyzer.structured import (
    Element,
    StructureError,
    decoded,
    documents,
    looks_like_json,
    looks_like_xml,
    read_json,
    read_xml,
)
from analyzer.trust.stores import Contents, Trouble

__all__ = ["MOST_TARGETS", "Configuration", "Endpoint", "File", "Format", "Store", "Target", "read"]

MOST_TARGETS: Final = 5_000
"""Of one file: a gateway with as many backends has them in a database."""


class File:
    """The content of a configuration file, read as what a form asks for, once. `name` is safe to print."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data

    @cached_property
    def text(self) -> str:
        """The content as text; empty where it is binary."""
        binary = b"\0" in self.data[:4096] and self.data[:2] not in (b"\xff\xfe", b"\xfe\xff")
        return "" if binary else decoded(self.data)

    @cached_property
    def values(self) -> tuple[Any, ...]:
        """The values of a JSON or YAML file; none where it is neither."""
        return documents(self.data)

    @cached_property
    def xml(self) -> Element | None:
        """The outermost element of an XML file; None where it is none."""
        try:
            return read_xml(self.text) if looks_like_xml(self.data) else None
        except StructureError:
            return None

    def fault(self) -> str:
        """What is wrong with a file that no form recognised: the end of a sentence that begins with its name."""
        if not self.data.strip():
            return "the file is empty"
        if not self.text:
            return "is binary, no configuration; give the product's own text, JSON, YAML or XML"
        try:
            if looks_like_xml(self.data):
                name = read_xml(self.text).name
                return f"is XML (<{name[:60]}>) of no product's configuration that is known here"
            if looks_like_json(self.data):
                read_json(self.text)
                return "is JSON of no product's configuration or management interface that is known here"
        except StructureError as error:
            return str(error)
        return "is no configuration of a product that is known here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a target is: a name or an address, and the port, None where it is not told."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One backend as a product reaches it; None where the configuration does not tell.

    `checked_name` is the name that the backend's certificate has to bear, `server_name` the one that is sent (SNI);
    `endpoints` is empty where anything may be meant. `verifies_dates` tells whether dates are looked at even where
    the chain is not. `stores` names the trust stores (`Configuration.stores`). `place` is `file:line`, or the path in
    the file. `notes` are remarks on the configuration alone.
    """

    name: str
    product: str
    place: str
    endpoints: tuple[Endpoint, ...] = ()
    server_name: str | None = None
    sends_server_name: bool | None = None
    checked_name: str | None = None
    verifies_chain: bool | None = None
    verifies_name: bool | None = None
    verifies_dates: bool | None = None
    verify_depth: int | None = None
    stores: tuple[str, ...] = ()
    client_certificate: bool | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A trust store that a configuration names.

    `path` is a file or directory where it names one, `contents` what it holds where that stands in the configuration.
    """

    name: str
    path: str | None = None
    contents: Contents | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What one file says. `product` is the name of the product (`analyzer.gateways`)."""

    product: str
    targets: tuple[Target, ...] = ()
    stores: tuple[Store, ...] = ()
    problems: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A form of configuration: its name for people, `recognise(file)` and `read(file)`. Neither raises."""

    name: str
    recognise: Callable[[File], bool]
    read: Callable[[File], Configuration]


def read(file: File) -> Configuration | None:
    """What the file says; None where no form recognises it."""
    known = next((form for form in _formats() if form.recognise(file)), None)
    return known.read(file) if known is not None else None


@cache
def _formats() -> tuple[Format, ...]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return tuple(import_module(f"{__name__}.{name}").FORMAT for name in names)

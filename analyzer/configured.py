"""The files of `--config`: what a product's configuration and management interface say, read for one run.

A file may be a configuration, a listing of trusted certificates, or both. The trust stores that a configuration names
are read where they lie beside it, and only when the user gave none.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.gateways.configuration import Configuration, File, Store, Target, read
from analyzer.gateways.expectation import Seen, Wanted, target_of
from analyzer.report import model
from analyzer.report.model import InputProblem
from analyzer.trust.anchors import Anchors
from analyzer.trust.certificate import printable
from analyzer.trust.store import TrustStore, read_stores, store_of, together
from analyzer.trust.stores import Contents, format_of

__all__ = ["Configured", "read_configurations"]

MOST_BYTES: Final = 32 << 20
"""Of one file."""
_MOST_FILES: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One file that was read."""

    path: Path
    name: str
    configuration: Configuration
    listed: Contents | None


_KIN: Final = (
    frozenset({"nginx", "ingress-nginx", "kong", "apisix"}),
    frozenset({"envoy", "istio"}),
    frozenset({"apigee-edge", "apigee-x"}),
    frozenset({"azure-apim", "azure-apim-selfhosted"}),
    frozenset({"java", "spring", "mulesoft", "wso2"}),
)
"""Products that are configured in one form."""


class Configured:
    """What the configuration says. `store` is all trust stores in it and beside it; None where there are none."""

    def __init__(self, parts: Sequence[_Part], problems: Sequence[InputProblem], *, stores_wanted: bool) -> None:
        self._parts = tuple(parts)
        self.sources = tuple(part.name for part in parts)
        self.targets = tuple(target for part in parts for target in part.configuration.targets)
        self.problems = list(problems)
        self._stores: dict[str, TrustStore] = {}
        listed = [(part.name, part.listed) for part in parts if part.listed is not None]
        self.listed = store_of(listed) if listed else None
        for part in parts:
            self._read_stores(part, stores_wanted=stores_wanted)
        every = [*([self.listed] if self.listed is not None else []), *self._stores.values()]
        self.store = together(every) if every else None
        self._anchors: dict[tuple[str, ...], Anchors] = {}

    @property
    def product(self) -> str | None:
        """The product whose configuration it is; None where there are none or several."""
        products = {target.product for target in self.targets}
        return products.pop() if len(products) == 1 else None

    def expect(self, gateway: str) -> None:
        """Tell of the files that configure another product than the gateway that was named."""
        kin = next((names for names in _KIN if gateway in names), frozenset({gateway}))
        for part in self._parts:
            others = sorted({target.product for target in part.configuration.targets} - kin)
            if others:
                text = f"configures {', '.join(others)}, and the gateway is {gateway}: see whether it is the right file"
                self.problems.append(_problem(part.name, "other-product", text, "warning"))

    def target_of(self, seen: Seen) -> Wanted | None:
        """The target that a connection goes to."""
        return target_of(self.targets, seen) if self.targets else None

    def store_for(self, target: Target | None) -> tuple[tuple[str, ...], TrustStore | None]:
        """The store by which connections of a target are judged, and a key that is equal for equal stores.

        That which the target names; where it is not at hand, or there is no target, all that was listed.
        """
        named = tuple(name for name in target.stores if name in self._stores) if target is not None else ()
        if named:
            return named, together([self._stores[name] for name in named])
        return ("",), self.listed if self.listed is not None or target is not None else self.store

    def info(self) -> model.Configuration:
        """The configuration as reports show it."""
        return model.Configuration(
            sources=self.sources,
            targets=tuple(
                model.ConfiguredTarget(
                    name=target.name,
                    product=target.product,
                    place=target.place,
                    endpoints=tuple(map(str, target.endpoints)),
                    server_name=target.server_name,
                    sends_server_name=target.sends_server_name,
                    checked_name=target.checked_name,
                    verifies_chain=target.verifies_chain,
                    verifies_name=target.verifies_name,
                    verify_depth=target.verify_depth,
                    stores=tuple(printable(name) for name in target.stores),
                    client_certificate=target.client_certificate,
                    notes=target.notes,
                )
                for target in self.targets
            ),
            problems=tuple(self.problems),
        )

    def _read_stores(self, part: _Part, *, stores_wanted: bool) -> None:
        for store in part.configuration.stores:
            if store.name in self._stores:
                continue
            if store.contents is not None:
                self._stores[store.name] = store_of([(f"{part.name} ({printable(store.name)})", store.contents)])
                continue
            if not stores_wanted:
                continue
            found = _beside(store, part.path)
            if found is not None:
                self._stores[store.name] = read_stores([found], store.password)
            elif self.listed is None:
                what = f"names the trust store {printable(store.name)}, which is not at hand"
                text = f"{what}; give it with --truststore, or lay the file beside this one"
                self.problems.append(_problem(part.name, "store-not-at-hand", text, "warning"))


def read_configurations(paths: Iterable[str | Path], password: str | None, *, stores_wanted: bool) -> Configured:
    """Read the files of `--config`; `stores_wanted`: the trust stores that they name are to be read too.

    Nothing raises: a file that cannot be used is a problem of the severity `error`.
    """
    parts: list[_Part] = []
    problems: list[InputProblem] = []
    for path in _files(paths, problems):
        name = printable(str(path))
        data = _content(path, problems)
        if data is None:
            continue
        file = File(name, data)
        configuration = read(file)
        known = format_of(data)
        listed = known.read(data, password) if known is not None else None
        if configuration is not None and any(store.contents is not None for store in configuration.stores):
            listed = None  # each of its stores belongs to a target
        if listed is not None and configuration is not None and not (listed.entries or listed.named):
            listed = None
        if configuration is None and listed is None:
            problems.append(_problem(name, "not-a-configuration", file.fault(), "error"))
            continue
        configuration = configuration or Configuration(product="")
        problems += [_problem(name, told.code, told.text, told.severity) for told in configuration.problems]
        parts.append(_Part(path=path, name=name, configuration=configuration, listed=listed))
    return Configured(parts, problems, stores_wanted=stores_wanted)


def _files(paths: Iterable[str | Path], problems: list[InputProblem]) -> Iterator[Path]:
    """The files; those of a directory are taken by name, one level deep."""
    for path in map(Path, paths):
        try:
            if not path.is_dir():
                yield path
                continue
            inside = sorted(item for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
        except OSError as error:
            problems.append(
                _problem(printable(str(path)), "unreadable-file", f"cannot be read: {error.strerror}", "error")
            )
            continue
        yield from inside[:_MOST_FILES]


def _content(path: Path, problems: list[InputProblem]) -> bytes | None:
    name = printable(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        problems.append(_problem(name, "missing-file", "there is no such file", "error"))
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        problems.append(_problem(name, "unreadable-file", f"cannot be read: {reason or error}", "error"))
        return None
    if len(data) > MOST_BYTES:
        text = f"has more than {MOST_BYTES >> 20} MiB, which no product's configuration has"
        problems.append(_problem(name, "too-large", text, "error"))
        return None
    return data


def _beside(store: Store, configuration: Path) -> Path | None:
    """The file or directory that a configuration names, where it lies beside it or is an absolute path that exists."""
    if store.path is None:
        return None
    written = PurePosixPath(store.path.replace("\\", "/"))
    folder = configuration.parent
    places = (
        [folder / written.name, Path(store.path)]
        if written.is_absolute()
        else [folder / written, folder / written.name]
    )
    for place in places:
        try:
            mode = place.stat().st_mode
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and place.resolve() != folder.resolve()):
            return place
    return None


def _problem(source: str, code: str, text: str, severity: str) -> InputProblem:
    return InputProblem(code=code, text=text, source=source, severity=severity)

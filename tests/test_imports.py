"""The architecture, as far as imports show it: one direction, and nothing heavy before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "analyzer"
STAGES = (
    "capture",
    "net",
    "tls",
    "wireshark",
    "trust",
    "diagnosis",
    "gateways",
    "outputs",
    "report",
    "inputs",
    "configured",
    "judging",
    "inspection",
    "reading",
    "verdicts",
    "live",
    "pipeline",
    "commands",
    "cli",
)
"""From left to right: a stage imports only stages to its left."""
GROUND = {"dataclass", "errors", "registry", "second_process", "structured", "wire"}
"""What every stage may import."""
MODULES = sorted(PACKAGE.rglob("*.py"))
RENDERERS = [p for p in MODULES if p.parent.name == "report" and p.stem.startswith(("to_", "layout"))]
HEAVY = ("numpy", "cryptography", "scapy", "rich", "tabulate", "zstandard", "idna")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(path: Path) -> Iterator[str]:
    """The modules of this package that a module imports, anywhere in it and for types too."""
    own = name_of(path).split(".")
    package = own if path.name == "__init__.py" else own[:-1]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def stage(module: str) -> str | None:
    """The stage of a module of this package; None for the package itself and for other packages."""
    parts = module.split(".")
    return parts[1] if parts[0] == "analyzer" and len(parts) > 1 and not parts[1].startswith("__") else None


def stages_imported(path: Path) -> set[str]:
    names = {stage(module) for module in imported(path)}
    return {name for name in names if name is not None and name in {*STAGES, *GROUND}}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_stage_imports_only_stages_to_its_left(path: Path) -> None:
    own = stage(name_of(path))
    if own is None:
        return
    assert own in {*STAGES, *GROUND}, f"{own} has no place among the stages"
    if own in GROUND:
        assert stages_imported(path) <= GROUND
    else:
        assert stages_imported(path) <= {*STAGES[: STAGES.index(own) + 1], *GROUND}


@pytest.mark.parametrize("path", [p for p in MODULES if stage(name_of(p)) == "trust"], ids=name_of)
def test_trust_takes_der_bytes_and_knows_neither_tls_nor_packets(path: Path) -> None:
    assert not stages_imported(path) & {"capture", "net", "tls"}


@pytest.mark.parametrize("path", RENDERERS, ids=name_of)
def test_renderers_know_the_report_and_nothing_behind_it(path: Path) -> None:
    assert not stages_imported(path) & {"capture", "net", "tls", "diagnosis"}
    assert "analyzer.trust.model" in imported(path) or "trust" not in stages_imported(path)


def test_there_are_renderers() -> None:
    assert {"to_json", "to_markdown", "to_text"} <= {path.stem for path in RENDERERS}


CAUSES = [p for p in MODULES if p.parent.name == "causes" and p.stem != "__init__"]


@pytest.mark.parametrize("path", CAUSES, ids=lambda p: p.stem)
def test_a_cause_looks_at_its_case_and_touches_no_bytes(path: Path) -> None:
    assert not stages_imported(path) & {"capture", "report", "pipeline", "cli"}
    assert not {"analyzer.wire", "analyzer.tls.messages.parse"} & set(imported(path))


OPENERS = {
    "analyzer.capture.source": "captures",
    "analyzer.capture.foreign": "captures that were converted",
    "analyzer.capture.ring": "captures in a ring buffer",
    "analyzer.wireshark.reader": "captures and key logs for tshark",
    "analyzer.trust.store": "trust stores",
    "analyzer.inputs": "a saved chain, key logs, logs of products",
    "analyzer.configured": "a gateway's configuration",
    "analyzer.commands.output": "the report that is written",
    "analyzer.outputs": "the repair kit that is written",
    "analyzer.cli": "nowhere, when standard output was closed",
    "analyzer.report.to_json": "the schema, which lies in the package",
}
"""The modules that open files, and which."""
OPENING = {"open", "read_bytes", "read_text", "write_bytes", "write_text", "iterdir", "glob", "rglob"}
CLOCKS = {
    "analyzer.trust.check": "the moment of a check that was given none",
    "analyzer.inspection": "the same, of a chain or store that no capture dates",
    "analyzer.capture.source": "whether somebody still writes to a file",
}


def opened(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            if name in OPENING and len(node.args) < 3:  # opening a file takes two at most, a cipher's `open` three
                found.add(name)
    return found


def test_few_modules_open_files() -> None:
    assert {name_of(path): opened(path) for path in MODULES if name_of(path) not in OPENERS and opened(path)} == {}


def calls(path: Path) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)}


def test_no_module_reads_the_clock_but_where_no_capture_tells_the_time() -> None:
    clocks = {"time.time", "datetime.now", "datetime.utcnow", "date.today"}
    assert {name_of(path) for path in MODULES if calls(path) & clocks} <= set(CLOCKS)


def test_no_module_touches_the_network() -> None:
    network = {"urllib.request", "http.client", "requests", "ssl", "socketserver", "asyncio"}
    assert [name_of(path) for path in MODULES if network & set(imported(path))] == []
    assert [name_of(path) for path in MODULES if calls(path) & {"socket.socket", "socket.create_connection"}] == []


def modules_loaded_by(code: str) -> set[str]:
    """The modules that are loaded after some code ran in a fresh interpreter, its output not on a terminal."""
    ask = f"{code}\nimport sys\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    return set(done.stderr.split())


def loaded_by(code: str) -> set[str]:
    """The packages of these modules."""
    return {name.split(".")[0] for name in modules_loaded_by(code)}


@pytest.mark.parametrize(
    "code",
    [
        "import analyzer",
        "import analyzer.errors, analyzer.wire",
        "from analyzer import InputError",
        "import analyzer.report.model",
    ],
)
def test_importing_the_package_loads_nothing_heavy(code: str) -> None:
    assert not loaded_by(code) & set(HEAVY)


def test_analysing_common_packets_loads_no_scapy(captures: Path) -> None:
    code = f"from analyzer.pipeline import analyze\nanalyze({str(captures / 'playbook.pcap')!r})"
    assert "scapy" not in loaded_by(code)


UNUSED = {
    "scapy": "reads uncommon packets only",
    "rich": "colours a terminal, and draws a progress bar there",
    "zstandard": "opens compressed certificates and captures only",
    "idna": "for host names that are not ASCII",
    "yaml": "reads what products write of themselves only",
    "xml.parsers.expat": "likewise",
    "cryptography.x509": "certificates are read by `trust.certificate`; a key alone is loaded to verify a signature",
    "cryptography.hazmat.primitives.serialization.pkcs12": "opened by `trust.stores.pkcs12`",
    "analyzer.trust.stores.pkcs12": "a format of a store that was not named",
    "analyzer.trust.stores.jks": "likewise",
    "analyzer.trust.ocsp": "reads staples only",
    "analyzer.report.redact": "was not asked for",
    "analyzer.tls.decryption": "opens records with keys, of which there are none",
    "analyzer.tls.sealed": "likewise",
    "analyzer.tls.keylog": "likewise",
    "analyzer.diagnosis.page": "the pages of causes belong to `explain`",
    "analyzer.gateways.products": "no product was named",
    "analyzer.report.product": "likewise",
    "analyzer.inspection": "is behind `check` and `store`",
    "analyzer.capture.foreign": "converts what is neither pcap nor pcapng",
    "analyzer.diagnosis.flight": "speaks where a chain is hidden",
    "analyzer.gateways.kit": "no repair kit was asked for",
    "analyzer.gateways.wording": "no product was named",
    "analyzer.structured": "reads what products write of themselves only",
    "analyzer.trust.constraints": "no certificate constrains names",
    "analyzer.trust.named": "the store names no certificate that it does not hold",
}
"""What a run on a small capture must not import, since a user waits for it; and why it need not."""
RENDERING = {"analyzer.report.layout", "analyzer.report.document", "analyzer.report.to_text"}


def modules_of_a_run(captures: Path, form: str) -> set[str]:
    words = [str(captures / "playbook.pcap"), "--truststore", str(captures / "stores/without-root"), "--format", form]
    return modules_loaded_by(f"from analyzer.cli import main\nassert main({words!r}) == 1")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_small_run_imports_only_what_it_uses(captures: Path, form: str) -> None:
    loaded = modules_of_a_run(captures, form)
    assert {"analyzer.pipeline", "analyzer.trust.repair"} <= loaded
    assert {name: why for name, why in UNUSED.items() if name in loaded} == {}
    assert RENDERING & loaded == (RENDERING if form == "text" else set())


def own(loaded: set[str]) -> set[str]:
    return {name for name in loaded if name.split(".")[0] == "analyzer"}


def test_a_small_run_imports_few_modules(captures: Path) -> None:
    """Each costs about a millisecond where no bytecode may be written; the causes, all asked, are counted apart."""
    loaded = own(modules_of_a_run(captures, "text"))
    assert len({name for name in loaded if not name.startswith("analyzer.diagnosis.causes.")}) < 138


def test_the_version_is_told_without_what_makes_a_report() -> None:
    loaded = modules_loaded_by(
        "from analyzer.cli import main\ntry:\n    main(['--version'])\nexcept SystemExit:\n    pass"
    )
    assert not {name.split(".")[0] for name in loaded} & {*HEAVY, "dataclasses"}
    assert not {"analyzer.pipeline", "analyzer.report", "analyzer.trust"} & loaded
    assert len(own(loaded)) < 15


def test_checking_a_chain_or_a_store_loads_nothing_of_the_captures_stages() -> None:
    loaded = loaded_by("import analyzer.inspection")
    assert not loaded & {"numpy", "scapy"}


def test_what_the_package_promises_is_there() -> None:
    import analyzer

    assert {"InputError", "check", "__version__"} <= set(analyzer.__all__)
    for name in analyzer.__all__:
        assert getattr(analyzer, name) is not None

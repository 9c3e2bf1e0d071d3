"""The catalogue of causes: every code has its unit, every unit a whole page, and the generated docs are fresh."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from analyzer.commands import analyze
from analyzer.diagnosis.certificate import SERVER_CERTIFICATE_CODES
from analyzer.diagnosis.engine import catalogue, page
from analyzer.diagnosis.page import HEADINGS, facts, page_markdown, sections

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "analyzer" / "diagnosis" / "causes"
TOOL = ROOT / "tools" / "make_cause_docs.py"
CODES = tuple(catalogue())
LONGEST_LINE = 120
LONGEST_TITLE = 90
PAGE_LINES = range(25, 61)
OPTIONS_OF_OTHER_TOOLS = {"--cert-status", "--pskkey"}

each_code = pytest.mark.parametrize("code", CODES)


def unit(code: str) -> Path:
    return UNITS / f"{code.replace('-', '_')}.py"


def _text(path: Path) -> str:
    return path.read_text("utf-8")


def _has_its_own_test(code: str) -> bool:
    source = _text(unit(code))
    return "def look(" in source and "client_refused(" not in source


def codes_in(text: str) -> set[str]:
    return set(re.findall(r"^- `([a-z-]+)`:", text, re.MULTILINE))


@pytest.mark.shared
def test_every_code_of_the_shared_catalogue_has_a_unit(shared: Path) -> None:
    cells = re.findall(r"^\| (`.*?) \|", _text(shared / "causes.md"), re.MULTILINE)
    promised = re.findall(r"`([a-z-]+)`", " ".join(cells))
    assert len(promised) > 40
    assert set(promised) <= set(CODES)


def test_every_file_is_named_for_its_code() -> None:
    files = {path.stem.replace("_", "-") for path in UNITS.glob("*.py")} - {"--init--"}
    assert files == set(CODES)


def test_the_shared_test_of_certificates_knows_each_unit_that_is_built_on_it() -> None:
    built = {code for code in CODES if "certificate_cause(" in _text(unit(code))}
    assert built == SERVER_CERTIFICATE_CODES


@each_code
def test_a_title_names_the_fault_in_one_short_phrase(code: str) -> None:
    title = catalogue()[code].title
    assert title[0].isupper()
    assert title[-1].isalnum() or title[-1] == ")"
    assert "\n" not in title
    assert len(title) <= LONGEST_TITLE


def test_no_two_causes_have_the_same_title() -> None:
    assert len({cause.title for cause in catalogue().values()}) == len(CODES)


@each_code
def test_a_page_begins_with_the_title_as_a_sentence(code: str) -> None:
    first, blank, *_ = page(code).split("\n")
    assert first == f"{catalogue()[code].title}."
    assert blank == ""


@each_code
def test_a_page_has_all_headings_in_order_and_text_under_each(code: str) -> None:
    found = sections(code)
    assert tuple(found) == HEADINGS
    assert all(found.values())


@each_code
def test_a_page_is_neither_a_stub_nor_an_essay(code: str) -> None:
    assert page(code).count("\n") + 1 in PAGE_LINES


@each_code
def test_no_line_of_a_page_is_too_long(code: str) -> None:
    assert max(map(len, page_markdown(code).splitlines())) <= LONGEST_LINE


@each_code
def test_a_page_shows_in_every_terminal(code: str) -> None:
    text = page_markdown(code)
    assert text.isascii()
    assert set(text) - {"\n"} == {c for c in text if c.isprintable()}


@each_code
def test_no_code_span_is_left_open(code: str) -> None:
    assert all(paragraph.count("`") % 2 == 0 for paragraph in page(code).split("\n\n"))


@pytest.mark.parametrize("code", [code for code in CODES if _has_its_own_test(code)])
def test_what_a_page_says_of_confidence_is_what_its_test_can_give(code: str) -> None:
    names = {node.id for node in ast.walk(ast.parse(_text(unit(code)))) if isinstance(node, ast.Name)}
    given = {name.lower() for name in names & {"CERTAIN", "LIKELY", "POSSIBLE"}}
    assert set(facts(code).confidence) == given


@each_code
def test_a_page_names_the_network_where_its_test_does(code: str) -> None:
    assert 'aborted_by="network"' not in _text(unit(code)) or "network" in facts(code).aborted_by


@each_code
def test_a_page_says_who_aborts(code: str) -> None:
    who = set(facts(code).aborted_by.split(", or "))
    assert who <= {"client", "server", "network", "nobody known"}


@each_code
def test_other_causes_are_told_apart_by_codes_that_exist(code: str) -> None:
    others = codes_in(sections(code)["Not to be confused with"])
    assert others
    assert others <= set(CODES) - {code}


@each_code
def test_options_that_a_page_names_are_on_the_command_line(code: str) -> None:
    known = {
        option for action in analyze.parser()._actions for option in action.option_strings
    } | OPTIONS_OF_OTHER_TOOLS
    text = page(code)
    own_commands = " ".join(line for line in text.splitlines() if line.strip().startswith("hsanalyze "))
    assert set(re.findall(r"`(--[a-z-]+)", text) + re.findall(r" (--[a-z-]+)", own_commands)) <= known


@each_code
def test_a_cause_covers_causes_that_exist(code: str) -> None:
    assert set(catalogue()[code].covers) <= set(CODES) - {code}


def test_no_two_causes_cover_each_other() -> None:
    reached: dict[str, set[str]] = {}

    def below(code: str, above: tuple[str, ...]) -> set[str]:
        assert code not in above, f"{' covers '.join((*above, code))}"
        if code not in reached:
            covers = catalogue()[code].covers
            reached[code] = set(covers).union(*(below(other, (*above, code)) for other in covers))
        return reached[code]

    assert all(code not in below(code, ()) for code in CODES)


def test_nothing_is_covered_by_unexplained() -> None:
    assert catalogue()["unexplained"].covers == ()


def test_an_unknown_code_has_no_page() -> None:
    with pytest.raises(KeyError):
        page_markdown("no-such-cause")


def test_the_rules_of_confidence_stand_in_each_page_of_a_certificate_fault() -> None:
    shared_by = {code for code in CODES if "weighed alike" in page_markdown(code)}
    assert shared_by == SERVER_CERTIFICATE_CODES - {"revoked"}


def test_the_generated_pages_are_fresh() -> None:
    run = _make("--check")
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_stale_a_missing_and_a_left_over_page_are_found_and_repaired(tmp_path: Path) -> None:
    assert _make("--into", str(tmp_path)).returncode == 0
    (tmp_path / "missing-root.md").write_text("changed")
    (tmp_path / "weak-key.md").unlink()
    (tmp_path / "gone.md").write_text("a cause that was")
    run = _make("--check", "--into", str(tmp_path))
    assert run.returncode == 1
    assert {line.split()[0] for line in run.stdout.splitlines()} == {"missing-root.md", "weak-key.md", "gone.md"}
    assert _make("--into", str(tmp_path)).returncode == 0
    assert _make("--check", "--into", str(tmp_path)).returncode == 0


def test_links_between_generated_pages_lead_somewhere() -> None:
    folder = ROOT / "docs" / "causes"
    pages = sorted(folder.glob("*.md"))
    assert len(pages) > len(catalogue())
    for path in pages:
        targets = re.findall(r"(?:\]\(|\]: )([^)\s]+\.md)", _text(path))
        assert all((folder / target).is_file() for target in targets), path.name


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(TOOL), *arguments], capture_output=True, text=True, check=False)

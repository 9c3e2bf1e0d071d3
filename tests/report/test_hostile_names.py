from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from analyzer.report.characters import cells, clean, shorten, split_cells
from analyzer.report.model import Report
from analyzer.report.redact import redact
from analyzer.report.to_json import to_json
from analyzer.report.to_markdown import to_markdown
from analyzer.report.to_text import to_text

Change = Callable[[Report, Callable[[str], str]], Report]

FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
SGR = re.compile(r"\x1b\[[0-9;]*m")
PASTED = re.compile(r"\s*\$ |.*[0-9a-f]{64}|.*frame\.number in|.*tcp\.stream in")
CRAFTED = [
    "\x1b[2J\x1b]0;owned\x07",
    "a\r\nNo TLS handshake failed",
    "\u202egpj.exe",
    "\u2066x\u2069",
    "\x9b31m",
    "| a | b |",
    "a\\|b",
    "`` ` ```",
    "```\n# heading",
    "<script>alert(1)</script>",
    "<!--",
    "[text](https://evil.example/)",
    "![x](//evil.example/x.png)",
    "https://evil.example",
    "www.evil.example",
    "@everyone",
    "mail@evil.example",
    "#1",
    "- [ ] x",
    "1. x",
    "> x",
    "&lt;b&gt;",
    "*x*",
    "__x__",
    "~~x~~",
    ":tada:",
    "---",
    "===",
    "\ud800",
    "\ufdd0",
    "証明書",
    "e" + "\u0301" * 500,
    ("e" + "\u0301" * 500) * 3,
    "\u0301" * 300,
    "x" * 5000,
    "",
    " ",
    "CN=" + "a," * 300,
]

hostile = st.one_of(
    st.sampled_from(CRAFTED),
    st.text(max_size=60),
    st.text(alphabet="`|\\<>[]()!*_~#@&:/-. \n\x1b\u202ea1", max_size=40),
    st.lists(st.sampled_from(CRAFTED), max_size=3).map("".join),
)


def parsed(markdown: str) -> tuple[set[str], list[list[int]]]:
    """The kinds of tokens in a Markdown text, and the number of cells in each row of each table."""
    kinds: set[str] = set()
    tables: list[list[int]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        kinds |= {token.type, *(child.type for child in token.children or ())}
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append(0)
        elif token.type in ("th_open", "td_open"):
            tables[-1][-1] += 1
    return kinds, tables


@pytest.mark.parametrize("name", CRAFTED)
def test_no_crafted_name_reaches_the_terminal_raw(name: str, mixed: Report, every_string: Change) -> None:
    text = to_text(every_string(mixed, lambda _: name), all_connections=True)
    assert not FORBIDDEN.search(text)
    assert "\nNo TLS handshake failed" not in text


def test_no_name_reaches_the_terminal_raw(mixed: Report, every_string: Change) -> None:
    @given(name=hostile)
    @settings(max_examples=25, deadline=None)
    def check(name: str) -> None:
        # Commands among which is a comment are a file's lines: they have no prompt, and are not wrapped either.
        name = f"x{name}" if name.startswith("#") else name
        report = every_string(mixed, lambda _: name)
        text = to_text(report)
        assert not FORBIDDEN.search(text)
        assert SGR.sub("", to_text(report, colour=True)) == text
        for line in text.splitlines():
            assert cells(line) <= 100 or PASTED.match(line), line

    check()


def test_no_name_becomes_markup_in_a_ticket(mixed: Report, every_string: Change) -> None:
    plain_kinds, plain_tables = parsed(to_markdown(mixed))
    widths = {1 + row for table in plain_tables for row in table}

    @given(before=hostile, after=hostile)
    @settings(max_examples=25, deadline=None)
    def check(before: str, after: str) -> None:
        markdown = to_markdown(every_string(mixed, lambda text: f"{before} {text} {after}"))
        kinds, tables = parsed(markdown)
        assert not FORBIDDEN.search(markdown)
        assert kinds <= plain_kinds | {"code_inline"}
        assert [table[0] for table in tables] == [table[0] for table in plain_tables]
        assert all(len(set(table)) == 1 for table in tables)
        unfenced = re.sub(r"^ *(```+).*?^ *\1$", "", markdown, flags=re.DOTALL | re.MULTILINE)
        assert all(line.count("|") in widths for line in unfenced.splitlines() if line.startswith("| "))

    check()


@pytest.mark.parametrize("name", CRAFTED)
def test_no_crafted_name_becomes_markup(name: str, mixed: Report, every_string: Change) -> None:
    plain_kinds, plain_tables = parsed(to_markdown(mixed))
    kinds, tables = parsed(to_markdown(every_string(mixed, lambda _: name)))
    assert kinds <= plain_kinds | {"code_inline"}
    assert [table[0] for table in tables] == [table[0] for table in plain_tables]
    assert all(len(set(table)) == 1 for table in tables)


def test_json_is_ascii_whatever_the_names(mixed: Report, every_string: Change) -> None:
    @given(name=hostile)
    @settings(max_examples=20, deadline=None)
    def check(name: str) -> None:
        assert not FORBIDDEN.search(to_json(every_string(mixed, lambda _: name)))

    check()


def test_redaction_copes_with_any_name(mixed: Report, every_string: Change) -> None:
    @given(name=hostile)
    @settings(max_examples=20, deadline=None)
    def check(name: str) -> None:
        redacted = redact(every_string(mixed, lambda text: name + text))
        assert redacted.summary == mixed.summary
        assert not FORBIDDEN.search(to_text(redacted))

    check()


def test_a_very_long_name_costs_little_and_is_cut(playbook: Report, every_string: Change) -> None:
    for name in ("A" * 100_000, "ab." * 30_000, "ab c " * 20_000, ",x=y" * 20_000, "\u0301" * 100_000):
        leaf = replace(playbook.connections[2].server_chain[0], subject=f"CN={name}", names=(name,))
        example = replace(playbook.connections[2], server_chain=(leaf,), host=name)
        report = replace(playbook, connections=(example,))
        assert len(to_text(report)) < 100_000
        assert len(to_markdown(report)) < 100_000
        assert name not in to_json(redact(report))


@given(text=st.text())
def test_clean_text_is_printable_and_stays_what_it_was_if_it_was(text: str) -> None:
    assert clean(text).isprintable()
    assert clean(clean(text)) == clean(text)
    if text.isprintable():
        assert clean(text) == text


@given(text=st.text(), limit=st.integers(1, 40))
def test_shortened_text_fits_and_says_that_it_was_cut(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert cells(short) <= limit
    assert short == clean(text) or short.endswith("…")


@given(text=st.text().map(clean), limit=st.integers(0, 40))
def test_split_text_loses_nothing(text: str, limit: int) -> None:
    head, rest = split_cells(text, limit)
    assert head + rest == text
    assert cells(head) <= limit


def test_an_escape_is_shown_not_sent() -> None:
    assert clean("\x1b[31m\u202e\U000e0001\r\n") == "\\x1b[31m\\u202e\\U000e0001  "

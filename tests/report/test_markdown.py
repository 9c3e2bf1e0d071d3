from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from analyzer.report.model import Report
from analyzer.report.to_markdown import to_markdown
from analyzer.report.to_text import to_text

PARSER = MarkdownIt("commonmark").enable("table")


def words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]{4,}", text))


@pytest.mark.parametrize("name", ["playbook", "mixed", "quiet", "accepted_by_this_store"])
def test_the_ticket_says_what_the_terminal_says(name: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    assert words(to_text(report, width=400)) <= words(to_markdown(report)) | {"Note", "Caution"}


def test_it_opens_with_the_verdict(playbook: Report) -> None:
    assert to_markdown(playbook).startswith("**Verdict:** The client 10.1.2.3 refused the certificate of")


def test_a_parser_sees_the_ladder_and_the_commands_as_code(playbook: Report) -> None:
    fences = [(token.info, token.content) for token in PARSER.parse(to_markdown(playbook)) if token.type == "fence"]
    assert (fences[0][0], fences[-1][0]) == ("text", "sh")
    assert "|------------>|   FIN,ACK  <== ends the handshake" in fences[0][1]
    assert fences[-1][1].startswith("keytool -importcert")


def test_host_names_and_packet_numbers_make_no_links(playbook: Report) -> None:
    text = re.sub(r"```.*?```", "", to_markdown(playbook), flags=re.DOTALL)
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert not re.search(r"\w{2,}\.\w{2,}\.example|#\d|@|://", outside)


def test_full_digests_are_given(playbook: Report) -> None:
    for certificate in playbook.connections[2].server_chain:
        assert f"`{certificate.sha256}`" in to_markdown(playbook)

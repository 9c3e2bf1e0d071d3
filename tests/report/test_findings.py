from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.report.findings import findings
from analyzer.report.model import (
    Alert,
    Capture,
    CertificateInfo,
    Connection,
    Diagnosis,
    Finding,
    Report,
    Summary,
    Tls,
    TrustProblem,
    TrustVerdict,
)
from analyzer.report.redact import redact
from analyzer.report.to_json import to_json
from analyzer.report.to_markdown import to_markdown
from analyzer.report.to_text import to_text
from tests.report.conftest import INTERMEDIATE, LEAF, OTHER_ROOT, ROOT, TLS12, certificate

CHAIN = (LEAF, INTERMEDIATE, ROOT)
CUT = (LEAF,)
NEW_LEAF = certificate(
    "CN=api.backend.example,O=Acme Ltd,C=GB", "CN=Partner Root G3,O=Partner AG,C=DE", "leaf", until="2029-01-01"
)
EXPIRED = "expired-leaf"


def seen(
    at: float,
    code: str | None = None,
    *,
    client: str = "10.1.2.3",
    server: str = "10.1.2.4:443",
    sni: str | None = "api.backend.example",
    chain: tuple[CertificateInfo, ...] = CHAIN,
    offered: tuple[str, ...] = ("TLS 1.2",),
    trust: tuple[TrustVerdict, ...] = (),
    alert: str | None = None,
) -> Connection:
    """A connection that began so many seconds after 10:00; one with a cause code failed by it."""
    minutes, seconds = divmod(at, 60)
    tls: Tls | None = None if sni is None else replace(TLS12, sni=sni or None, offered_versions=offered)
    title = (code or "").replace("-", " ")
    named = f"{sni} ({server})" if sni else server
    return Connection(
        id=round(at * 1000),
        client=f"{client}:{40000 + round(at)}",
        server=server,
        started_at=f"2026-11-03T10:{minutes:02.0f}:{seconds:09.6f}Z",
        outcome="failed" if code else "completed",
        aborted_by="client" if code else None,
        abort_packet=7 if code else None,
        abort_act=("alert" if alert else "fin") if code else None,
        stage="server-flight" if code else "data",
        cause=Diagnosis(
            code=code,
            confidence="certain",
            title=title.capitalize(),
            explanation=f"{title}.",
            headline=f"The client {client} refused the certificate of {named}: {title}.",
        )
        if code
        else None,
        alerts=(Alert(packet=7, from_="client", level="fatal", description=alert, number=1, encrypted=False),)
        if alert
        else (),
        tls=tls,
        server_chain=chain if sni is not None else (),
        chain_source="captured" if chain and sni is not None else None,
        trust=trust,
        host=sni or None,
    )


def dead(at: float, server: str, *, client: str = "10.1.2.3", code: str = "connect-timeout") -> Connection:
    item = seen(at, code, server=server, client=client, sni=None)
    assert item.cause is not None
    return replace(item, cause=replace(item.cause, headline=f"The SYN to {server} was never answered."))


def lacks(root: CertificateInfo) -> tuple[TrustVerdict, ...]:
    problem = TrustProblem(code="missing-root", certificate=root.sha256, text="not held")
    return (TrustVerdict(profile="java", accepted=False, error="x", path=(root.sha256,), problems=(problem,)),)


def only(*connections: Connection) -> Finding:
    (finding,) = findings(connections)
    return finding


def notes(*connections: Connection) -> tuple[str, ...]:
    return only(*connections).notes


def report_of(connections: Sequence[Connection]) -> Report:
    failed = sum(item.outcome == "failed" for item in connections)
    return Report(
        capture=Capture(
            files=("x.pcap",),
            format="pcap",
            packets=1,
            bytes=1,
            first_time="2026-11-03T10:00:00Z",
            last_time="2026-11-03T10:59:00Z",
            link_types=("EN10MB",),
        ),
        truststore=None,
        connections=tuple(connections),
        findings=findings(connections),
        summary=Summary(connections=len(connections), completed=len(connections) - failed, failed=failed, incomplete=0),
    )


# What is one finding


def test_one_root_that_the_store_lacks_is_one_finding_whatever_servers_stand_below_it() -> None:
    leaves = [replace(LEAF, sha256=f"{n:064x}") for n in range(5)]
    found = only(
        *(
            seen(
                n, "missing-root", server=f"10.1.2.{n}:443", sni=f"s{n}.example", chain=(leaf, ROOT), trust=lacks(ROOT)
            )
            for n, leaf in enumerate(leaves)
        )
    )
    assert (found.count, len(found.servers), len(found.hosts)) == (5, 5, 5)
    assert found.text == "The client 10.1.2.3 refused the certificates of 5 hosts: missing root."


def test_two_roots_that_the_store_lacks_are_two_findings() -> None:
    two = [
        seen(1, "missing-root", trust=lacks(ROOT)),
        seen(2, "missing-root", chain=(NEW_LEAF, OTHER_ROOT), trust=lacks(OTHER_ROOT)),
    ]
    assert len(findings(two)) == 2


def test_an_expired_leaf_is_one_finding_on_however_many_servers_and_with_whatever_chain() -> None:
    found = only(seen(1, EXPIRED), seen(2, EXPIRED, server="10.1.2.5:443", chain=CUT))
    assert found.servers == ("10.1.2.4:443", "10.1.2.5:443")
    assert found.text.startswith("The client 10.1.2.3 refused the certificate of api.backend.example (10.1.2.4:443 and")
    assert len(findings([seen(1, EXPIRED), seen(2, EXPIRED, chain=(NEW_LEAF,))])) == 2


def test_one_certificate_that_is_asked_for_under_many_names_is_one_finding() -> None:
    found = only(*(seen(n, "hostname-mismatch", sni=f"shop-{n}.example") for n in range(4)))
    assert found.hosts == tuple(f"shop-{n}.example" for n in range(4))
    assert "the certificate of 10.1.2.4:443 for 4 hosts" in found.text


def test_the_number_of_clients_is_said() -> None:
    found = only(*(seen(n, EXPIRED, client=f"10.1.3.{n}") for n in range(3)))
    assert found.clients == 3
    assert found.text.startswith("3 clients refused the certificate of")


def test_ten_dead_addresses_towards_one_client_are_one_finding() -> None:
    found = only(*(dead(n, f"10.9.9.{n}:443") for n in range(10)))
    assert (found.count, len(found.servers), found.clients) == (10, 10, 1)
    assert found.text == "10 servers failed alike towards the client 10.1.2.3: connect timeout."


def test_ports_of_one_address_are_called_so() -> None:
    assert only(dead(1, "10.9.9.9:80"), dead(2, "10.9.9.9:443")).text.startswith("2 ports of 10.9.9.9 failed alike")


def test_a_server_that_also_answers_is_not_lumped_with_the_dead() -> None:
    dying = [dead(n, f"10.9.9.{n}:443") for n in range(3)]
    found = findings([*dying, dead(5, "10.1.2.4:443"), seen(6)])
    assert [item.count for item in found] == [3, 1]


def test_two_named_hosts_that_fail_alike_stay_two_findings_and_three_have_the_client_in_common() -> None:
    several = [seen(n, "server-closed", server=f"10.9.9.{n}:443", sni=f"s{n}.example", chain=()) for n in range(3)]
    assert [item.count for item in findings(several[:2])] == [1, 1]
    assert only(*several).count == 3


def test_servers_that_fail_towards_different_clients_stay_apart_until_there_are_too_many_to_read() -> None:
    several = [dead(n, f"10.9.9.{n}:443", client=f"10.1.3.{n}") for n in range(11)]
    assert len(findings(several[:10])) == 10
    assert only(*several).count == 11


def test_a_refusal_without_a_reason_is_told_apart_by_its_alert() -> None:
    alerts = ["unknown_ca", "unknown_ca", "certificate_unknown"]
    found = findings([seen(n, "certificate-rejected", alert=alert) for n, alert in enumerate(alerts)])
    assert [item.count for item in found] == [2, 1]


def test_the_examples_are_the_best_the_first_the_last_and_one_of_each_chain_and_alert() -> None:
    several = [seen(n, EXPIRED, alert="certificate_expired") for n in range(1, 30)]
    several[3] = replace(several[3], trust=lacks(ROOT))
    several[9] = seen(10, EXPIRED, alert="bad_certificate")
    several[19] = seen(20, EXPIRED, chain=CUT)
    assert only(*several).examples == (4000, 1000, 29000, 10000, 20000)


def test_the_largest_finding_comes_first() -> None:
    found = findings([seen(1, "missing-root"), *(seen(n, EXPIRED) for n in range(2, 5))])
    assert [(item.cause.code, item.count) for item in found] == [(EXPIRED, 3), ("missing-root", 1)]


# What is noted of it


def test_nothing_is_noted_of_the_only_connection() -> None:
    assert notes(seen(1, EXPIRED)) == ()


def test_nothing_is_noted_when_all_there_is_failed_alike() -> None:
    assert notes(*(seen(n, EXPIRED) for n in range(5))) == ()


def test_it_fails_since_the_server_began_to_send_another_chain() -> None:
    assert notes(seen(1), seen(2), *(seen(n, EXPIRED, chain=CUT) for n in (3, 4))) == (
        (
            "Fails since 10:00:03 UTC, when the server began to send another chain: the same leaf, without “Acme "
            "Issuing CA 2” and “Acme Root CA”. Before that, 2 connections completed, the last at 10:00:02 UTC."
        ),
    )


def test_the_order_of_time_counts_not_that_of_the_list() -> None:
    connections = [seen(4, EXPIRED, chain=CUT), seen(1), seen(3, EXPIRED, chain=CUT), seen(2)]
    assert notes(*connections)[0].startswith("Fails since 10:00:03 UTC, when the server began")


def test_a_new_leaf_is_described_by_what_is_new() -> None:
    (note,) = notes(seen(1), seen(3, EXPIRED, chain=(NEW_LEAF,)))
    assert (
        "another leaf, issued by “Partner Root G3” instead of “Acme Issuing CA 2”, valid until 2029-01-01 instead of "
        "2028-02-29, with other names, with no intermediate certificate." in note
    )


def test_it_fails_since_some_moment_though_the_chain_is_the_same() -> None:
    assert notes(seen(1), seen(2), seen(9, EXPIRED), seen(10, EXPIRED)) == (
        (
            "Fails since 10:00:09 UTC: before that, 2 connections completed, the last at 10:00:02 UTC, with the same "
            "chain."
        ),
    )


def test_one_failure_at_the_end_is_no_lasting_one() -> None:
    (note,) = notes(seen(1), seen(2), seen(9, EXPIRED))
    assert note.startswith("Failed once, at 10:00:09 UTC: before that, 2 connections completed")


def test_a_chain_that_was_not_seen_is_not_compared() -> None:
    (note,) = notes(seen(1, chain=()), seen(9, EXPIRED))
    assert "chain" not in note


def test_moments_within_a_second_are_told_apart() -> None:
    (note,) = notes(seen(1.25), seen(1.5, EXPIRED, chain=CUT))
    assert note.startswith("Fails since 10:00:01.500 UTC")
    assert "the last at 10:00:01.250 UTC" in note


def test_it_failed_until_some_moment_and_works_since() -> None:
    (note,) = notes(seen(1, EXPIRED, chain=CUT), seen(2, EXPIRED, chain=CUT), seen(9))
    assert note.startswith("Failed until 10:00:02 UTC, works since 10:00:09 UTC (1 connection completed): the server ")
    assert "sends another chain now. The failing one: the same leaf, without" in note


def test_it_failed_in_between_only() -> None:
    assert notes(seen(1), seen(3, EXPIRED), seen(5, EXPIRED), seen(9)) == (
        "Failed from 10:00:03 UTC to 10:00:05 UTC only; 2 connections completed before and after, with the same chain.",
    )


def test_it_fails_again() -> None:
    (note,) = notes(seen(1, EXPIRED, chain=CUT), seen(3), seen(5), seen(9, EXPIRED, chain=CUT))
    assert note.startswith("Fails again since 10:00:09 UTC; 2 connections completed from 10:00:03 UTC to 10:00:05 UTC")
    assert "while the server sent another chain" in note


def test_what_comes_and_goes_with_the_chain_looks_like_several_servers_behind_one_address() -> None:
    several = [seen(n) if n % 2 else seen(n, EXPIRED, chain=CUT) for n in range(10)]
    (note,) = notes(*several)
    assert note.startswith(
        "Fails in 5 of 10 connections, mixed in time with those that completed: the failing ones got"
    )
    assert note.endswith("That is what several servers behind one address, as of a load balancer, look like.")


def test_what_comes_and_goes_with_the_same_chain_is_said_to() -> None:
    (note,) = notes(*(seen(n) if n % 2 else seen(n, EXPIRED) for n in range(10)))
    assert note == "Fails in 5 of 10 connections, mixed in time with those that completed, with the same chain."


def test_connections_that_began_together_make_no_history() -> None:
    (note,) = notes(seen(1), *(seen(1 + n / 100, EXPIRED) for n in range(1, 5)))
    assert note.startswith("Fails in 4 of 5 connections, at about the same time as those that completed")


def test_many_within_a_second_do_make_one() -> None:
    several = [seen(n / 100, EXPIRED if n >= 20 else None) for n in range(40)]
    assert notes(*several)[0].startswith("Fails since 10:00:00.200 UTC: before that, 20 connections completed")


def test_another_client_succeeds_with_the_same_chain() -> None:
    several = [seen(n, None if n % 2 else EXPIRED, client="10.0.0.1" if n % 2 else "10.0.0.2") for n in range(4)]
    assert notes(*several) == (
        (
            "Another client (10.0.0.1) completed 2 handshakes with the same server, and got the same chain: the "
            "clients differ, not the server."
        ),
    )


def test_another_client_that_went_first_is_no_proof_of_a_moment() -> None:
    (note,) = notes(seen(1, client="10.0.0.1"), seen(9, EXPIRED, chain=CUT))
    assert note.startswith(
        "Another client (10.0.0.1) completed 1 handshake with the same server, all before the first failure (the last "
        "at 10:00:01 UTC); the failing got another chain: the same leaf, without"
    )


def test_many_clients_and_another_chain_are_one() -> None:
    several = [
        seen(n, EXPIRED if n > 4 else None, client=f"10.0.0.{n}", chain=CUT if n > 4 else CHAIN) for n in range(9)
    ]
    assert notes(*several)[0].startswith("Fails since 10:00:05 UTC, when the server began to send another chain")


def test_what_the_succeeding_clients_offer_is_compared() -> None:
    old = seen(1, "protocol-version-mismatch", offered=("TLS 1.0",), chain=())
    new = seen(2, client="10.0.0.9", offered=("TLS 1.3", "TLS 1.2"), chain=())
    assert notes(old, new)[1] == "Those that completed offered TLS 1.3, TLS 1.2; those that failed TLS 1.0."


def test_the_server_name_that_the_succeeding_clients_send_is_told() -> None:
    assert notes(seen(1, "sni-rejected", sni="", chain=()), seen(2), seen(3)) == (
        (
            "The same server completed 2 handshakes: those clients sent the SNI api.backend.example, the failing ones "
            "none."
        ),
    )


def test_of_two_servers_behind_one_name_the_bad_one_is_named() -> None:
    good = [seen(n, server="10.0.0.8:443") for n in (1, 3, 5)]
    bad = [seen(n, EXPIRED, server="10.0.0.7:443", chain=CUT) for n in (2, 4)]
    assert notes(*good, *bad) == (
        (
            "Behind api.backend.example only 10.0.0.7:443 fails, in 2 of 5 connections: it sends another chain, the "
            "same leaf, without “Acme Issuing CA 2” and “Acme Root CA”. 10.0.0.8:443 completes."
        ),
    )


def test_a_name_that_moved_to_another_server_is_said_to() -> None:
    good = [seen(n, server="10.0.0.8:443") for n in (1, 3)]
    bad = [seen(n, EXPIRED, server="10.0.0.7:443", chain=CUT) for n in (8, 9)]
    (note,) = notes(*good, *bad)
    assert note.startswith(
        "Fails since 10:00:08 UTC: until 10:00:03 UTC the connections to api.backend.example went to 10.0.0.8:443 and "
        "completed, since then they go to 10.0.0.7:443; it sends another chain"
    )


def test_a_server_that_nobody_could_use_is_said_to() -> None:
    mine = [seen(n, EXPIRED) for n in (1, 2)]
    other = seen(3, "weak-key")
    elsewhere = seen(4, server="10.7.7.7:443", sni="other.example")
    found = {item.cause.code: item for item in findings([*mine, other, elsewhere])}
    assert found[EXPIRED].notes == (
        "All 3 connections to api.backend.example (10.1.2.4:443) failed, 2 of them this way.",
    )


def test_dead_servers_are_set_against_those_that_the_client_reached() -> None:
    dying = [dead(n, f"10.9.9.{n}:443") for n in range(4)]
    assert notes(*dying, seen(9))[1] == "The same client completed handshakes with 1 other server in this capture."
    assert notes(*dying)[1] == "The same client completed no handshake with any server in this capture."


def test_incomplete_connections_say_nothing() -> None:
    assert notes(replace(seen(1), outcome="incomplete"), seen(9, EXPIRED)) == ()


# What becomes of it in the reports


def test_a_thousand_failures_do_not_flood_the_report() -> None:
    several = [seen(n, EXPIRED, server=f"10.1.{n // 250}.{n % 250}:443") for n in range(1000)]
    report = report_of(several)
    for text in (to_text(report), to_markdown(report)):
        assert "1000 of 1000 connections failed this way" in " ".join(text.split())
        assert re.search(r"and 9\d\d more", text)
    assert len(to_text(report).splitlines()) < 200


def test_the_notes_stand_before_the_packets_and_the_first_one_in_the_opening_list() -> None:
    report = report_of([seen(1), seen(2, EXPIRED, chain=CUT), *(seen(n, "missing-root") for n in (4, 5))])
    text = " ".join(to_text(report).split())
    (note,) = next(item for item in report.findings if item.cause.code == EXPIRED).notes
    assert text.count(note) == 2
    assert text.index(note) < text.index("Reason 1 of 2")


def test_names_and_addresses_in_notes_are_redacted() -> None:
    good = [seen(n, server="10.0.0.8:443") for n in (1, 3, 5)]
    bad = [seen(n, EXPIRED, server="10.0.0.7:443", chain=(NEW_LEAF,)) for n in (2, 4)]
    report = report_of([*good, *bad])
    (redacted,) = redact(report).findings
    assert redacted.notes[0].startswith("Behind host-1.example only server-")
    assert redacted.hosts == ("host-1.example",)
    assert not re.search(r"acme|partner|backend|10\.0\.0\.", to_json(redact(report)), re.IGNORECASE)


def test_a_name_that_nobody_can_read_is_not_quoted() -> None:
    long = certificate(f"CN={'x' * 9999}", "CN=y", "leaf")
    (note,) = notes(seen(1), seen(9, EXPIRED, chain=(long,)))
    assert "for a name of 9,999 characters instead of “api.backend.example”" in note


# Whatever comes

OUTCOMES = st.sampled_from([None, EXPIRED, "missing-root", "connect-timeout", "certificate-rejected", "server-closed"])
CONNECTIONS = st.lists(
    st.builds(
        lambda code, client, server, sni, chain: seen(
            0, code, client=f"10.0.0.{client}", server=f"10.1.1.{server}:443", sni=sni, chain=chain
        ),
        OUTCOMES,
        st.integers(1, 3),
        st.integers(1, 3),
        st.sampled_from([None, "", "a.example", "b.example"]),
        st.sampled_from([(), CHAIN, CUT, (NEW_LEAF,)]),
    ),
    max_size=30,
)


@given(CONNECTIONS, st.sampled_from([0.001, 0.5, 2.0]), st.randoms(use_true_random=False))
def test_every_failure_is_in_one_finding_whatever_the_order(
    items: list[Connection], step: float, shuffler: random.Random
) -> None:
    connections = [replace(item, id=n, started_at=seen(n * step).started_at) for n, item in enumerate(items)]
    found = findings(connections)
    failed = [item.id for item in connections if item.outcome == "failed"]
    assert sorted(number for finding in found for number in finding.connections) == failed
    for finding in found:
        assert finding.count == len(finding.connections)
        assert set(finding.examples) <= set(finding.connections)
        assert finding.examples[0] == finding.connections[0]
        assert len(finding.notes) <= 3
        assert finding.first_at <= finding.last_at
        assert all(note.endswith(".") for note in finding.notes)
    shuffler.shuffle(connections)
    again = {item.notes for item in findings(connections)}
    assert again == {item.notes for item in found}


@pytest.mark.parametrize("code", [EXPIRED, "connect-timeout", "certificate-rejected"])
def test_the_time_grows_with_the_number_of_connections_only(code: str) -> None:
    """Each failure at one server, with a chain of its own, among successes: as many findings as there can be."""
    info = [replace(LEAF, sha256=f"{n:064x}", issuer=f"CN={n}") for n in range(10_000)]
    several = [seen(n / 10, code if n % 2 else None, chain=(leaf,)) for n, leaf in enumerate(info)]
    begun = time.process_time()
    found = findings(several)
    assert time.process_time() - begun < 5
    assert sum(item.count for item in found) == 5_000

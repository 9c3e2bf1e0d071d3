from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import jsonschema
import pytest

from analyzer.gateways import Words
from analyzer.report import model
from analyzer.report.model import InputProblem, Report
from analyzer.report.redact import redact
from analyzer.report.to_json import json_schema, to_json, to_ndjson

CONNECTION = (
    "id client server started_at outcome aborted_by abort_packet abort_act stage cause other_causes evidence timeline "
    "tls alerts server_chain client_chain chain_source trust fixes"
)
CONTRACT = {
    (): "schema capture truststore connections findings summary",
    ("capture",): "files format packets bytes first_time last_time link_types problems",
    ("capture", "problems"): "code text packet",
    ("truststore",): "sources certificates problems",
    ("truststore", "problems"): "code text source",
    ("connections",): CONNECTION,
    ("connections", "cause"): "code confidence title explanation",
    ("connections", "other_causes"): "code confidence title explanation",
    ("connections", "evidence"): "packet text",
    ("connections", "timeline"): "packet time from what",
    ("connections", "tls"): "version offered_versions cipher sni alpn alpn_offered ja3 ja3s ja4 resumed hello_retry",
    ("connections", "alerts"): "packet from level description number encrypted",
    ("connections", "server_chain"): "sha256 subject issuer serial not_before not_after names key signature role",
    ("connections", "trust"): "profile accepted error path problems",
    ("connections", "trust", "problems"): "code certificate text",
    ("connections", "fixes"): "action text certificate proven commands files",
    ("findings",): "cause count connections servers first_at last_at text",
    ("summary",): "connections completed failed incomplete causes",
}


def validator(name: str = "") -> Any:
    schema = json.loads(json_schema())
    if name:
        schema = {"$schema": schema["$schema"], "$defs": schema["$defs"], "$ref": f"#/$defs/{name}"}
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def found(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from found(item, path)
    elif path:
        if value is not None:
            yield from found(value[path[0]], path[1:])
    elif value is not None:
        yield value


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(json_schema()))


@pytest.mark.parametrize("name", ["playbook", "mixed", "quiet", "accepted_by_this_store"])
def test_the_output_is_valid(name: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    validator().validate(json.loads(to_json(report)))
    validator().validate(json.loads(to_json(redact(report))))
    for line in to_ndjson(report):
        validator("connection").validate(json.loads(line))


@pytest.mark.parametrize(("path", "names"), CONTRACT.items())
def test_the_fields_of_the_contract_come_first_and_in_order(path: tuple[str, ...], names: str, mixed: Report) -> None:
    objects = list(found(json.loads(to_json(mixed)), path))
    assert objects
    for item in objects:
        assert list(item)[: len(names.split())] == names.split()


@pytest.mark.parametrize(("path", "names"), CONTRACT.items())
def test_the_schema_requires_every_field_of_the_contract(path: tuple[str, ...], names: str, mixed: Report) -> None:
    for name in names.split():
        document = json.loads(to_json(mixed))
        del next(found(document, path))[name]
        assert not validator().is_valid(document), name


def test_the_schema_knows_every_field_of_the_model() -> None:
    definitions = json.loads(json_schema())["$defs"]
    pairs = {
        "capture": model.Capture,
        "truststore": model.Truststore,
        "truststore_entry": model.StoreEntryInfo,
        "connection": model.Connection,
        "cause": model.Diagnosis,
        "evidence": model.Evidence,
        "timeline_entry": model.TimelineEntry,
        "tls": model.Tls,
        "negotiation": model.Negotiation,
        "offered": model.Offered,
        "answered": model.Answered,
        "chosen": model.Chosen,
        "missing": model.Missing,
        "alert": model.Alert,
        "certificate": model.CertificateInfo,
        "verdict": model.TrustVerdict,
        "trust_problem": model.TrustProblem,
        "fix": model.Fix,
        "finding": model.Finding,
        "gateway": model.Gateway,
        "words": Words,
        "repair_kit": model.RepairKit,
        "kit_file": model.KitFileInfo,
        "summary": model.Summary,
    }
    for name, kind in pairs.items():
        assert list(definitions[name]["properties"]) == [item.name.rstrip("_") for item in fields(kind)], name
        assert definitions[name]["additionalProperties"] is True


@pytest.mark.parametrize(
    ("path", "name", "wrong"),
    [
        (("connections",), "outcome", "broken"),
        (("connections",), "aborted_by", "proxy"),
        (("connections",), "abort_act", "close"),
        (("connections",), "stage", "hello"),
        (("connections",), "abort_packet", 0),
        (("connections",), "started_at", "2026-11-03 10:42:07"),
        (("connections",), "chain_source", "guessed"),
        (("connections", "cause"), "confidence", "sure"),
        (("connections", "timeline"), "from", "network"),
        (("connections", "server_chain"), "sha256", "AB" * 32),
        (("connections", "fixes"), "action", "pray"),
    ],
)
def test_the_schema_refuses_a_value_outside_the_contract(
    path: tuple[str, ...], name: str, wrong: object, mixed: Report
) -> None:
    document = json.loads(to_json(mixed))
    next(found(document, path))[name] = wrong
    assert not validator().is_valid(document)


def test_each_connection_stands_on_a_line_of_its_own(mixed: Report) -> None:
    lines = to_json(mixed).splitlines()
    for line, connection in zip(to_ndjson(mixed), mixed.connections, strict=True):
        assert line.rstrip("\n") in {item.removesuffix(",") for item in lines}
        assert json.loads(line)["id"] == connection.id


def test_no_store_is_null_and_no_connection_is_an_empty_list(quiet: Report) -> None:
    document = json.loads(to_json(replace(quiet, truststore=None, connections=(), findings=())))
    assert document["truststore"] is None
    assert document["connections"] == []
    assert list(to_ndjson(replace(quiet, connections=()))) == []


def test_a_problem_keeps_its_packet_in_captures_and_its_source_in_stores(mixed: Report) -> None:
    document = json.loads(to_json(mixed))
    assert document["capture"]["problems"][0]["packet"] == 17
    assert document["truststore"]["problems"] == [
        {"code": "private-key", "text": "a private key, no certificate", "source": "ts/key.pem"}
    ]


def test_a_value_that_is_no_plain_data_is_refused(mixed: Report) -> None:
    problem = InputProblem(code="x", text=object())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="object"):
        to_json(replace(mixed, capture=replace(mixed.capture, problems=(problem,))))

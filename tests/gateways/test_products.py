"""Every product is data that can be relied upon: sources, a validator that exists, steps for every cause."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from analyzer.diagnosis.certificate import SERVER_CERTIFICATE_CODES
from analyzer.diagnosis.engine import catalogue as causes
from analyzer.errors import InputError
from analyzer.gateways import KINDS, Product, catalogue, kind_of_cause, product_of
from analyzer.gateways.wording import Wording
from analyzer.trust.profile import profile_of

PRODUCTS = catalogue().values()
_ASKED_FOR = """
    apigee-edge apigee-x azure-apim azure-appgw aws-apigw nginx haproxy envoy istio kong traefik apache java spring
    dotnet node go f5 mulesoft wso2
"""
VARIANTS = {"leaf-only", "root-sent", "address"}
IN_ERRORS = {"host", "server", "port", "error", "number", "reason"}
IN_REPAIRS = {"file", "alias", "place", "bundle", "fullchain", "host", "server", "port", "depth", "depth_with_root"}

every_product = pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def texts(product: Product) -> Iterator[str]:
    words = product.words
    yield from (product.title, product.store, product.nearest, product.closed, *product.notes)
    yield from (words.client, words.server, words.store, words.leg, words.front)
    for templates in (*product.errors.values(), *product.repairs.values()):
        yield from templates


def test_the_products_that_people_ask_for_are_there() -> None:
    assert set(_ASKED_FOR.split()) <= set(catalogue())


@every_product
def test_a_product_is_found_by_the_name_of_its_file(product: Product) -> None:
    folder = Path(__file__).parents[2] / "analyzer" / "gateways" / "products"
    assert (folder / f"{product.name.replace('-', '_')}.py").is_file()


@every_product
def test_a_product_names_its_sources(product: Product) -> None:
    assert product.sources
    for source in product.sources:
        assert re.match(r"https://\S+$|measured: .", source), source


@every_product
def test_a_product_follows_a_validator_that_exists_or_says_that_it_verifies_nothing(product: Product) -> None:
    if product.profile is None:
        assert product.closed
        assert product.notes
    else:
        assert profile_of(product.profile).measured or product.nearest


@every_product
def test_a_product_without_a_place_for_certificates_says_why(product: Product) -> None:
    assert (product.form is None) == bool(product.closed)


@every_product
@pytest.mark.parametrize("code", sorted(SERVER_CERTIFICATE_CODES))
def test_there_are_repair_steps_for_every_certificate_cause(product: Product, code: str) -> None:
    assert kind_of_cause(code) in KINDS
    assert product.repair_for(kind_of_cause(code))


@every_product
def test_templates_hold_known_placeholders_only(product: Product) -> None:
    for kind, templates in product.repairs.items():
        assert kind in KINDS
        assert set().union(*map(placeholders, templates)) <= IN_REPAIRS, kind
    for key, templates in product.errors.items():
        code, _, variant = key.partition(":")
        assert code == "certificate" or code in causes(), key
        assert variant in {"", *VARIANTS}, key
        assert set().union(*map(placeholders, templates)) <= IN_ERRORS, key


@every_product
def test_the_files_of_a_repair_are_those_of_the_products_form(product: Product) -> None:
    named = set().union(*map(placeholders, product.repair_for("store")))
    if product.form is None:
        assert not named & {"file", "alias", "bundle"}
    else:
        assert ("bundle" in named) == product.form.together
        assert ("file" in named) != product.form.together
        assert ("place" not in named) or product.form.places.keys() >= {"root", "intermediate", "leaf"}


@every_product
def test_a_product_that_verifies_has_words_for_a_refused_certificate(product: Product) -> None:
    if product.profile is not None:
        assert product.errors["certificate"]


OFF = re.compile(
    r"verify[_-]?(peer|error)?\s*[:=]?\s*['\"]?(off|none|false|no)\b|insecure|skipverif|verify=none|--insecure|\s-k\s"
    r"|IgnoreValidationErrors>\s*true|validateCertificate\w+['\"]?\s*:\s*false|REJECT_UNAUTHORIZED|DangerousAccept"
    r"|peer-cert-mode (ignore|request)|useInsecureTrustManager",
    re.IGNORECASE,
)


@every_product
def test_no_step_turns_verification_off(product: Product) -> None:
    for templates in product.repairs.values():
        for line in templates:
            assert not OFF.search(line), line


@pytest.mark.parametrize("line", ["proxy_ssl_verify off;", "ssl verify none", "curl --insecure x", "a -k b"])
def test_the_search_for_such_steps_finds_them(line: str) -> None:
    assert OFF.search(line)


@every_product
def test_texts_are_printable_and_on_one_line(product: Product) -> None:
    for text in texts(product):
        assert text.isprintable(), text


@every_product
def test_words_said_twice_stay_the_same(product: Product) -> None:
    wording = Wording(product.words, front=False)
    text = "The client refused the certificate of a.example (10.0.0.1:443): the trust store lacks what the server sent."
    assert wording(wording(text)) == wording(text)


def test_names_are_taken_as_people_write_them() -> None:
    assert product_of("NGINX").name == "nginx"
    assert product_of("Apigee Edge").name == "apigee-edge"
    assert product_of("azure_apim").name == "azure-apim"


@pytest.mark.parametrize(("wrong", "meant"), [("ngnix", "nginx"), ("apigee", "apigee-edge"), ("appgw", "azure-appgw")])
def test_an_unknown_name_is_refused_with_what_may_be_meant(wrong: str, meant: str) -> None:
    with pytest.raises(InputError, match="there is no gateway") as refused:
        product_of(wrong)
    assert meant in refused.value.hint.partition("There are")[0]
    assert all(name in refused.value.hint for name in catalogue())


def test_a_name_far_from_all_is_refused_with_the_list() -> None:
    with pytest.raises(InputError) as refused:
        product_of("")
    assert refused.value.hint.startswith("There are: apache, ")

"""JSON, YAML and XML from strangers: what is read, and what is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.structured import (
    StructureError,
    Table,
    decoded,
    documents,
    items,
    read_json,
    read_xml,
    read_yaml,
    walk,
)


def test_yaml_merges_anchors_and_keeps_words_as_keys() -> None:
    (found,) = read_yaml("base: &base {on: yes, n: 7}\nuse:\n  <<: *base\n  n: '8'\n")
    assert found == {"base": {"on": True, "n": 7}, "use": {"on": True, "n": "8"}}
    assert isinstance(found["use"], Table)
    assert found["use"].line == 3


def test_yaml_documents_come_one_by_one() -> None:
    assert read_yaml("a: 1\n---\n- null\n- ~\n") == ({"a": 1}, [None, None])


def test_yaml_builds_no_objects() -> None:
    assert read_yaml("a: !!python/object/apply:os.system ['true']") == ({"a": ["true"]},)


def test_a_billion_laughs_in_yaml_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(StructureError, match="unfolded"):
        read_yaml("\n".join(lines))


def test_merge_keys_cannot_be_made_to_explode() -> None:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    with pytest.raises(StructureError, match="unfolded"):
        read_yaml("\n".join(lines))


@pytest.mark.parametrize("text", ["<!DOCTYPE a><a/>", '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "<a>&x;</a>"])
def test_xml_with_declarations_or_entities_is_refused(text: str) -> None:
    with pytest.raises(StructureError):
        read_xml(text)


def test_xml_gives_elements_without_their_namespaces() -> None:
    found = read_xml('<?xml version="1.0" encoding="UTF-16"?>\n<a xmlns:n="u" n:x="1">\n <n:b> t <c/></n:b></a>')
    assert found.value("b") == "t"
    assert found.attributes == {"x": "1"}
    assert [element.line for element in found.every("c")] == [3]


@pytest.mark.parametrize("text", ["[" * 100_000, "{" * 3, '{"a": 1} x', "[" + "1" * 5000 + "]"])
def test_json_that_is_damaged_or_bottomless_is_refused(text: str) -> None:
    with pytest.raises(StructureError):
        read_json(text)


def test_several_json_answers_in_one_file_are_all_read() -> None:
    assert documents(b'\xef\xbb\xbf{"a": 1}\n{"b": 2} [3]') == ({"a": 1}, {"b": 2}, [3])


def test_utf_16_of_a_shell_is_read() -> None:
    assert documents(b"\xff\xfe" + '{"a": "ü"}'.encode("utf-16-le")) == ({"a": "ü"},)


def test_mappings_are_walked_with_their_paths() -> None:
    assert [path for path, _ in walk({"a": [{"b": {}}, 1]})] == ["$", "$.a[0]", "$.a[0].b"]
    assert items({"a": {"b": [1]}}, "a", "b") == [1]
    assert items({"a": {"b": {"c": 1}}}, "a", "b") == [{"c": 1}]
    assert items({"a": 1}, "a", "b") == []


@given(
    st.one_of(st.binary(max_size=300), st.text(alphabet="{}[]:,-&*<>!|\"' \n\tab1\\%", max_size=200).map(str.encode))
)
def test_any_bytes_give_a_value_or_a_structure_error(data: bytes) -> None:
    assert isinstance(documents(data), tuple)
    for read in (read_json, read_yaml, read_xml):
        with suppress(StructureError):
            read(decoded(data))

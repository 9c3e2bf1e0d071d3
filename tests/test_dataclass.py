"""The frozen dataclasses of this package behave as those of the standard library do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, field, fields, is_dataclass, replace

import pytest

from analyzer.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """Two places by position, one by name."""

    x: int
    y: int = 0
    label: str = field(default="", kw_only=True)


@dataclasses.dataclass(frozen=True, slots=True)
class StandardPoint:
    """The same, made by the standard library."""

    x: int
    y: int = 0
    label: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """With a value that is made anew for each, and one that does not count."""

    points: list[Point] = field(default_factory=list)
    seen: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTrack(Track):
    """Inherits fields and adds one that has no default."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class ByLength:
    """Compares in its own way."""

    text: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByLength) and len(self.text) == len(other.text)

    def __hash__(self) -> int:
        return len(self.text)


@dataclass(frozen=True, slots=True)
class Empty:
    """Has no field."""


def test_it_is_made_by_position_and_by_name() -> None:
    assert Point(1, 2, label="a") == Point(x=1, y=2, label="a")
    with pytest.raises(TypeError, match="positional"):
        Point(1, 2, "a")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'name'"):
        NamedTrack()  # type: ignore[call-arg]


@pytest.mark.parametrize("before", [0, 20])
def test_all_objects_are_made_alike_the_first_and_those_after_many(before: int) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Leg:
        start: int
        stops: list[int] = field(default_factory=list)
        name: str = "leg"

    for number in range(before):
        Leg(start=number)
    leg = Leg(start=1)
    assert (leg.start, leg.stops, leg.name) == (1, [], "leg")
    assert Leg(start=1, stops=[2], name="a") == replace(leg, stops=[2], name="a")
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'start'"):
        Leg()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'end'"):
        Leg(start=1, end=2)  # type: ignore[call-arg]


def test_a_default_that_can_be_changed_is_refused() -> None:
    with pytest.raises(ValueError, match="default of stops"):

        @dataclass(frozen=True, slots=True)
        class Leg:
            stops: list[int] = []  # noqa: RUF012


def test_its_signature_is_that_of_the_standard_library() -> None:
    assert inspect.signature(Point).parameters == inspect.signature(StandardPoint).parameters
    assert Point.__match_args__ == StandardPoint.__match_args__


def test_it_reads_as_the_standard_library_writes_it() -> None:
    assert repr(Point(1, label="a")) == repr(StandardPoint(1, label="a")).replace("StandardPoint", "Point")
    assert repr(Track(seen=3)) == "Track(points=[])"


def test_it_cannot_be_changed() -> None:
    point = Point(1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    assert not hasattr(point, "__dict__")


def test_equal_are_those_of_one_class_with_equal_fields() -> None:
    assert Point(1) == Point(1)
    assert hash(Point(1)) == hash(Point(1))
    assert Point(1) != Point(2)
    assert Point(1) != StandardPoint(1)  # type: ignore[comparison-overlap]
    assert Track(seen=1) == Track(seen=2)
    assert NamedTrack(name="a") != Track()
    assert Empty() == Empty()
    assert {Empty(), Empty()} == {Empty()}


def test_a_class_may_compare_in_its_own_way() -> None:
    assert ByLength("ab") == ByLength("cd")
    assert hash(ByLength("ab")) == 2


def test_a_default_is_made_anew_for_each() -> None:
    assert Track().points is not Track().points


def test_fields_of_the_base_come_first() -> None:
    assert [item.name for item in fields(NamedTrack)] == ["points", "seen", "name"]


def test_it_is_a_dataclass_to_the_standard_library() -> None:
    assert is_dataclass(Point)
    assert replace(Point(1, 2), y=3) == Point(1, 3)
    assert dataclasses.asdict(NamedTrack(name="a", points=[Point(1)])) == {
        "points": [{"x": 1, "y": 0, "label": ""}],
        "seen": 0,
        "name": "a",
    }


def test_it_is_copied_and_pickled() -> None:
    track = NamedTrack(name="a", points=[Point(1)], seen=4)
    again = pickle.loads(pickle.dumps(track))
    assert (again, again.seen) == (track, 4)
    assert copy.deepcopy(track) == track


def test_it_is_matched_by_position() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


@dataclass(slots=True)
class Counter:
    """Can be changed."""

    count: int = 0
    seen: list[int] = field(default_factory=list)


def test_what_is_not_frozen_can_be_changed_and_is_no_key() -> None:
    counter = Counter()
    counter.count += 1
    assert counter == Counter(1)
    assert copy.copy(counter) == pickle.loads(pickle.dumps(counter)) == counter
    assert not hasattr(counter, "__dict__")
    with pytest.raises(TypeError, match="unhashable"):
        hash(counter)


def test_what_has_no_slots_is_made_by_the_standard_library() -> None:
    @dataclass(frozen=True)
    class Plain:
        count: int = 0

    assert hasattr(Plain(), "__dict__")
    assert Plain() == Plain(0)

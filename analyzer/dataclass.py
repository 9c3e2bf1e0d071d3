"""`@dataclass(frozen=True, slots=True)` at a tenth of its price.

The standard library looks up the type of every field of such a class, and compiles six methods. With the two hundred
classes that an analysis of the smallest capture needs, that was a quarter of its time. Here `__init__` alone is
compiled, when some objects were made; the other methods are shared by all classes, or close over the names of the
fields. `fields`, `replace`, `is_dataclass`, matching, copying and pickling work as with the original, which a type
checker sees instead. Each annotation is a field: there is no `ClassVar`, `InitVar` or `KW_ONLY`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, field, fields
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

__all__ = ["dataclass"]

_T = TypeVar("_T")

_FEW: Final = 8
"""Objects of a class for which no `__init__` is compiled: that costs as much as to set a dozen field by field."""

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(
        *, frozen: bool = False, slots: bool = False, kw_only: bool = False, eq: bool = True
    ) -> Callable[[type[_T]], type[_T]]:
        """Make a dataclass; the arguments are those of `dataclasses.dataclass`."""
        if slots:
            return partial(_made, frozen=frozen, kw_only=kw_only, eq=eq)
        return dataclasses.dataclass(frozen=frozen, kw_only=kw_only, eq=eq)


@dataclasses.dataclass(init=False, repr=False, eq=False)
class _Pattern:
    """Made by the standard library: by what it knows its classes and their fields, ours have from here."""

    field: None


_PARAMETERS: Final = vars(_Pattern)["__dataclass_params__"]
_PLAIN_FIELD: Final[Any] = vars(_Pattern)["__dataclass_fields__"]["field"]._field_type  # noqa: SLF001


def _made(cls: type[_T], *, frozen: bool, kw_only: bool, eq: bool) -> type[_T]:
    own: dict[str, Field[Any]] = {}
    for base in reversed(cls.__mro__[1:]):
        own |= base.__dict__.get("__dataclass_fields__", {})
    slots = tuple(name for name in cls.__annotations__ if name not in own)
    for name, kind in cls.__annotations__.items():
        own[name] = _field(cls, name, kind, kw_only=kw_only)
    left = own.keys() | {"__dict__", "__weakref__"}
    namespace: dict[str, Any] = {
        **(_FROZEN if frozen else _SHARED),
        **{name: value for name, value in cls.__dict__.items() if name not in left},
        "__slots__": slots,
        "__qualname__": cls.__qualname__,
        "__match_args__": tuple(name for name, item in own.items() if not item.kw_only),
        "__dataclass_fields__": own,
        "__dataclass_params__": _PARAMETERS,
    }
    if eq:
        compared = _comparison(tuple(name for name, item in own.items() if item.compare))
        namespace["__eq__"], namespace["__hash__"] = compared if frozen else (compared[0], None)
    metaclass: Any = type(cls)
    made = metaclass(cls.__name__, cls.__bases__, namespace)
    made.__init__ = _deferred(made, tuple(own.values()), frozen=frozen)
    result: type[_T] = made
    return result


def _field(cls: type, name: str, kind: Any, *, kw_only: bool) -> Any:
    given = cls.__dict__.get(name, MISSING)
    item: Any = given if isinstance(given, Field) else field(default=given)
    if item.default.__class__.__hash__ is None:
        raise ValueError(f"the default of {name} would be shared and can be changed; use default_factory")
    item.name, item.type, item._field_type = name, kind, _PLAIN_FIELD  # noqa: SLF001
    if item.kw_only is MISSING:
        item.kw_only = kw_only
    return item


def _deferred(cls: Any, own: tuple[Field[Any], ...], *, frozen: bool) -> Callable[..., None]:
    """An `__init__` that sets the first few objects field by field, then puts a compiled one in its place.

    Of many classes no object is ever made, and of most no more than these. What cannot be set so is left to the
    compiled one, which raises what the original does.
    """
    left = 0 if hasattr(cls, "__post_init__") else _FEW

    def __init__(self: Any, *arguments: Any, **named: Any) -> None:  # noqa: N807
        nonlocal left
        left -= 1
        if left < 0 or arguments or not _set_each(self, own, named):
            cls.__init__ = _initialiser(cls, own, frozen=frozen)
            cls.__init__(self, *arguments, **named)

    return __init__


def _set_each(made: object, own: tuple[Field[Any], ...], named: dict[str, Any]) -> bool:
    """Set the fields of an object; False where the arguments are not those that it takes."""
    used = 0
    for item in own:
        if item.name in named:
            value = named[item.name]
            used += 1
        elif item.default is not MISSING:
            value = item.default
        elif item.default_factory is not MISSING:
            value = item.default_factory()
        else:
            return False
        object.__setattr__(made, item.name, value)
    return used == len(named)


def _initialiser(cls: type, own: tuple[Field[Any], ...], *, frozen: bool) -> Callable[..., None]:
    """Compile `__init__`, as the original does, with the defaults as names of their own.

    Each field of a frozen object is set by its slot: `object.__setattr__` would have to find that first, every time.
    """
    names: dict[str, Any] = {"_missing": MISSING}
    positional: list[str] = []
    keyword: list[str] = []
    body: list[str] = []
    for item in own:
        name = item.name
        parameter = value = name
        if item.default_factory is not MISSING:
            names[f"_make_{name}"] = item.default_factory
            parameter, value = f"{name}=_missing", f"_make_{name}() if {name} is _missing else {name}"
        elif item.default is not MISSING:
            names[f"_default_{name}"] = item.default
            parameter = f"{name}=_default_{name}"
        (keyword if item.kw_only else positional).append(parameter)
        if frozen:
            names[f"_set_{name}"] = getattr(cls, name).__set__
            body.append(f"_set_{name}(self, {value})")
        else:
            body.append(f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join(["self", *positional, *(["*", *keyword] if keyword else [])])
    # The text consists of the names that the class's own source gives its fields.
    exec(f"def __init__({parameters}):\n " + "\n ".join(body or ["pass"]), names)  # noqa: S102
    initialiser: Callable[..., None] = names["__init__"]
    initialiser.__qualname__ = f"{cls.__qualname__}.__init__"
    initialiser.__annotations__ = {**{item.name: item.type for item in own}, "return": None}
    return initialiser


def _comparison(names: tuple[str, ...]) -> tuple[Callable[[Any, object], bool], Callable[[Any], int]]:
    values: Callable[[Any], Any] = attrgetter(*names) if names else lambda _: ()

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807
        if other.__class__ is not self.__class__:
            return NotImplemented
        equal: bool = values(self) == values(other)
        return equal

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(values(self))

    return __eq__, __hash__


def _repr(self: Any) -> str:
    shown = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
    return f"{type(self).__qualname__}({shown})"


def _refuse_assignment(_self: object, name: str, _value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(_self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, item.name) for item in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for item, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, item.name, value)


_SHARED: Final[dict[str, Any]] = {"__repr__": _repr, "__replace__": dataclasses.replace}
_FROZEN: Final[dict[str, Any]] = _SHARED | {
    "__setattr__": _refuse_assignment,
    "__delattr__": _refuse_deletion,
    "__getstate__": _state,
    "__setstate__": _restore,
}

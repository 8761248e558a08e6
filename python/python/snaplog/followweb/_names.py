"""The names that a pickle may use, and what stands for each.

Nothing here is what the pickle's writer meant by the name: a graph class is a record that keeps the state it is given, a
function is one that takes the few shapes of arguments that pickles of plain data really have.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable
from typing import Any

from .._errors import RefusedError

_MAX_KEY_PARTS = 64
_MAX_NUMPY_TEXT = 1 << 20
_PLAIN = (str, int, float, bool, bytes, type(None), datetime.date, datetime.time, datetime.timedelta)


def check_key(key: Any) -> None:
    """Refuse what is no key: hashing it has to be quick, and must not ask any class of the pickle's choice.

    :raises RefusedError: if it is neither a scalar nor a small tuple or frozenset of such.
    """
    if isinstance(key, _PLAIN):
        return
    left, waiting = _MAX_KEY_PARTS, [key]
    while waiting:
        part = waiting.pop()
        left -= 1
        if left < 0:
            break
        if type(part) is tuple or type(part) is frozenset:
            waiting.extend(list(part)[: left + 1])
        elif not isinstance(part, _PLAIN):
            raise RefusedError(
                f"the pickle uses a {type(part).__name__} as a key or in a set", kind="pickle-key"
            )
    if left < 0:
        raise RefusedError("the pickle uses a very large tuple as a key or in a set", kind="pickle-key")


class Named:
    """What stands for a name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def call(self, args: tuple[Any, ...]) -> Any:
        """What calling it gives."""
        raise ValueError(f"it calls {self.name}{'()' if not args else ' with arguments'}")

    def new(self) -> Any:
        """An instance that gets its state later."""
        raise ValueError(f"it makes an object of {self.name}, which is no class")


class Stateful:
    """What takes a state (``BUILD``)."""

    def set_state(self, state: Any) -> None:
        """Keep the state, or what of it is of use."""


class PickledGraph(Stateful):
    """A graph as the pickle describes it: its class and its ``__dict__``, neither of them believed."""

    def __init__(self, directed: bool, multigraph: bool) -> None:
        self.directed = directed
        self.multigraph = multigraph
        self.state: dict[Any, Any] = {}

    def set_state(self, state: Any) -> None:
        """Keep the instance's dictionary."""
        if type(state) is not dict:
            raise ValueError("a graph whose state is no dict")
        self.state = state


class Inert(Stateful):
    """An object that nobody needs: a view, which NetworkX keeps in a graph it was once asked of."""


class _GraphClass(Named):
    def __init__(self, name: str, directed: bool, multigraph: bool) -> None:
        super().__init__(name)
        self._kind = (directed, multigraph)

    def new(self) -> PickledGraph:
        return PickledGraph(*self._kind)


class _InertClass(Named):
    def new(self) -> Inert:
        return Inert()


class _Function(Named):
    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        super().__init__(name)
        self._function = function

    def call(self, args: tuple[Any, ...]) -> Any:
        return self._function(*args)


def _a_list(items: Any = ()) -> list[Any]:
    if type(items) not in (list, tuple):
        raise ValueError("a container made of what is no list")
    return list(items)


def _a_set(items: Any = ()) -> set[Any]:
    checked = _a_list(items)
    for item in checked:
        check_key(item)
    return set(checked)


def _a_dict(items: Any = ()) -> dict[Any, Any]:
    if type(items) is dict:
        return dict(items)
    made = {}
    for pair in _a_list(items):
        key, value = _a_list(pair)
        check_key(key)
        made[key] = value
    return made


def _a_defaultdict(factory: Any = None) -> dict[Any, Any]:
    # What it makes of a key that is missing is of no interest: nobody asks for one.
    if factory is not None and not (isinstance(factory, Named) and factory in _FACTORIES):
        raise ValueError("a defaultdict of what is no plain type")
    return {}


def _a_deque(items: Any = (), maxlen: Any = None) -> list[Any]:
    if maxlen is not None and type(maxlen) is not int:
        raise ValueError("a deque whose length is no number")
    return _a_list(items)


def _encode(text: Any, encoding: Any) -> bytes:
    # How protocols 0 to 2 write bytes.
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes that are not written as pickles do")
    return text.encode("latin-1")


def _a_bytes(content: Any = b"", encoding: Any = None) -> bytes:
    if encoding is not None:
        return _encode(content, encoding)
    if type(content) is not bytes:
        raise ValueError("bytes that are not written as pickles do")
    return content


def _a_time(kind: type[Any], *args: Any) -> Any:
    for arg in args:
        if not isinstance(arg, (int, float, bytes, str, datetime.timezone, datetime.timedelta, type(None))):
            raise ValueError(f"a {kind.__name__} made of a {type(arg).__name__}")
    return kind(*args)


def _time_maker(kind: type[Any]) -> Callable[..., Any]:
    def make(*args: Any) -> Any:
        return _a_time(kind, *args)

    return make


class _NumpyType(Stateful):
    """A dtype: the type code, and the byte order out of its state."""

    def __init__(self, code: Any, *_flags: Any) -> None:
        if type(code) is not str:
            raise ValueError("a numpy type that is no text")
        self.code = code
        self.order = "<"

    def set_state(self, state: Any) -> None:
        order = state[1] if type(state) is tuple and len(state) > 1 else None
        if order not in ("<", ">", "|", "="):
            raise ValueError("a numpy type without a byte order")
        self.order = ">" if order == ">" else "<"


_NUMPY_NUMBERS = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
    "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip


def _numpy_scalar(dtype: Any, content: Any = None) -> Any:
    if not isinstance(dtype, _NumpyType):
        raise ValueError("a numpy scalar without a type")
    if type(content) is not bytes:
        raise RefusedError(f"the pickle holds a numpy object of type {dtype.code!r}", kind="pickle-name")
    number = _NUMPY_NUMBERS.get(dtype.code)
    if number is not None:
        return struct.unpack(dtype.order + number, content)[0]
    if dtype.code[:1] == "U" and len(content) <= _MAX_NUMPY_TEXT:
        return content.decode("utf-32-be" if dtype.order == ">" else "utf-32-le").rstrip("\0")
    if dtype.code[:1] == "S" and len(content) <= _MAX_NUMPY_TEXT:
        return content.rstrip(b"\0")
    raise RefusedError(f"the pickle holds a numpy scalar of type {dtype.code[:40]!r}", kind="pickle-name")


def _reconstruct(target: Any, base: Any, state: Any) -> Any:
    # How protocols 0 and 1 make an instance; for anything but an object's plain instance it would call `base`.
    if not isinstance(target, (_GraphClass, _InertClass)) or base is not _OBJECT or state is not None:
        raise ValueError("copyreg makes something else than a graph")
    return target.new()


_OBJECT = Named("builtins.object")
_SCALARS = {name: Named(f"builtins.{name}") for name in ("int", "float", "str", "bool")}
_CONTAINERS = {
    "dict": _Function("dict", _a_dict),
    "list": _Function("list", _a_list),
    "tuple": _Function("tuple", lambda items=(): tuple(_a_list(items))),
    "set": _Function("set", _a_set),
    "frozenset": _Function("frozenset", lambda items=(): frozenset(_a_set(items))),
}
_FACTORIES = {*_SCALARS.values(), *_CONTAINERS.values()}

_GRAPHS = {
    "graph": ("Graph", False, False),
    "digraph": ("DiGraph", True, False),
    "multigraph": ("MultiGraph", False, True),
    "multidigraph": ("MultiDiGraph", True, True),
}
# Views that a graph keeps once it was asked for them.
_VIEWS = {
    "coreviews": ("AdjacencyView", "AtlasView", "MultiAdjacencyView"),
    "reportviews": (
        "DegreeView", "DiDegreeView", "DiMultiDegreeView", "EdgeView", "InDegreeView", "InEdgeView",
        "InMultiDegreeView", "InMultiEdgeView", "MultiDegreeView", "MultiEdgeView", "NodeView", "OutDegreeView",
        "OutEdgeView", "OutMultiDegreeView", "OutMultiEdgeView",
    ),
}  # fmt: skip


def _table() -> dict[tuple[str, str], Named]:
    names: dict[tuple[str, str], Named] = {}
    for module, (name, directed, multigraph) in _GRAPHS.items():
        graph = _GraphClass(name, directed, multigraph)
        names[f"networkx.classes.{module}", name] = graph
        # NetworkX 2 has graphs by this name too.
        names["networkx.classes.ordered", f"Ordered{name}"] = graph
    for module, views in _VIEWS.items():
        for view in views:
            names[f"networkx.classes.{module}", view] = _InertClass(view)
    # What `networkx.freeze` puts in the place of a graph's methods.
    names["networkx.classes.function", "frozen"] = Named("networkx.classes.function.frozen")
    # Python 2's names are what protocols 0 to 2 write.
    for module in ("builtins", "__builtin__"):
        names[module, "object"] = _OBJECT
        names[module, "bytes"] = _Function("bytes", _a_bytes)
        names[module, "bytearray"] = _Function("bytearray", _a_bytes)
        for known in (_SCALARS, _CONTAINERS):
            for name, named in known.items():
                names[module, name] = named
    names["__builtin__", "unicode"] = _SCALARS["str"]
    names["__builtin__", "long"] = _SCALARS["int"]
    names["_codecs", "encode"] = _Function("_codecs.encode", _encode)
    for module in ("copyreg", "copy_reg"):
        names[module, "_reconstructor"] = _Function("copyreg._reconstructor", _reconstruct)
    names["collections", "OrderedDict"] = _Function("OrderedDict", _a_dict)
    names["collections", "Counter"] = _Function("Counter", _a_dict)
    names["collections", "defaultdict"] = _Function("defaultdict", _a_defaultdict)
    names["collections", "deque"] = _Function("deque", _a_deque)
    for kind in (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone):
        names["datetime", kind.__name__] = _Function(kind.__name__, _time_maker(kind))
    names["numpy", "dtype"] = _Function("numpy.dtype", _NumpyType)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        names[module, "scalar"] = _Function("numpy scalar", _numpy_scalar)
    return names


NAMES = _table()

"""The opcodes of pickles, protocols 0 to 5: what each does to the machine, or why it is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from .._errors import DamageError, RefusedError
from ._machine import MARK, Machine
from ._names import NAMES, Named, Stateful, check_key

# Python 3.11 and newer hold this bound themselves: reading decimal digits takes the square of their number.
MAX_DIGITS = 4300
HIGHEST_PROTOCOL = 5

Handler = Callable[[Machine], None]


def _refuse(what: str) -> Handler:
    def handler(machine: Machine) -> None:
        raise RefusedError(
            f"the pickle uses {what}, which plain data has no need of",
            kind="pickle-opcode",
            hint="nothing of it was run; do not open this file with pickle.load unless you know who wrote it",
        )

    return handler


def _unknown(machine: Machine) -> None:
    byte = machine.data[machine.at]
    raise DamageError(f"byte {byte:#04x} at {machine.at} is no opcode of a pickle", kind="pickle")


def _constant(value: Any) -> Handler:
    def handler(machine: Machine) -> None:
        machine.stack.append(value)

    return handler


def _unsigned(size: int) -> Handler:
    def handler(machine: Machine) -> None:
        machine.stack.append(machine.number(size))

    return handler


def _long(size: int) -> Handler:
    def handler(machine: Machine) -> None:
        digits = machine.take(machine.number(size))
        machine.stack.append(int.from_bytes(digits, "little", signed=True))

    return handler


def _binint(machine: Machine) -> None:
    machine.stack.append(int.from_bytes(machine.take(4), "little", signed=True))


def _decimal(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("a number of too many digits")
    return int(text)


def _int_line(machine: Machine) -> None:
    text = machine.line()
    # Booleans of protocol 0.
    machine.stack.append({"00": False, "01": True}[text] if text in ("00", "01") else _decimal(text))


def _long_line(machine: Machine) -> None:
    text = machine.line()
    machine.stack.append(_decimal(text[:-1] if text.endswith("L") else text))


def _float_line(machine: Machine) -> None:
    machine.stack.append(float(machine.line()))


def _binfloat(machine: Machine) -> None:
    machine.stack.append(struct.unpack(">d", machine.take(8))[0])


def _text(size: int) -> Handler:
    def handler(machine: Machine) -> None:
        machine.stack.append(machine.take(machine.number(size)).decode("utf-8", "surrogatepass"))

    return handler


def _short_text(machine: Machine) -> None:
    # The commonest opcode of a graph, so written out.
    start = machine.pos + 1
    end = start + machine.data[machine.pos]
    if end > len(machine.data):
        raise DamageError("the pickle ends in the middle of a text", kind="pickle-cut-off")
    machine.stack.append(machine.data[start:end].decode("utf-8", "surrogatepass"))
    machine.pos = end


def _text_line(machine: Machine) -> None:
    machine.stack.append(machine.raw_line().decode("raw-unicode-escape"))


def _bytes(size: int) -> Handler:
    def handler(machine: Machine) -> None:
        machine.stack.append(machine.take(machine.number(size)))

    return handler


def _empty(kind: type[Any]) -> Handler:
    def handler(machine: Machine) -> None:
        machine.made()
        machine.stack.append(kind())

    return handler


def _tuple_of(count: int) -> Handler:
    def handler(machine: Machine) -> None:
        machine.made()
        items = [machine.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(items)))

    return handler


def _tuple(machine: Machine) -> None:
    machine.made()
    items = machine.since_mark()
    machine.stack.append(tuple(items))


def _list(machine: Machine) -> None:
    machine.made()
    items = machine.since_mark()
    machine.stack.append(items)


def _pairs(into: dict[Any, Any], items: list[Any]) -> None:
    if len(items) % 2:
        raise ValueError("a key without a value")
    for at in range(0, len(items), 2):
        key = items[at]
        if type(key) is not str:
            check_key(key)
        into[key] = items[at + 1]


def _dict(machine: Machine) -> None:
    machine.made()
    items = machine.since_mark()
    made: dict[Any, Any] = {}
    _pairs(made, items)
    machine.stack.append(made)


def _the(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"a {type(value).__name__} where a {kind.__name__} should be")
    return value


def _frozenset(machine: Machine) -> None:
    machine.made()
    items = machine.since_mark()
    for item in items:
        check_key(item)
    machine.stack.append(frozenset(items))


def _append(machine: Machine) -> None:
    value = machine.pop()
    _the(list, machine.stack[-1]).append(value)


def _appends(machine: Machine) -> None:
    items = machine.since_mark()
    _the(list, machine.stack[-1]).extend(items)


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _pairs(_the(dict, machine.stack[-1]), [key, value])


def _set_items(machine: Machine) -> None:
    items = machine.since_mark()
    _pairs(_the(dict, machine.stack[-1]), items)


def _add_items(machine: Machine) -> None:
    items = machine.since_mark()
    for item in items:
        check_key(item)
    _the(set, machine.stack[-1]).update(items)


def _mark(machine: Machine) -> None:
    machine.stack.append(MARK)


def _pop(machine: Machine) -> None:
    # Of a mark too: so protocol 0 and 1 leave a tuple that holds itself.
    machine.stack.pop()


def _pop_mark(machine: Machine) -> None:
    machine.since_mark()


def _dup(machine: Machine) -> None:
    value = machine.pop()
    machine.stack += (value, value)


def _put_line(machine: Machine) -> None:
    machine.remember(_decimal(machine.line()))


def _put(size: int) -> Handler:
    def handler(machine: Machine) -> None:
        machine.remember(machine.number(size))

    return handler


def _memoize(machine: Machine) -> None:
    machine.remember(len(machine.memo))


def _get_line(machine: Machine) -> None:
    machine.stack.append(machine.memo[_decimal(machine.line())])


def _get(size: int) -> Handler:
    def handler(machine: Machine) -> None:
        machine.stack.append(machine.memo[machine.number(size)])

    return handler


def _named(module: Any, name: Any) -> Named:
    if type(module) is not str or type(name) is not str:
        raise ValueError("a name that is no text")
    found = NAMES.get((module, name))
    if found is None:
        shown = f"{module}.{name}"
        if shown.startswith("joblib.") and name.endswith("ArrayWrapper"):
            shown += " (a numpy array)"
        raise RefusedError(
            f"the pickle names {shown[:200]!r}, which is neither a graph of NetworkX nor plain data",
            kind="pickle-name",
            hint="nothing of it was run; do not open this file with pickle.load unless you know who wrote it",
        )
    return found


def _global_line(machine: Machine) -> None:
    module = machine.line()
    machine.stack.append(_named(module, machine.line()))


def _global_stack(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.stack.append(_named(module, name))


def _reduce(machine: Machine) -> None:
    args, target = machine.pop(), machine.pop()
    if not isinstance(target, Named) or type(args) is not tuple:
        raise ValueError("it calls what cannot be called")
    machine.made()
    machine.stack.append(target.call(args))


def _new_object(machine: Machine) -> None:
    args, target = machine.pop(), machine.pop()
    if not isinstance(target, Named) or args != ():
        raise ValueError("it makes an object of what is no class")
    machine.made()
    machine.stack.append(target.new())


def _new_object_with_names(machine: Machine) -> None:
    names = machine.pop()
    if names != {}:
        raise ValueError("it makes an object with arguments by name")
    _new_object(machine)


def _build(machine: Machine) -> None:
    state, target = machine.pop(), machine.stack[-1]
    if not isinstance(target, Stateful):
        raise ValueError(f"it gives state to a {type(target).__name__}")
    target.set_state(state)


def _proto(machine: Machine) -> None:
    version = machine.number(1)
    if version > HIGHEST_PROTOCOL:
        raise DamageError(f"pickle protocol {version} is not known", kind="pickle")


def _frame(machine: Machine) -> None:
    # Frames let a reader read ahead; everything is in memory already.
    size = machine.number(8)
    if size > len(machine.data) - machine.pos:
        raise DamageError(
            f"the pickle ends in the middle: a frame of {size} bytes is announced, "
            f"{len(machine.data) - machine.pos} are there",
            kind="pickle-cut-off",
        )


def _stop(machine: Machine) -> None:
    machine.done = True


_BY_OPCODE: dict[bytes, Handler] = {
    b"(": _mark,
    b".": _stop,
    b"0": _pop,
    b"1": _pop_mark,
    b"2": _dup,
    b"F": _float_line,
    b"I": _int_line,
    b"J": _binint,
    b"K": _unsigned(1),
    b"L": _long_line,
    b"M": _unsigned(2),
    b"N": _constant(None),
    b"P": _refuse("a persistent id"),
    b"Q": _refuse("a persistent id"),
    b"R": _reduce,
    b"S": _refuse("a text of Python 2"),
    b"T": _refuse("a text of Python 2"),
    b"U": _refuse("a text of Python 2"),
    b"V": _text_line,
    b"X": _text(4),
    b"a": _append,
    b"b": _build,
    b"c": _global_line,
    b"d": _dict,
    b"}": _empty(dict),
    b"e": _appends,
    b"g": _get_line,
    b"h": _get(1),
    b"i": _refuse("the opcode INST"),
    b"j": _get(4),
    b"l": _list,
    b"]": _empty(list),
    b"o": _refuse("the opcode OBJ"),
    b"p": _put_line,
    b"q": _put(1),
    b"r": _put(4),
    b"s": _set_item,
    b"t": _tuple,
    b")": _constant(()),
    b"u": _set_items,
    b"G": _binfloat,
    b"\x80": _proto,
    b"\x81": _new_object,
    b"\x82": _refuse("an extension code"),
    b"\x83": _refuse("an extension code"),
    b"\x84": _refuse("an extension code"),
    b"\x85": _tuple_of(1),
    b"\x86": _tuple_of(2),
    b"\x87": _tuple_of(3),
    b"\x88": _constant(True),
    b"\x89": _constant(False),
    b"\x8a": _long(1),
    b"\x8b": _long(4),
    b"B": _bytes(4),
    b"C": _bytes(1),
    b"\x8c": _short_text,
    b"\x8d": _text(8),
    b"\x8e": _bytes(8),
    b"\x8f": _empty(set),
    b"\x90": _add_items,
    b"\x91": _frozenset,
    b"\x92": _new_object_with_names,
    b"\x93": _global_stack,
    b"\x94": _memoize,
    b"\x95": _frame,
    b"\x96": _bytes(8),
    b"\x97": _refuse("a buffer outside of the pickle"),
    b"\x98": _refuse("a buffer outside of the pickle"),
}
HANDLERS: list[Handler] = [_BY_OPCODE.get(bytes([byte]), _unknown) for byte in range(256)]

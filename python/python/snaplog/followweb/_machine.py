"""The machine that a pickle is a program for, without anything that could run something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._errors import DamageError, RefusedError

MARK = object()


class Machine:
    """The stack, the memo, and how much more may be made."""

    __slots__ = ("at", "data", "done", "left", "memo", "pos", "stack")

    def __init__(self, data: bytes, max_objects: int) -> None:
        self.data = data
        self.pos = 0
        # Where the opcode stands that is under way.
        self.at = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.left = max_objects
        self.done = False

    def run(self, handlers: list[Callable[[Machine], None]]) -> Any:
        """Carry out opcode by opcode, until one says stop; what it leaves on the stack."""
        data, end = self.data, len(self.data)
        while self.pos < end:
            self.at = self.pos
            handler = handlers[data[self.pos]]
            self.pos += 1
            handler(self)
            if self.done:
                (value,) = self.stack[-1:]
                if value is MARK:
                    raise ValueError("it ends with a mark")
                return value
        raise DamageError("the pickle ends before its end", kind="pickle-cut-off", offset=end)

    def take(self, size: int) -> bytes:
        """The next bytes."""
        end = self.pos + size
        if size < 0 or end > len(self.data):
            raise DamageError(
                f"the pickle ends in the middle: {size} bytes are announced, {len(self.data) - self.pos} are there",
                kind="pickle-cut-off",
            )
        taken = self.data[self.pos : end]
        self.pos = end
        return taken

    def line(self) -> str:
        """What stands before the next end of a line, as protocol 0 has it."""
        return self.raw_line().decode("utf-8")

    def raw_line(self) -> bytes:
        """The same, undecoded."""
        end = self.data.find(b"\n", self.pos)
        if end < 0:
            raise DamageError("the pickle ends in the middle of a line", kind="pickle-cut-off")
        taken = self.data[self.pos : end]
        self.pos = end + 1
        return taken

    def number(self, size: int) -> int:
        """An unsigned number of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def made(self) -> None:
        """Count one more object."""
        self.left -= 1
        if self.left < 0:
            raise RefusedError(
                "the pickle makes more objects than are allowed",
                kind="pickle-too-large",
                hint="if it is your own, raise the bound: max_objects",
            )

    def since_mark(self) -> list[Any]:
        """Take what is above the topmost mark, and the mark."""
        stack = self.stack
        at = len(stack) - 1
        while stack[at] is not MARK:
            at -= 1
            if at < 0:
                raise ValueError("there is no mark")
        items = stack[at + 1 :]
        del stack[at:]
        return items

    def pop(self) -> Any:
        """Take the topmost value."""
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a mark where a value should be")
        return value

    def remember(self, index: int) -> None:
        """Keep the topmost value under a number."""
        self.made()
        value = self.stack[-1]
        if value is MARK:
            raise ValueError("a mark where a value should be")
        self.memo[index] = value

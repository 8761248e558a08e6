"""Values of the old tool's files as values that a log can hold."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from typing import Any

from .._errors import RefusedError

# A log's own bound is 64.
_MAX_DEPTH = 60
_MAX_VALUES = 50_000_000
_INT64 = 1 << 63
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Plain:
    """Turns values into what a log can hold, and keeps the account of what had to become something else."""

    def __init__(self, max_values: int = _MAX_VALUES) -> None:
        self.changed: Counter[str] = Counter()
        self._left = max_values

    def attrs(self, attrs: Any, what: str) -> dict[str, Any]:
        """The attributes of something.

        :param what: what it is called in messages.
        :raises RefusedError: if there is a value that no log can hold, and nothing like it either.
        """
        if type(attrs) is not dict:
            raise RefusedError(f"the attributes of {what} are a {type(attrs).__name__}", kind="value")
        return {self.name(name, what): self.value(value, what) for name, value in attrs.items()}

    def name(self, name: Any, what: str) -> str:
        """The name of an attribute, or a key in a value."""
        if type(name) is str:
            return self._text(name)
        if isinstance(name, (bool, int, float, type(None))):
            self.changed["keys that are no text, as text"] += 1
            # Not even Python writes an int of thousands of digits in decimal.
            return hex(name) if type(name) is int and abs(name) >= _INT64 else str(name)
        raise RefusedError(f"{what} has an attribute named by a {type(name).__name__}", kind="value")

    def value(self, value: Any, what: str, depth: int = 0) -> Any:
        """One value."""
        self._left -= 1
        if self._left < 0:
            # A pickle of a few hundred bytes can say a list of lists of lists … of a thousand million of them.
            raise RefusedError(f"there are too many values in the file ({what})", kind="too-large")
        kind = type(value)
        if kind is str:
            return self._text(value)
        if value is None or kind in (bool, float, bytes):
            return value
        if kind is int:
            if -_INT64 <= value < _INT64:
                return value
            self.changed["numbers beyond 64 bits, as text"] += 1
            return hex(value)
        if depth >= _MAX_DEPTH:
            raise RefusedError(f"a value of {what} is nested more than {_MAX_DEPTH} deep", kind="value")
        if kind in (list, tuple):
            if kind is tuple:
                self.changed["tuples, as lists"] += 1
            return [self.value(item, what, depth + 1) for item in value]
        if kind is dict:
            return {self.name(key, what): self.value(item, what, depth + 1) for key, item in value.items()}
        if kind in (set, frozenset):
            self.changed["sets, as sorted lists"] += 1
            return [self.value(item, what, depth + 1) for item in sorted(value, key=_order)]
        if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
            self.changed["dates and times, as ISO text"] += 1
            return value.isoformat()
        if isinstance(value, datetime.timedelta):
            self.changed["lengths of time, as seconds"] += 1
            return value.total_seconds()
        raise RefusedError(f"a value of {what} is a {kind.__name__}, which no log can hold", kind="value")

    def _text(self, text: str) -> str:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            self.changed["texts that are no Unicode, with U+FFFD for what is none"] += 1
            return _LONE_SURROGATE.sub("\ufffd", text)
        return text


def _order(item: Any) -> tuple[int, int, str]:
    if type(item) is int:
        return (0, item, "")
    return (1, 0, item) if type(item) is str else (2, 0, type(item).__name__)

"""Read a pickle without running anything that it says.

Python's own unpickler imports and calls whatever a pickle names. This one is a machine of its own (``_machine``): it
knows the opcodes that data is made of (``_opcodes``), and a closed table of names (``_names``). A name that is not in the
table is refused before anything is looked up; nothing is ever imported, no attribute is ever taken, and what a graph's
class would do with the state that the pickle hands it is not asked: the state is kept as plain data, and ``_graphs``
makes a graph of it.

It is bounded: by the bytes that it is given, by how many containers and memo entries it makes, and by what may be a
key (hashing a tuple of tuples of tuples … can take longer than the universe has). It uses no recursion.
"""

from __future__ import annotations

import struct
from typing import Any

from .._errors import DamageError, RefusedError
from ._machine import Machine
from ._opcodes import HANDLERS

# A container is 56 bytes or more, a memo entry about 100: this is some 2 GiB, and a graph of ten million edges.
MAX_OBJECTS = 20_000_000


def loads(data: bytes, *, path: str | None = None, max_objects: int = MAX_OBJECTS) -> Any:
    """What a pickle holds.

    Instances of NetworkX's graph classes come as ``_names.PickledGraph``, of its views as ``_names.Inert``; numpy's
    scalars as Python's; an OrderedDict, a defaultdict or a Counter as a dict and a deque as a list.

    :param path: what the pickle is called in messages.
    :param max_objects: how many containers it may make.
    :raises RefusedError: if it names what is not plain data, or is too large; ``offset`` is the byte in the pickle.
    :raises DamageError: if it is no pickle, or not a whole one.
    """
    machine = Machine(data, max_objects)
    try:
        return machine.run(HANDLERS)
    except (RefusedError, DamageError) as error:
        error.path = path
        if error.offset is None:
            error.offset = machine.at
        if path is not None:
            error.message = f"{path}: {error.message}"
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, struct.error) as error:
        # Opcodes that do not fit together: an append to what is no list, a mark that is not there.
        what = f"{error}" if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise DamageError(
            f"{path or 'the pickle'}: it does not make sense at byte {machine.at} ({what})",
            kind="pickle",
            path=path,
            offset=machine.at,
            hint="the file is damaged, or no pickle",
        ) from None

"""An append-only log for graph crawlers: markers instead of copies, verified restore.

>>> import snaplog, tempfile
>>> path = tempfile.mkdtemp()
>>> with snaplog.open(path) as log:
...     log.add_edge("rain", "storm", weight=0.9)
...     _ = log.mark(label="first pass")
>>> G = snaplog.restore(path, "first pass")
>>> G.edges["rain", "storm"]["weight"]
0.9
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._errors import (
    ClosedError,
    ConversionWarning,
    DamageError,
    Error,
    IdentityError,
    LockedError,
    NotFoundError,
    RefusedError,
)
from ._log import Log, open
from ._read import compact, diff, drill, markers, prune, restore, stats, verify
from ._state import GraphAttributes, State, StateMap
from ._types import Marker, Origin, RestoredState, SyncReport

if TYPE_CHECKING:
    from .graphs import LoggedDiGraph, LoggedGraph, LoggedMultiDiGraph, LoggedMultiGraph

__all__ = [
    "ClosedError",
    "ConversionWarning",
    "DamageError",
    "Error",
    "GraphAttributes",
    "IdentityError",
    "LockedError",
    "Log",
    "LoggedDiGraph",
    "LoggedGraph",
    "LoggedMultiDiGraph",
    "LoggedMultiGraph",
    "Marker",
    "NotFoundError",
    "Origin",
    "RefusedError",
    "RestoredState",
    "State",
    "StateMap",
    "SyncReport",
    "compact",
    "diff",
    "drill",
    "markers",
    "open",
    "prune",
    "restore",
    "stats",
    "verify",
]


def __getattr__(name: str) -> Any:
    # They derive from networkx' classes, and a log can be used without it.
    if name.startswith("Logged") and name in __all__:
        from . import graphs

        return getattr(graphs, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""What an import did."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from .._errors import Error

DONE = 0
NOTHING = 3
DAMAGED = 4


@dataclass(frozen=True)
class Problem:
    """A file that could not be used, and why."""

    path: str
    reason: str

    @classmethod
    def of(cls, path: str, error: BaseException) -> Problem:
        """What an error says of a file."""
        message = error.message if isinstance(error, Error) else str(error) or type(error).__name__
        return cls(path, message[len(path) + 2 :] if message.startswith(f"{path}: ") else message)


@dataclass(frozen=True)
class Imported:
    """A marker, and the backup that it was made of."""

    marker: str
    label: str
    time: str
    time_from: str
    tier: str | None
    nodes: int
    edges: int
    nodes_without_attributes: int
    edges_without_attributes: int
    events_written: int


@dataclass
class Report:
    """What an import did.

    ``backups_found`` is how many backups there are, the live directory and archives among them: each of them is imported,
    was imported by an earlier run (``already_there``), or is in ``passed_over``. ``damaged`` are files whose backup was
    imported without them. ``attributes_lost`` says of which backups no file holds the attributes of nodes or edges.
    """

    directory: str
    log: str
    time_zone: str
    backups_found: int = 0
    already_there: int = 0
    imported: list[Imported] = field(default_factory=list)
    passed_over: list[Problem] = field(default_factory=list)
    damaged: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    values_changed: Counter[str] = field(default_factory=Counter)
    nodes: int = 0
    edges: int = 0

    @property
    def markers_placed(self) -> int:
        """How many markers this run placed."""
        return len(self.imported)

    @property
    def attributes_lost(self) -> dict[str, list[str]]:
        """The backups that have nodes, or edges, of which no file holds any attribute."""
        return {
            "nodes": [each.label for each in self.imported if each.nodes_without_attributes],
            "edges": [each.label for each in self.imported if each.edges_without_attributes],
        }

    @property
    def exit_code(self) -> int:
        """0 if all went well, 3 if there was nothing to import, 4 if anything could not be read."""
        if self.passed_over or self.damaged:
            return DAMAGED
        return DONE if self.backups_found else NOTHING

    def to_dict(self) -> dict[str, Any]:
        """The report as one JSON document."""
        return {
            **asdict(self),
            "values_changed": dict(self.values_changed),
            "markers_placed": self.markers_placed,
            "attributes_lost": self.attributes_lost,
        }

    def lines(self) -> list[str]:
        """The report for people."""
        if not self.backups_found and not self.passed_over and not self.damaged:
            return [f"{self.directory} holds nothing of the old tool's"]
        lines = [
            f"{self.log}: {self.markers_placed} markers placed, of {self.backups_found} backups found; "
            f"now {self.nodes} nodes, {self.edges} edges"
        ]
        if self.already_there:
            lines.append(f"{self.already_there} were there already, from an earlier import")
        named = sum(each.time_from == "file name" for each in self.imported)
        if named:
            lines.append(
                f"the times of {named} are from the names of files, read as local time ({self.time_zone})"
            )
        for what, labels in self.attributes_lost.items():
            if labels:
                some = sum(
                    each.nodes_without_attributes if what == "nodes" else each.edges_without_attributes
                    for each in self.imported
                )
                lines.append(
                    f"attributes of {what} are lost in {len(labels)} backups ({some} {what} in all): no file holds them"
                )
        for what, count in self.values_changed.items():
            lines.append(f"{count} values became others, since a log has no such: {what}")
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"without {problem.path}: {problem.reason}" for problem in self.damaged]
        lines += [f"passed over {problem.path}: {problem.reason}" for problem in self.passed_over]
        return lines

"""FollowWeb's backups, replaced: its ``BackupManager`` with the faults mended, a better way, and the way over.

>>> from snaplog.followweb import snaplog_config
>>> snaplog_config({"backup_interval_nodes": 50})["tiers"]["frequent"]
{'every_nodes': 50, 'keep': 5}
"""

from __future__ import annotations

from ._report import Imported, Problem, Report
from .checkpoint import Checkpoint, CheckpointLog
from .config import snaplog_config
from .importer import import_directory
from .manager import BackupManager

__all__ = [
    "BackupManager",
    "Checkpoint",
    "CheckpointLog",
    "Imported",
    "Problem",
    "Report",
    "import_directory",
    "snaplog_config",
]

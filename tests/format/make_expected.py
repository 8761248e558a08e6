"""Writes what is expected of the golden logs, as the second reader finds it: see tests/golden/README.md.

    python3 tests/format/make_expected.py tests/golden/v1
"""

import json
import sys
from pathlib import Path

from snaplog_format import node_link, read_log, summary


def main(directory):
    """Writes expected.json and node-link.json beside each log."""
    for log in sorted(Path(directory).glob("*/log")):
        read = read_log(log)
        expected = json.dumps(summary(read), ensure_ascii=False, indent=1)
        (log.parent / "expected.json").write_text(expected + "\n", encoding="utf-8")
        graph = json.dumps(node_link(read.graph), ensure_ascii=False)
        (log.parent / "node-link.json").write_text(graph + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

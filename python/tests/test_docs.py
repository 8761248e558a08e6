"""The pages' programs do what the pages say."""

import doctest
import importlib
import re
from pathlib import Path

import pytest
import snaplog

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs" / "python.md", ROOT / "python" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_the_blocks_of_a_page_run_one_after_the_other(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    names = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
    assert snaplog.verify("crawl.snaplog")["sound"]


@pytest.mark.parametrize(
    "module",
    ["snaplog", "snaplog._log", "snaplog.graphs", "snaplog.followweb.config", "snaplog.followweb.checkpoint"],
)
def test_the_examples_of_the_documentation(module, monkeypatch, tmp_path):
    failed, tried = doctest.testmod(importlib.import_module(module))
    assert tried
    assert not failed

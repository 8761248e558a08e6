"""Encrypted logs, opened by what the environment gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import snaplog

# Made for tests; nothing else is sealed for it.
IDENTITY = "AGE-SECRET-KEY-1Y78GA9C32G9VXYXTDRMQL3A4K6EW4DNF3PWPHSKEQEPZLDUXC20QS0KEPP"
RECIPIENT = "age1k94lpccy8kecyljnft0ex0m7f3du3mxew5acly4nnz45gnh8690s5cwczt"


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "crawl"
    with snaplog.open(path, recipients=[RECIPIENT]) as log:
        log.add_node("canary", tags=["canary"])
        log.state["page"] = "canary"
        log.mark(label="canary")
    monkeypatch.setenv("SNAPLOG_IDENTITY", IDENTITY)
    return path


def test_a_log_is_made_encrypted_written_and_read(sealed: Path) -> None:
    for file in sealed.iterdir():
        assert b"canary" not in file.read_bytes(), file
    with snaplog.open(sealed) as log:
        log.add_edge("canary", "another")
        log.mark()
    graph = snaplog.restore(sealed, "canary")
    assert list(graph.nodes(data=True)) == [("canary", {"tags": ["canary"]})]
    assert snaplog.restore(sealed).number_of_edges() == 1
    assert snaplog.verify(sealed)["sound"]
    assert "canary" in [marker.label for marker in snaplog.markers(sealed)]


def test_an_identity_file_will_do(sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "identity"
    file.write_text(f"# mine\n{IDENTITY}\n")
    monkeypatch.setenv("SNAPLOG_IDENTITY", str(file))
    assert snaplog.restore(sealed).number_of_nodes() == 1


def test_without_an_identity_nothing_but_checksums(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNAPLOG_IDENTITY")
    with pytest.raises(snaplog.IdentityError, match="encrypted") as shut:
        snaplog.open(sealed)
    assert shut.value.kind == "no-identity"
    with pytest.raises(snaplog.IdentityError):
        snaplog.restore(sealed)
    assert snaplog.verify(sealed, level="checksums")["sound"]


def test_another_identity_does_not_open_it(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPLOG_IDENTITY", "AGE-SECRET-KEY-1NONE")
    with pytest.raises(snaplog.IdentityError, match="not an age identity"):
        snaplog.restore(sealed)


def test_a_log_that_is_not_encrypted_is_not_taken_for_one_that_is(tmp_path: Path, sealed: Path) -> None:
    assert sealed.exists()
    with pytest.raises(snaplog.IdentityError, match="not encrypted"):
        snaplog.restore(plain(tmp_path / "plain"))


def test_where_an_identity_is_given_no_log_is_made_in_the_clear(sealed: Path, tmp_path: Path) -> None:
    assert sealed.exists()
    with pytest.raises(snaplog.IdentityError, match="would not be encrypted"):
        snaplog.open(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def plain(path: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SNAPLOG_IDENTITY")
        with snaplog.open(path) as log:
            log.add_node(1)
            log.mark()
    return path


def test_a_recipient_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(snaplog.IdentityError, match="age1nobody"):
        snaplog.open(tmp_path / "crawl", recipients=["age1nobody"])
    with snaplog.open(tmp_path / "one", recipients=RECIPIENT) as log:
        log.add_node(1)

"""Two readers that share no code must see the same log: snaplog, and `snaplog_format.py`, written from FORMAT.md."""

import json
import random
import re
import shutil
import struct
import subprocess
import zlib
from collections import Counter

import pytest
import snaplog_format as fmt
from conftest import DEBIAN, KINDS, NAMES, TESTS, Snaplog, Stream
from snaplog_format import LogError, read_log

FORMAT_MD = (TESTS.parent / "FORMAT.md").read_text(encoding="utf-8")
GOLDEN = sorted((TESTS / "golden" / "v1").glob("*/log"))
golden = pytest.mark.parametrize("log", GOLDEN, ids=lambda log: log.parent.name)
kinds = pytest.mark.parametrize("kind", KINDS, ids=NAMES.get)


def hexadecimal(number):
    return f"{number:032x}"


# What FORMAT.md itself says


def test_the_hash_in_the_appendix_runs_and_is_the_decoders():
    appendix = {}
    exec(FORMAT_MD.split("## Appendix A")[1].split("```python\n")[1].split("```")[0], appendix)
    mod251 = bytes(i % 251 for i in range(5000))
    for length in [*range(300), 511, 512, 1023, 1024, 1025, 1088, 2048, 2049, 5000]:
        assert appendix["xxh3_128"](mod251[:length]) == fmt.xxh3_128(mod251[:length])
    table = FORMAT_MD.split("| input | XXH3-128 |")[1]
    inputs = [b"", b"a", b"0123456789abcdef", b"0123456789abcdef0", mod251[:240], mod251[:241], mod251[:1025]]
    hashes = re.findall(r"`([0-9a-f]{32})`", table)
    assert [hexadecimal(fmt.xxh3_128(data)) for data in inputs] == hashes


def example():
    """The bytes of section 16."""
    listing = FORMAT_MD.split("## 16. A complete")[1].split("```")[1]
    data = b""
    for at, shown in re.findall(r"^([0-9a-f]{4})  (00 × 24|(?:[0-9a-f]{2} {1,2})+)", listing, re.MULTILINE):
        assert len(data) == int(at, 16)
        data += bytes(24) if "×" in shown else bytes.fromhex(shown)
    return data


def envelope(kind, number, body):
    head = struct.pack("<8sHHIQQQ16sQ", b"\x89SL" + kind + b"\r\n\x1a\n", 1, 0, 68 + len(body), 0, 0, 0, bytes(range(16)), number)
    return head + body + zlib.crc32(head + body).to_bytes(4, "little")


def log_of_example(path, segment):
    """A log with one segment, as section 16 ends: the manifest is put together here."""
    u, made = fmt.uint, fmt.uint(2 * 1_767_225_600_000_000)
    end = u(251) + u(0xAE4F1A22) + u(2) + fmt.uint(2 * 1_767_225_600_000_005)
    entry = u(1) + u(1) + made + b"\0" + b"\1" + end + b"\0" + b"\0" + u(0)
    body = u(1) + made + made + b"\1\0" + u(2) + u(1) + entry + u(0) + u(0) + u(0) + u(1) + u(2) + b"\1\0\1\0" + u(1) + u(0)
    body += u(0) + b"\0" + u(0)
    manifest = envelope(b"M", 1, body)
    (path / "events-000001").write_bytes(segment)
    (path / "manifest-000001").write_bytes(manifest)
    (path / "CURRENT").write_bytes(envelope(b"C", 1, u(1) + u(len(manifest)) + u(zlib.crc32(manifest[:-4]))))
    return path


def test_the_example_reads_as_it_says(tmp_path):
    log = read_log(log_of_example(tmp_path, example()))
    assert log.last_seq == 1
    assert fmt.node_link(log.graph)["nodes"] == [{"x": 1, "id": "a"}]
    assert hexadecimal(log.content) == "5071ee2a05c39a222c9981297ad7fe48"
    assert hexadecimal(log.layout) == "f492b0ad860c1f7fa9ada4603eeb79db"


def test_every_flipped_byte_of_the_example_is_damage(tmp_path):
    segment = example()
    for at in range(len(segment)):
        flipped = bytearray(segment)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(LogError) as raised:
            read_log(log_of_example(tmp_path, bytes(flipped)))
        assert raised.value.file == "events-000001" and raised.value.offset is not None


# Golden logs


FOLDED = sorted((TESTS / "golden" / "v1-folded").glob("*/log"))


@pytest.mark.parametrize("log", GOLDEN + FOLDED, ids=lambda log: f"{log.parent.parent.name}-{log.parent.name}")
def test_a_golden_log_reads_as_expected(log):
    read = read_log(log)
    assert json.loads(json.dumps(fmt.summary(read))) == json.loads((log.parent / "expected.json").read_text("utf-8"))
    text = json.dumps(fmt.node_link(read.graph), ensure_ascii=False)
    assert text == (log.parent / "node-link.json").read_text("utf-8").rstrip("\n")
    assert read.checked > len(read.markers)


def test_the_golden_logs_hold_everything_that_the_format_knows():
    seen = Counter()
    for log in GOLDEN:
        seen += read_log(log).seen
    assert {("frame", kind) for kind in range(1, 5)} <= seen.keys()
    assert {("record", tag) for tag in [*range(1, 16), 30, 31]} <= seen.keys()
    everything = b"".join(path.read_bytes() for log in GOLDEN for path in log.glob("events-*"))
    assert len(everything) < 4 * 150 * 1024
    logs = [read_log(log) for log in GOLDEN]
    values = [value for log in logs for node in log.graph.nodes.values() for value in node.attributes.values()]
    assert {value[0] for value in values} == set(range(9))
    assert any(log.torn for log in logs) and any(not log.torn for log in logs)
    assert all(len(log.manifest["segments"]) > 3 for log in logs)


@golden
def test_every_prefix_of_a_golden_log_has_the_sums_that_counting_anew_gives(log):
    for seq in range(0, read_log(log).last_seq + 1, 9):
        graph = read_log(log, seq).graph
        content = layout = 0
        things = [("n", graph.nodes), ("e", graph.edges), ("i", graph.items), ("g", {None: graph.graph})]
        for kind, alive in things:
            for thing in alive.values():
                content += sum(fmt.xxh3_128(fact) for fact in graph._facts(kind, thing))
                row = graph._row(kind, thing)
                layout += fmt.xxh3_128(row) if row else 0
        for ordinal, name in enumerate(graph.name_texts):
            layout += fmt.xxh3_128(b"a" + fmt.uint(ordinal) + fmt.text(name))
        assert graph.fingerprint() == (content & fmt.M128, layout & fmt.M128)


@golden
def test_beside_a_writer_the_end_is_what_was_claimed(log):
    beside, alone = read_log(log, live=True), read_log(log, live=False)
    is_open = alone.manifest["segments"][-1]["end"] is None
    assert (beside.last_seq < alone.last_seq) == is_open
    assert beside.last_seq + 1 >= alone.manifest["next_seq"]
    there = read_log(log, beside.last_seq)
    assert (beside.content, beside.layout) == (there.content, there.layout)


def positions(log):
    """A sample of the bytes of a log: (file, offset)."""
    manifest = fmt.read_manifest(log)
    names = ["CURRENT", manifest["file"], *(fmt.file_name("events", s["number"]) for s in manifest["segments"])]
    pick = random.Random(16)
    for name in names:
        size = (log / name).stat().st_size
        # Envelopes and the first frames, then here and there.
        yield from ((name, at) for at in sorted({*pick.sample(range(size), min(size, 70)), *range(8, min(size, 64), 8)}))


def claim(log):
    """The last segment's file and the highest claim in it, if the manifest leaves it open."""
    last = fmt.read_manifest(log)["segments"][-1]
    file = fmt.file_name("events", last["number"])
    if last["end"] is not None:
        return file, last["end"]["length"]
    data = (log / file).read_bytes()
    synced = [fmt.FRAME.unpack_from(data, found.start())[11] for found in re.finditer(re.escape(fmt.FRAME_MAGIC), data[:-64])]
    return file, max(synced)


@golden
def test_a_flipped_byte_never_gives_another_graph(log, tmp_path):
    sound = read_log(log)
    file_at_end, claimed = claim(log)
    lengths = {fmt.file_name("events", s["number"]): s["end"] and s["end"]["length"] for s in sound.manifest["segments"]}
    copy = tmp_path / "log"
    shutil.copytree(log, copy)
    outcomes = Counter()
    for file, at in positions(log):
        path = copy / file
        good = path.read_bytes()
        flipped = bytearray(good)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        try:
            read = read_log(copy)
        except LogError as error:
            assert error.file is not None
            outcomes["damage"] += 1
        else:
            counts = file not in lengths or at < (lengths[file] or claimed)
            assert not counts, f"{file} at {at}: a flipped byte that counts went unseen"
            before = read_log(log, read.last_seq)
            assert (read.content, read.layout) == (before.content, before.layout)
            assert read.markers == sound.markers[: len(read.markers)]
            shorter = read.last_seq < sound.last_seq or len(read.markers) < len(sound.markers)
            assert not shorter or file == file_at_end
            outcomes["shorter" if shorter else "dead byte"] += 1
        finally:
            path.write_bytes(good)
    assert outcomes["damage"] > 100, outcomes


@golden
def test_a_file_cut_anywhere_never_gives_another_graph(log, tmp_path):
    sound = read_log(log)
    file_at_end, claimed = claim(log)
    copy = tmp_path / "log"
    shutil.copytree(log, copy)
    lengths = {fmt.file_name("events", s["number"]): s["end"] and s["end"]["length"] for s in sound.manifest["segments"]}
    for file, at in positions(log):
        path = copy / file
        good = path.read_bytes()
        path.write_bytes(good[:at])
        try:
            read = read_log(copy)
        except LogError:
            pass
        else:
            assert file in lengths and (lengths[file] is None or at >= lengths[file])
            before = read_log(log, read.last_seq)
            assert (read.content, read.layout) == (before.content, before.layout)
            assert read.last_seq + 1 >= sound.manifest["next_seq"]
        finally:
            path.write_bytes(good)


# Against the binary


def agrees(snaplog):
    """That snaplog lists what the decoder finds. Gives what it read."""
    read = read_log(snaplog.log)
    listed = snaplog.json("list")["markers"]
    assert [marker["id"] for marker in listed] == [f"m{marker['id']}" for marker in read.markers]
    for theirs, ours in zip(listed, read.markers, strict=True):
        assert theirs["seq"] == ours["seq"] and theirs["label"] == ours["label"] and theirs["tiers"] == ours["tiers"]
        assert theirs["fingerprint"] == hexadecimal(ours["content"]) and theirs["layout"] == hexadecimal(ours["layout"])
        assert [theirs["nodes"], theirs["edges"]] == list(ours["counts"][:2])
    # Each has been compared with the graph there: those in the manifest once more than those in frames alone.
    assert read.checked >= len(read.markers)
    return read


def same_graph(snaplog, seq):
    """That both give the same text for the graph after event `seq`."""
    theirs = json.loads(snaplog.node_link(f"seq:{seq}"))
    theirs["graph"].pop("snaplog", None)
    ours = fmt.node_link(read_log(snaplog.log, seq).graph)
    assert json.dumps(theirs, ensure_ascii=False) == json.dumps(ours, ensure_ascii=False)


def test_the_log_of_debian_reads_the_same(debian):
    read = agrees(debian)
    assert len(read.markers) > 100 and read.last_seq > 13_000
    for seq in (1, 5000, read.last_seq):
        same_graph(debian, seq)
    [source] = read.sources.values()
    assert source["bytes"] > 0 and source["lines"] >= read.last_seq


@kinds
@pytest.mark.parametrize("seed", range(6))
def test_random_logs_read_the_same(make_log, kind, seed):
    snaplog = make_log(*kind)
    events = list(Stream(seed, *kind, everything=True).events(400))
    for start in range(0, len(events), 150):
        snaplog.ingest(events[start : start + 150])
    read = agrees(snaplog)
    assert read.last_seq > 200 and len(read.manifest["segments"]) == 3
    for seq in (0, 1, read.last_seq // 2, read.last_seq):
        same_graph(snaplog, seq)


# Compacted logs


@pytest.fixture(scope="module")
def compacted():
    """Compacts a log; skips if the binary cannot."""

    def compact(snaplog, *options):
        if subprocess.run([snaplog.binary, "compact", "--help"], capture_output=True).returncode:
            pytest.skip(f"{snaplog.binary} has no command 'compact'")
        snaplog("compact", *options)

    return compact


def every_marker(snaplog):
    """Restores every marker by every road and compares it with the marker's sums and with snaplog's graph."""
    read = agrees(snaplog)
    for marker in read.markers:
        there = read_log(snaplog.log, marker["seq"])
        assert (there.content, there.layout) == (marker["content"], marker["layout"])
        same_graph(snaplog, marker["seq"])
        for road in range(1, min(len(there.roads(marker["seq"])), 6)):
            other = read_log(snaplog.log, marker["seq"], road=road)
            assert (other.content, other.layout) == (there.content, there.layout)
            # As text: one NaN is not equal to another.
            assert repr(fmt.node_link(other.graph)) == repr(fmt.node_link(there.graph))
    return read


@kinds
@pytest.mark.parametrize("seed", range(3))
def test_compacted_logs_read_the_same(make_log, compacted, kind, seed):
    snaplog = make_log(*kind)
    tiers = "[tiers.all]\nevery_nodes = 3\n[tiers.few]\nevery_nodes = 2\nkeep = 3\n"
    keep = ("none", "1h", "none")[seed]
    config = f'{tiers}[retention]\nkeep_events = "{keep}"\n[compression]\nage = "0s"\n'
    (snaplog.log / "snaplog.toml").write_text(config)
    events = list(Stream(seed, *kind, everything=True).events(600))
    graphs = {}
    for start in range(0, 400, 100):
        snaplog.ingest(events[start : start + 100])
        snaplog("mark", "--label", f"part {start}")
    for marker in read_log(snaplog.log).markers:
        graphs[marker["seq"]] = snaplog.node_link(f"seq:{marker['seq']}")
    compacted(snaplog)
    read = every_marker(snaplog)
    assert read.manifest["snapshots"] or keep != "none"
    snaplog.ingest(events[400:500])
    compacted(snaplog)
    every_marker(snaplog)
    snaplog.ingest(events[500:])
    compacted(snaplog, "--thorough", "--now")
    read = every_marker(snaplog)
    seqs = {marker["seq"] for marker in read.markers}
    left = {seq: graph for seq, graph in graphs.items() if seq in seqs}
    assert left
    for seq, graph in left.items():
        assert snaplog.node_link(f"seq:{seq}") == graph


def test_debian_reads_the_same_when_it_is_compacted(make_log, compacted):
    snaplog = make_log()
    (snaplog.log / "snaplog.toml").write_text('[retention]\nkeep_events = "none"\n[tiers.all]\nevery_nodes = 100\n')
    snaplog("ingest", DEBIAN)
    compacted(snaplog, "--thorough", "--now")
    read = agrees(snaplog)
    assert len(read.markers) > 15 and read.manifest["snapshots"]
    for marker in read.markers[::4]:
        same_graph(snaplog, marker["seq"])


@golden
def test_a_compacted_golden_log_has_the_same_markers(log, compacted, binary, tmp_path):
    copy = tmp_path / "log"
    shutil.copytree(log, copy)
    snaplog = Snaplog(binary, copy)
    compacted(snaplog, "--thorough", "--now")
    read, before = every_marker(snaplog), read_log(log)
    assert read.manifest["snapshots"] and read.seen["compressed"] + 1
    assert [(m["id"], m["content"], m["layout"]) for m in read.markers] == [
        (m["id"], m["content"], m["layout"]) for m in before.markers
    ]
    assert (read.content, read.layout, read.last_seq) == (before.content, before.layout, before.last_seq)
    assert read.sources == before.sources

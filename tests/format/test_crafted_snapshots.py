"""Snapshot segments that no writer makes, put together here from FORMAT.md (17): both readers must refuse what contradicts
itself, and every flipped byte; and read what is sound."""

import json
import subprocess
import zlib

import pytest
import snaplog_format as fmt
import zstandard
from snaplog_format import CHANGED, REMOVED, LogError, row_hash, text, uint
from test_format import envelope

TIME = 1_767_225_600_000_000
KIND = b"\1\0"  # directed, no multigraph


def sint(n):
    return uint(2 * n if n >= 0 else -2 * n - 1)


def total(n):
    return n.to_bytes(16, "little")


def name(text):
    return b"\1" + fmt.text(text)


# The rows: two states of a small graph.
ONE, TWO = b"\x03\x02", b"\x03\x04"
A1, B1, B2, C2 = (name("a"), {0: ONE}), (name("b"), {}), (name("b"), {0: TWO}), (name("c"), {})
E0, E1 = (0, 1, None, None, {}), (0, 2, None, None, {0: ONE})
ITEM, GRAPH = (1, None, ONE), {0: TWO}


def layout(*rows):
    return sum(row_hash(*row, False) for row in rows) & fmt.M128


NAMES = [("name", 0, "x"), ("name", 1, "page")]
FIRST = [*NAMES, ("node", 0, A1), ("node", 1, B1), ("edge", 0, E0), ("item", 0, ITEM), ("graph", 0, GRAPH)]
SECOND = [*NAMES, ("node", 0, A1), ("node", 1, B2), ("node", 2, C2), ("edge", 1, E1), ("item", 0, ITEM), ("graph", 0, GRAPH)]


def stamps(*four):
    """The column for (born, changed) pairs; times are those seconds."""
    born = [b for b, _ in four]
    before = [0, *born[:-1]]
    streams = [
        [sint(b - a) for a, b in zip(before, born, strict=True)],
        [sint(b - a + (TIME if at == 0 else 0)) for at, (a, b) in enumerate(zip(before, born, strict=True))],
        [sint(c - b) for b, c in four],
        [sint(c - b) for b, c in four],
    ]
    return b"".join(map(b"".join, streams))


def chunk(kind, first, last, **columns):
    return {"kind": kind, "entries": last - first + 1, "tombstones": 0, "first": first, "last": last, "columns": columns}


def stand(seq, ordinals, counts, sum_):
    return {"seq": seq, "time": TIME + seq, "ordinals": ordinals, "counts": counts, "layout": sum_}


def sound():
    """What a sound file says: two increments, everything of it open to change."""
    middle = stand(6, [2, 1, 2, 1], [2, 1, 1, 2], layout(*FIRST))
    end = stand(9, [3, 2, 2, 1], [3, 1, 1, 3], layout(*SECOND))
    births = [
        chunk("name", 0, 1, ids=text("x") + text("page")),
        chunk("node", 0, 1, stamps=stamps((1, 1), (2, 2)), ids=A1[0] + B1[0], shapes=b"\2\1\0\0\0\1", values=ONE),
        chunk("edge", 0, 0, stamps=stamps((3, 3)), sources=sint(0), targets=sint(0), shapes=b"\1\0\0"),
        chunk("item", 0, 0, stamps=stamps((4, 4)), ids=b"\0", sources=b"\1", values=ONE),
        chunk("graph", 0, 0, stamps=stamps((5, 6)), shapes=b"\1\1\0\0", values=TWO),
    ]
    changes = [
        chunk(
            "node", 1, 2, fates=bytes((CHANGED, 0)), replaced=total(layout(("node", 1, B1))), stamps=stamps((2, 7), (8, 8)),
            ids=B2[0] + C2[0], shapes=b"\2\1\0\0\0\1", values=TWO,
        ),
        chunk(
            "edge", 0, 1, fates=bytes((REMOVED, 0)), replaced=total(layout(("edge", 0, E0))), stamps=stamps((3, 9), (9, 9)),
            sources=sint(0), targets=sint(-1), shapes=b"\1\1\0\0", values=ONE,
        ),
    ]  # fmt: skip
    changes[1]["tombstones"] = 1
    return {
        "increments": [
            {"from": {**fmt.EMPTY_STAND}, "to": middle, "level": 9, "chunks": births},
            {"from": {**middle}, "to": end, "level": 9, "chunks": changes},
        ],
        "order": fmt.COLUMNS,
        "zero": 0,
        "move": 0,
        "codec": {},
        "index": lambda raw: raw,
        "listed": lambda entries: entries,
    }


def encode_stand(at):
    head = uint(at["seq"]) + sint(at["time"])
    return head + b"".join(map(uint, [*at["ordinals"], *at["counts"]])) + total(at["layout"])


def build(path, parts):
    """Writes a log whose only segment holds `parts`, with a marker at the end of each increment of the sound file."""
    head = envelope(b"S", 1, sint(TIME) + KIND + b"\0\0")
    blocks, increments, listed = b"", b"", b""
    for increment in parts["increments"]:
        a, b, chunks, raw_bytes, begins = increment["from"], increment["to"], b"", 0, len(blocks)
        for one in increment["chunks"]:
            chunks += uint(fmt.ROW_KINDS.index(one["kind"]))
            chunks += b"".join(uint(one[field]) for field in ("entries", "tombstones", "first", "last"))
            chunks += uint(len(head) + len(blocks) + parts["move"])
            columns = [column for column in parts["order"] if column in one["columns"]]
            chunks += uint(len(columns))
            for column in columns:
                raw = one["columns"][column]
                codec, stored, said = parts["codec"].get(column, lambda raw: (0, raw, len(raw)))(raw)
                chunks += uint(fmt.COLUMNS.index(column)) + uint(codec)
                chunks += uint(len(stored)) + uint(said) + uint(zlib.crc32(stored))
                blocks += stored
                raw_bytes += said
        increments += encode_stand(a) + encode_stand(b) + bytes((increment["level"],))
        increments += uint(len(increment["chunks"])) + chunks
        rows = sum(one["entries"] for one in increment["chunks"])
        listed += uint(a["seq"]) + uint(b["seq"]) + sint(b["time"]) + uint(rows) + uint(sum(b["counts"][:3]))
        listed += uint(len(blocks) - begins) + uint(raw_bytes) + bytes((increment["level"],))
    raw = parts["index"](uint(len(parts["increments"])) + increments + b"\0")
    index = zstandard.ZstdCompressor().compress(raw)
    checksum = zlib.crc32(index)
    trailer = fmt.TRAILER.pack(b"\x9eSI\x1a", len(index), len(head) + len(blocks), len(raw), checksum, parts["zero"], 0)[:28]
    data = head + blocks + index + trailer + zlib.crc32(trailer).to_bytes(4, "little")
    write_log(path, data, parts["listed"](uint(len(parts["increments"])) + listed), checksum)
    return data


def write_log(path, data, increments, checksum):
    (path / "snapshot-000001").write_bytes(data)
    snapshot = uint(1) + uint(len(data)) + uint(checksum) + increments
    markers = b"".join(marker(at, graph) for at, graph in enumerate(sums(), 1))
    end = sound()["increments"][-1]["to"]
    body = uint(1) + sint(TIME) * 2 + KIND + uint(2) + b"\0" + uint(1) + snapshot + uint(2) + markers + uint(0) + uint(3)
    body += uint(end["seq"] + 1) + b"".join(map(uint, end["ordinals"])) + uint(end["counts"][3]) + b"\0\0\0\0"
    manifest = envelope(b"M", 1, body)
    (path / "manifest-000001").write_bytes(manifest)
    (path / "CURRENT").write_bytes(envelope(b"C", 1, uint(1) + uint(len(manifest)) + uint(zlib.crc32(manifest[:-4]))))


def sums():
    """The sound states as (stand, content sum), by another road: born one by one."""
    states = []
    for rows, increment in zip((FIRST, SECOND), sound()["increments"], strict=True):
        graph = fmt.Graph(True, False)
        for kind, ordinal, row in rows:
            if kind == "name":
                graph.name_born(row)
            elif kind == "node":
                graph.node_born(row[0], dict(row[1]))
            elif kind == "edge":
                graph.next[1] = ordinal
                graph.edge_born(graph.nodes[row[0]], graph.nodes[row[1]], None, None, dict(row[4]))
            elif kind == "item":
                graph.item_born(*row)
            else:
                graph.changed("g", graph.graph, row)
        content, layout = graph.fingerprint()
        assert layout == increment["to"]["layout"]
        states.append((increment["to"], content))
    return states


def marker(number, state):
    at, content = state
    head = uint(number) + uint(at["seq"]) + sint(at["time"]) + b"\0\0\0\0"
    return head + b"".join(map(uint, [*at["counts"], *at["ordinals"]])) + total(content) + total(at["layout"]) + b"\0\0\0" + bytes(32)


def both(path, binary):
    """Whether the decoder takes a log, and whether snaplog does."""
    try:
        read = fmt.read_log(path)
        assert read.checked == 2
        ours = None
    except LogError as error:
        assert error.kind in ("damaged", "unsupported")
        ours = str(error)
    done = subprocess.run([binary, "-d", path, "verify", "--json"], capture_output=True, encoding="utf-8")
    said = json.loads(done.stdout or done.stderr)
    return ours, bool(said.get("sound")), done


def test_a_sound_one_is_taken(tmp_path, binary):
    build(tmp_path, sound())
    ours, theirs, done = both(tmp_path, binary)
    assert ours is None and theirs, (ours, done)
    read = fmt.read_log(tmp_path)
    assert fmt.node_link(read.graph)["edges"] == [{"x": 1, "source": "a", "target": "c"}]
    shown = subprocess.run(
        [binary, "-d", tmp_path, "restore", "--to", "m2", "--format", "node-link", "--quiet"], capture_output=True, encoding="utf-8"
    )
    theirs = json.loads(shown.stdout)
    theirs["graph"].pop("snaplog", None)
    assert theirs == fmt.node_link(read.graph)


def test_a_compressed_one_is_taken(tmp_path, binary):
    parts = sound()
    parts["codec"] = {column: lambda raw: (1, zstandard.ZstdCompressor().compress(raw), len(raw)) for column in fmt.COLUMNS}
    build(tmp_path, parts)
    ours, theirs, done = both(tmp_path, binary)
    assert ours is None and theirs, (ours, done)


def put(at, chunk, **columns):
    """Replaces columns of a chunk; None takes one away."""

    def edit(parts):
        there = parts["increments"][at]["chunks"][chunk]["columns"]
        there.update(columns)
        for column in [column for column, raw in there.items() if raw is None]:
            del there[column]

    return edit


def says(at, chunk, **fields):
    return lambda parts: parts["increments"][at]["chunks"][chunk].update(fields)


def stands(at, end, **fields):
    return lambda parts: parts["increments"][at][end].update(fields)


def part(**fields):
    return lambda parts: parts.update(fields)


def swap_chunks(parts):
    chunks = parts["increments"][1]["chunks"]
    chunks.reverse()


def level(number):
    return lambda parts: parts["increments"][0].update(level=number)


ZERO = total(0)
CASES = {
    "another layout sum": lambda parts: [stands(0, "to", layout=5)(parts), stands(1, "from", layout=5)(parts)],
    "a sum that the second does not begin with": stands(1, "from", layout=5),
    "a time that the second does not begin with": stands(1, "from", time=TIME),
    "the empty graph with an ordinal": stands(0, "from", ordinals=[1, 0, 0, 0]),
    "another count": stands(1, "to", counts=[2, 1, 1, 3]),
    "more nodes than the high-water": stands(1, "to", counts=[3, 1, 1, 2]),
    "ordinals that descend": stands(1, "to", ordinals=[1, 2, 2, 1]),
    "time that descends": stands(1, "to", time=TIME),
    "too many names": stands(1, "to", ordinals=[3, 2, 3, 1]),
    "level 0": level(0),
    "level 23": level(23),
    "chunks that do not ascend": swap_chunks,
    "chunks elsewhere": part(move=1),
    "columns that do not ascend": part(order=fmt.COLUMNS[::-1]),
    "a trailer with something in it": part(zero=1),
    "an index with a byte left over": part(index=lambda raw: raw + b"\0"),
    "an index cut short": part(index=lambda raw: raw[:-1]),
    "a raw block with two lengths": part(codec={"ids": lambda raw: (0, raw, len(raw) + 1)}),
    "a block with another length": part(
        codec={"ids": lambda raw: (1, zstandard.ZstdCompressor().compress(raw), len(raw) + 1)}
    ),
    "a block that is no zstd frame": part(codec={"ids": lambda raw: (1, b"zstd", 99)}),
    "an unknown codec": part(codec={"ids": lambda raw: (2, raw, len(raw))}),
    "a block that is too long": part(codec={"ids": lambda raw: (1, raw, fmt.BLOCK_MAX + 1)}),
    "another from in the manifest": part(listed=lambda raw: raw[:1] + b"\1" + raw[2:]),
    "no increment in the manifest": part(listed=lambda raw: b"\0"),
    "too few entries": says(0, 1, entries=1),
    "too many entries": says(0, 1, entries=3),
    "no entries": says(0, 0, entries=0),
    "too many tombstones": says(1, 1, tombstones=2),
    "another last": says(1, 1, last=2),
    "another first": says(0, 1, first=1, last=2),
    "a gap": put(1, 0, ordinals=b"\0\1"),
    "a gap before the first": put(1, 0, ordinals=b"\1\0"),
    "a fate too few": put(1, 0, fates=bytes((CHANGED,))),
    "a fate too many": put(1, 0, fates=bytes((CHANGED, 0, 0))),
    "an unknown fate": put(1, 0, fates=bytes((3, 0))),
    "an old one born": put(1, 0, fates=bytes((0, 0)), replaced=None),
    "a new one changed": put(1, 0, fates=bytes((1, 1)), replaced=ZERO * 2),
    "a name removed": put(0, 0, fates=bytes((0, REMOVED))),
    "the graph removed": lambda parts: [put(0, 4, fates=b"\2", replaced=ZERO)(parts), says(0, 4, tombstones=1)(parts)],
    "another sum replaced": put(1, 0, replaced=total(5)),
    "a sum replaced too many": put(1, 0, replaced=total(layout(("node", 1, B1))) + ZERO),
    "stamps of a name": put(0, 0, stamps=b"\0" * 8),
    "stamps too few": put(0, 1, stamps=stamps((1, 1))),
    "a birth at 0": put(0, 1, stamps=stamps((0, 1), (2, 2))),
    "a change before the birth": put(0, 1, stamps=stamps((3, 1), (2, 2))),
    "a change beyond the end": put(0, 1, stamps=stamps((1, 7), (2, 2))),
    "a change before the beginning": put(1, 0, stamps=stamps((2, 6), (8, 8))),
    "an old one born within": put(1, 0, stamps=stamps((7, 7), (8, 8))),
    "a new one born before": put(1, 0, stamps=stamps((2, 7), (2, 8))),
    "a text that is not UTF-8": put(0, 0, ids=text("x") + b"\4\xff\xff\xff\xff"),
    "an id with another tag": put(0, 1, ids=A1[0] + b"\2\1b"),
    "an id too many": put(0, 1, ids=A1[0] + B1[0] + C2[0]),
    "a long integer": put(0, 1, shapes=b"\2\1\0\0\0\xfb\1\0"),
    "an edge to a node not born": put(0, 2, targets=sint(-1)),
    "an edge from a node not born": put(0, 2, sources=sint(2)),
    "an edge from before the first": put(0, 2, sources=sint(-1)),
    "slots in a graph that has none": put(0, 2, slots=b"\0"),
    "a key not born": put(0, 3, sources=b"\2"),
    "an item that is neither": put(0, 3, ids=b"\2"),
    "no shapes": put(0, 1, shapes=None),
    "shapes of an item": put(0, 3, shapes=b"\1\0\0"),
    "more shapes than rows": put(0, 2, shapes=b"\2\0\0\0"),
    "a shape with a name not born": put(0, 1, shapes=b"\2\1\2\0\0\1"),
    "a shape that does not ascend": put(0, 4, shapes=b"\1\2\0\0\0", values=TWO + TWO),
    "a shape that is not there": put(0, 1, shapes=b"\2\1\0\0\0\2"),
    "a shape too few": put(0, 1, shapes=b"\2\1\0\0\0"),
    "a value too few": put(0, 1, values=None),
    "a value too many": put(0, 1, values=ONE + TWO),
    "another value": put(0, 1, values=TWO),
    "another id": put(0, 1, ids=A1[0] + C2[0]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_contradicts_itself_is_refused_by_both(tmp_path, binary, case):
    parts = sound()
    case(parts)
    build(tmp_path, parts)
    ours, theirs, done = both(tmp_path, binary)
    assert ours is not None
    assert not theirs, (ours, done.stdout)


def test_every_flipped_byte_is_damage(tmp_path, binary):
    data = build(tmp_path, sound())
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        (tmp_path / "snapshot-000001").write_bytes(flipped)
        with pytest.raises(LogError) as raised:
            fmt.read_log(tmp_path)
        assert raised.value.file == "snapshot-000001" and raised.value.offset is not None
        if at % 9 == 0:
            assert not both(tmp_path, binary)[1], at


def test_a_file_cut_anywhere_is_damage(tmp_path, binary):
    data = build(tmp_path, sound())
    for at in range(0, len(data), 7):
        (tmp_path / "snapshot-000001").write_bytes(data[:at])
        ours, theirs, _ = both(tmp_path, binary)
        assert ours is not None and not theirs, at

"""A second reader of snaplog logs, written from FORMAT.md alone.

It shares no code with the crate, so that where both agree the document is complete: `test_format.py` compares them.
Python 3.11, and `zstandard` for compressed blocks and frames. Numbers in comments are sections of FORMAT.md.

    python3 tests/format/snaplog_format.py LOG [--seq N] [--json] [--node-link]

As a module: `read_log(path)` reads, checks and replays a log, and raises `LogError` (kind, file, offset) on any damage.
"""

import argparse
import base64
import collections
import fcntl
import json
import math
import os
import pathlib
import re
import struct
import sys
import zlib

try:
    import zstandard
except ImportError:  # Logs that were never compacted need it not.
    zstandard = None

M64, M128 = 2**64 - 1, 2**128 - 1
I64_MAX = 2**63 - 1
CANONICAL_NAN = bytes.fromhex("000000000000f87f")

# 13. Limits
ID_MAX, NAME_MAX, NESTING_MAX, VALUE_MAX = 16_384, 4_096, 64, 4_194_304
EVENT_MAX, PAYLOAD_MAX, ORDINAL_MAX = 8_388_608, 16_777_280, 4_294_967_294
LABEL_MAX, TIER_MAX, SOURCE_NAME_MAX, SOURCES_MAX = 256, 64, 4_096, 1_000
SEGMENT_ENVELOPE_MAX, MANIFEST_MAX, CURRENT_MAX = 1_048_576, 256 << 20, 4_096
CHUNK_MAX, BLOCK_MAX, INDEX_MAX = 8_192, 64 << 20, 256 << 20


class LogError(Exception):
    """What is wrong, and where: the file's name, and the offset in it if there is one."""

    kind = "error"

    def __init__(self, message, file=None, offset=None):
        super().__init__(message)
        self.message, self.file, self.offset = message, file, offset

    def __str__(self):
        place = "" if self.file is None else f"{self.file}: " if self.offset is None else f"{self.file} at {self.offset}: "
        return place + self.message


class NotALog(LogError):
    """No log is here, or one whose `init` did not end."""

    kind = "no log"


class Damaged(LogError):
    """Bytes that the format does not allow."""

    kind = "damaged"


class Missing(Damaged):
    """A file that must be there is not."""


class Unsupported(LogError):
    """A version or feature that this reader does not know."""

    kind = "unsupported"


# Appendix A. XXH3-128

P32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
S64 = [int.from_bytes(SECRET[at : at + 8], "little") for at in range(len(SECRET) - 7)]
S32 = [int.from_bytes(SECRET[at : at + 4], "little") for at in range(16)]
LANES = [tuple(S64[at : at + 64 : 8]) for at in range(len(SECRET) - 63)]
EIGHT = struct.Struct("<8Q")


def _swap(n, size):
    return int.from_bytes(n.to_bytes(size, "little"), "big")


def _fold(a, b):
    p = a * b
    return (p & M64) ^ (p >> 64)


def _avalanche(h):
    h ^= h >> 37
    h = h * 0x165667919E3779F9 & M64
    return h ^ h >> 32


def _avalanche64(h):
    h ^= h >> 33
    h = h * P64[1] & M64
    h ^= h >> 29
    h = h * P64[2] & M64
    return h ^ h >> 32


def _mix32(lo, hi, one, two, s):
    """One round over two pairs of words."""
    a, b = one
    c, d = two
    lo = (lo + _fold(a ^ S64[s], b ^ S64[s + 8]) & M64) ^ (c + d & M64)
    hi = (hi + _fold(c ^ S64[s + 16], d ^ S64[s + 24]) & M64) ^ (a + b & M64)
    return lo, hi


def _mixed(lo, hi, n):
    low = _avalanche(lo + hi & M64)
    high = _avalanche(lo * P64[0] + hi * P64[3] + n * P64[1] & M64)
    return (-high & M64) << 64 | low


def _merge(acc, s, start):
    h = start + sum(_fold(acc[2 * i] ^ S64[s + 16 * i], acc[2 * i + 1] ^ S64[s + 16 * i + 8]) for i in range(4))
    return _avalanche(h & M64)


def xxh3_128(b):
    """The hash of a byte string: high half times 2**64 plus low half."""
    n = len(b)
    if n <= 16:
        return _short(b, n)
    pair = struct.Struct("<2Q").unpack_from
    lo, hi = n * P64[0] & M64, 0
    if n <= 128:
        for i in reversed(range((n - 1) // 32 + 1)):
            lo, hi = _mix32(lo, hi, pair(b, 16 * i), pair(b, n - 16 * (i + 1)), 32 * i)
        return _mixed(lo, hi, n)
    if n <= 240:
        for i in range(32, 160, 32):
            lo, hi = _mix32(lo, hi, pair(b, i - 32), pair(b, i - 16), i - 32)
        lo, hi = _avalanche(lo), _avalanche(hi)
        for i in range(160, n + 1, 32):
            lo, hi = _mix32(lo, hi, pair(b, i - 32), pair(b, i - 16), 3 + i - 160)
        return _mixed(*_mix32(lo, hi, pair(b, n - 16), pair(b, n - 32), 103), n)
    return _long(b, n)


def _short(b, n):
    def r32(at):
        return int.from_bytes(b[at : at + 4], "little")

    def r64(at):
        return int.from_bytes(b[at : at + 8], "little")

    if n == 0:
        return _avalanche64(S64[80] ^ S64[88]) << 64 | _avalanche64(S64[64] ^ S64[72])
    if n <= 3:
        lo = b[0] << 16 | b[n >> 1] << 24 | b[n - 1] | n << 8
        hi = _swap(lo, 4)
        hi = (hi << 13 | hi >> 19) & 0xFFFFFFFF
        return _avalanche64(hi ^ S32[8] ^ S32[12]) << 64 | _avalanche64(lo ^ S32[0] ^ S32[4])
    if n <= 8:
        keyed = (r32(0) | r32(n - 4) << 32) ^ S64[16] ^ S64[24]
        m = keyed * (P64[0] + (n << 2) & M64)
        low, high = m & M64, m >> 64
        high = high + (low << 1) & M64
        low ^= high >> 3
        low = (low ^ low >> 35) * 0x9FB21C651E98DF25 & M64
        return _avalanche(high) << 64 | low ^ low >> 28
    first, last = r64(0), r64(n - 8)
    m = (first ^ last ^ S64[32] ^ S64[40]) * P64[0]
    low, high = (m & M64) + (n - 1 << 54) & M64, m >> 64
    last ^= S64[48] ^ S64[56]
    high = high + last + (last & 0xFFFFFFFF) * (P32[1] - 1) & M64
    h = (low ^ _swap(high, 8)) * P64[1]
    return _avalanche((h >> 64) + high * P64[1] & M64) << 64 | _avalanche(h & M64)


def _long(b, n):
    acc = [P32[2], P64[0], P64[1], P64[2], P64[3], P32[1], P64[4], P32[0]]

    def stripe(at, s):
        secret = LANES[s]
        for i, data in enumerate(EIGHT.unpack_from(b, at)):
            key = data ^ secret[i]
            acc[i ^ 1] = acc[i ^ 1] + data & M64
            acc[i] = acc[i] + (key & 0xFFFFFFFF) * (key >> 32) & M64

    blocks = (n - 1) // 1024
    for at in range(0, blocks * 1024, 64):
        stripe(at, at % 1024 // 8)
        if at % 1024 == 960:
            for i in range(8):
                acc[i] = (acc[i] ^ acc[i] >> 47 ^ S64[128 + 8 * i]) * P32[0] & M64
    for k in range((n - 1 - blocks * 1024) // 64):
        stripe(blocks * 1024 + 64 * k, 8 * k)
    stripe(n - 64, 121)
    return _merge(acc, 117, ~(n * P64[1]) & M64) << 64 | _merge(acc, 11, n * P64[0] & M64)


# 17. What the enums of snapshot segments are called
ROW_KINDS = ("name", "node", "edge", "item", "graph")
COLUMNS = ("ordinals", "fates", "replaced", "stamps", "ids", "sources", "targets", "slots", "shapes", "values")
BORN, CHANGED, REMOVED = range(3)


# 1. Primitives


class Pieces:
    """Reads pieces from `data[at:end]`. `base` is the offset in `file` of `data[0]`, for the place of an error."""

    def __init__(self, data, file, base=0, at=0, end=None, strict=False):
        self.data, self.file, self.base, self.at = data, file, base, at
        self.end = len(data) if end is None else end
        self.strict = strict

    def fail(self, message, at=None):
        raise Damaged(message, self.file, self.base + (self.at if at is None else at))

    def raw(self, size):
        if size > self.end - self.at:
            self.fail(f"{size} bytes are announced, {self.end - self.at} are left")
        self.at += size
        return self.data[self.at - size : self.at]

    def byte(self):
        if self.at >= self.end:
            self.fail("the bytes end too early")
        self.at += 1
        return self.data[self.at - 1]

    def uint(self, limit=M64, what="an integer"):
        start = self.at
        n = self.byte()
        if n >= 251:
            if n > 253:
                self.fail(f"no integer begins with {n:02x}", start)
            n, least = int.from_bytes(self.raw(2 << n - 251), "little"), (251, 2**16, 2**32)[n - 251]
            if self.strict and n < least:
                self.fail("an integer is not in its shortest form", start)
        if n > limit:
            self.fail(f"{what} is {n}, more than {limit}", start)
        return n

    def int(self):
        n = self.uint()
        return n >> 1 ^ -(n & 1)

    def bool(self):
        n = self.byte()
        if n > 1:
            self.fail(f"a bool is {n}", self.at - 1)
        return n == 1

    def bytes(self, limit=M64, what="a byte string's length"):
        return bytes(self.raw(self.uint(limit, what)))

    def str(self, limit=M64, what="a string's length"):
        start = self.at
        try:
            return self.bytes(limit, what).decode("utf-8")
        except UnicodeDecodeError:
            self.fail("a string is not UTF-8", start)

    def option(self, read):
        return read() if self.bool() else None

    def list(self, read):
        return [read() for _ in range(self.uint())]

    def sum(self):
        return int.from_bytes(self.raw(16), "little")

    def variant(self, names):
        start = self.at
        n = self.uint()
        if n >= len(names):
            self.fail(f"no variant has the number {n}", start)
        return names[n]

    def finish(self):
        if self.at != self.end:
            self.fail(f"{self.end - self.at} bytes are left over")

    # Structs that occur in several places

    def graph_kind(self):
        return self.bool(), self.bool()

    def ordinals(self):
        return tuple(self.uint(0xFFFFFFFF) for _ in range(4))

    def counts(self):
        return tuple(self.uint() for _ in range(4))

    def extensions(self):
        return self.list(lambda: (self.uint(0xFFFFFFFF), self.bytes()))

    def source(self):
        return {"name": self.str(), "bytes": self.uint(), "lines": self.uint(), "hash": self.sum()}

    def marker(self):
        return {
            "id": self.uint(),
            "seq": self.uint(),
            "time": self.int(),
            "tiers": self.list(lambda: self.str(TIER_MAX)),
            "label": self.option(lambda: self.str(LABEL_MAX)),
            "pinned": self.bool(),
            "expired": self.option(self.int),
            "counts": self.counts(),
            "ordinals": self.ordinals(),
            "content": self.sum(),
            "layout": self.sum(),
            "served_high_water": self.uint(),
            "served_time": self.option(self.int),
            "position": self.uint(),
            "events": self.raw(32),
        }

    def stub(self):
        return {
            "id": self.uint(),
            "seq": self.uint(),
            "time": self.int(),
            "content": self.sum(),
            "layout": self.sum(),
            "events": self.raw(32),
            "particulars": self.raw(32),
        }

    def segment_end(self):
        return {"length": self.uint(), "chain": self.uint(0xFFFFFFFF), "next_seq": self.uint(), "time": self.int()}

    def adopted(self):
        return {"number": self.uint(), "length": self.uint(), "chain": self.uint(0xFFFFFFFF)}

    def segment_entry(self):
        return {
            "number": self.uint(),
            "seq": self.uint(),
            "begins": self.int(),
            "adopts": self.option(self.adopted),
            "end": self.option(self.segment_end),
            "original": self.option(self.adopted),
            "compression": self.byte(),
            "raw_size": self.uint(),
        }

    def snapshot_entry(self):
        return {
            "number": self.uint(),
            "length": self.uint(),
            "checksum": self.uint(0xFFFFFFFF),
            "increments": self.list(self.increment_entry),
        }

    def increment_entry(self):
        return {
            "from": self.uint(),
            "to": self.uint(),
            "time": self.int(),
            "rows": self.uint(),
            "alive": self.uint(),
            "bytes": self.uint(),
            "raw_bytes": self.uint(),
            "level": self.byte(),
        }

    def trashed(self):
        return {"name": self.str(), "since": self.int(), "bytes": self.uint()}

    # 17.2 The index of a snapshot segment

    def increment(self):
        return {"from": self.stand(), "to": self.stand(), "level": self.byte(), "chunks": self.list(self.chunk)}

    def stand(self):
        return {
            "seq": self.uint(),
            "time": self.int(),
            "ordinals": self.ordinals(),
            "counts": self.counts(),
            "layout": self.sum(),
        }

    def chunk(self):
        return {
            "kind": self.variant(ROW_KINDS),
            "entries": self.uint(0xFFFFFFFF),
            "tombstones": self.uint(0xFFFFFFFF),
            "first": self.uint(0xFFFFFFFF),
            "last": self.uint(0xFFFFFFFF),
            "offset": self.uint(),
            "blocks": self.list(self.block),
        }

    def block(self):
        return {
            "column": self.variant(COLUMNS),
            "codec": self.variant(("raw", "zstd")),
            "stored": self.uint(0xFFFFFFFF),
            "raw": self.uint(0xFFFFFFFF),
            "checksum": self.uint(0xFFFFFFFF),
        }

    # 8.1 Ids, values, images: given back as their bytes, which are compared and hashed

    def id(self):
        start = self.at
        tag = self.byte()
        if tag == 0:
            self.uint()
        elif tag == 1:
            self.str(ID_MAX, "an id's length")
        else:
            self.fail(f"no id begins with {tag:02x}", start)
        return bytes(self.data[start : self.at])

    def value(self):
        start = self.at
        self.skip_value(0)
        if self.at - start > VALUE_MAX:
            self.fail(f"a value has {self.at - start} bytes, more than {VALUE_MAX}", start)
        return bytes(self.data[start : self.at])

    def skip_value(self, depth):
        tag = self.byte()
        if tag <= 2:
            return
        if tag == 3:
            self.uint()
        elif tag == 4:
            bits = self.raw(8)
            if math.isnan(struct.unpack("<d", bits)[0]) and bits != CANONICAL_NAN:
                self.fail("a NaN that is not the one NaN", self.at - 8)
        elif tag == 5:
            self.str()
        elif tag == 6:
            self.bytes()
        elif tag in (7, 8):
            if depth == NESTING_MAX:
                self.fail(f"a value nests deeper than {NESTING_MAX}", self.at - 1)
            before = None
            for _ in range(self.uint()):
                if tag == 8:
                    start = self.at
                    key = self.str(NAME_MAX, "a key's length").encode()
                    if before is not None and key <= before:
                        self.fail("the keys of a map do not ascend", start)
                    before = key
                self.skip_value(depth + 1)
        else:
            self.fail(f"no value begins with {tag:02x}", self.at - 1)

    def names(self, limit):
        """An `image` without its values: name ordinals that ascend strictly and are below `limit`."""
        before = -1
        for _ in range(self.uint()):
            start = self.at
            name = self.uint()
            if not before < name < limit:
                self.fail(f"name {name} after name {before}, of {limit}", start)
            before = name
            yield name

    def image(self, limit):
        return {name: self.value() for name in self.names(limit)}


def decompress(data, size, file, offset):
    """What one zstd frame holds: exactly `size` bytes."""
    if zstandard is None:
        raise Unsupported("compressed: the module zstandard is missing", file, offset)
    try:
        said = zstandard.get_frame_parameters(data).content_size
        if said not in (zstandard.CONTENTSIZE_UNKNOWN, size):
            raise Damaged(f"{said} bytes when decompressed, not {size}", file, offset)
        frame = zstandard.ZstdDecompressor().decompressobj()
        found = frame.decompress(data)
    except zstandard.ZstdError as error:
        raise Damaged(f"it cannot be decompressed: {error}", file, offset) from None
    if len(found) != size or not frame.eof or frame.unused_data:
        raise Damaged(f"{len(found)} bytes when decompressed, not {size}", file, offset)
    return found


def uint(n):
    """Encodes an unsigned integer."""
    if n < 251:
        return bytes((n,))
    size = 2 if n < 2**16 else 4 if n < 2**32 else 8
    return bytes((250 + size.bit_length() - 1,)) + n.to_bytes(size, "little")


def text(s):
    """Encodes a `str`."""
    encoded = s.encode()
    return uint(len(encoded)) + encoded


def image(attributes):
    """Encodes attributes: {name ordinal: encoded value}."""
    return uint(len(attributes)) + b"".join(uint(name) + attributes[name] for name in sorted(attributes))


def plain_id(encoded):
    """The int or str that an encoded id stands for."""
    pieces = Pieces(encoded, "id", at=1)
    return pieces.int() if encoded[0] == 0 else pieces.str()


def plain_value(encoded):
    """The Python value that an encoded value stands for."""
    return _plain(Pieces(encoded, "value"))


def _plain(pieces):
    tag = pieces.byte()
    if tag <= 2:
        return (None, False, True)[tag]
    if tag == 3:
        return pieces.int()
    if tag == 4:
        return struct.unpack("<d", pieces.raw(8))[0]
    if tag == 5:
        return pieces.str()
    if tag == 6:
        return pieces.bytes()
    if tag == 7:
        return [_plain(pieces) for _ in range(pieces.uint())]
    return {pieces.str(): _plain(pieces) for _ in range(pieces.uint())}


# 9. Replay


class Born:
    """What has an ordinal and dies: a node, an edge (`id` is its key) or an item of state (`id` is its entry, `ends` the
    ordinal of its key's name, `attributes` its value). Ids and values are kept encoded."""

    __slots__ = ("ordinal", "id", "attributes", "edges", "ends", "slot", "facts", "row")

    def __init__(self, ordinal, encoded, attributes):
        self.ordinal, self.id, self.attributes = ordinal, encoded, attributes
        self.edges = self.ends = self.slot = None
        self.facts, self.row = {}, 0  # what the sums hold of it now


class Graph:
    """The graph and the state, replayed record by record. Sums are brought up to date when they are asked for."""

    def __init__(self, directed, multigraph):
        self.directed, self.multigraph = directed, multigraph
        self.name_texts, self.name_ordinals = [], {}
        self.nodes, self.edges, self.items = {}, {}, {}  # by ordinal
        self.node_ids = {}  # encoded id -> node
        self.pairs = {}  # pair -> {key or None: edge}: the living edges of the pair
        self.state = {}  # name ordinal -> {entry or None: item}
        self.graph = Born(None, b"", {})
        self.next = [0, 0, 0, 0]  # node, edge, name, item
        self.high_water = 0
        self._content = self._layout = 0
        self._dirty = {}  # (kind, ordinal) -> what changed since the sums were taken

    @property
    def ordinals(self):
        return tuple(self.next)

    @property
    def counts(self):
        return len(self.nodes), len(self.edges), len(self.items), self.high_water

    def _take(self, kind):
        self.next[kind] += 1
        if self.next[kind] > ORDINAL_MAX:
            raise ValueError("the ordinals are used up")
        return self.next[kind] - 1

    def name_born(self, name):
        if name in self.name_ordinals:
            raise ValueError(f"the name {name!r} is born twice")
        ordinal = self._take(2)
        self.name_ordinals[name] = ordinal
        self.name_texts.append(name)
        self._layout += xxh3_128(b"a" + uint(ordinal) + text(name))

    def node_born(self, encoded, attributes):
        if encoded in self.node_ids:
            raise ValueError(f"node {plain_id(encoded)!r} is alive already")
        node = Born(self._take(0), encoded, attributes)
        node.edges = {}
        self.nodes[node.ordinal] = self.node_ids[encoded] = node
        self.high_water = max(self.high_water, len(self.nodes))
        self._dirty["n", node.ordinal] = node

    def node_died(self, node):
        for edge in list(node.edges.values()):
            self.edge_died(edge)
        del self.nodes[node.ordinal], self.node_ids[node.id]
        self._forget("n", node)

    def pair(self, source, target):
        ends = source.ordinal, target.ordinal
        return ends if self.directed else (min(ends), max(ends))

    def edge_born(self, source, target, slot, key, attributes, loading=False):
        """`slot` is an ordinal; it and `key` are None if this is no multigraph. `loading`: from an increment; then the edge
        that made the slot may be gone."""
        there = self.pairs.setdefault(self.pair(source, target), {})
        ordinal = self.next[1]
        if key in there:
            raise ValueError("the pair has that edge already")
        if slot is None:
            slot = ordinal
        elif slot != (next(iter(there.values())).slot if there else slot if loading else ordinal):
            raise ValueError(f"slot {slot} is not the pair's")
        edge = Born(self._take(1), key, attributes)
        edge.ends, edge.slot = (source, target), slot
        there[key] = self.edges[ordinal] = source.edges[ordinal] = target.edges[ordinal] = edge
        self._dirty["e", ordinal] = edge

    def edge_died(self, edge):
        source, target = edge.ends
        pair = self.pair(source, target)
        del self.edges[edge.ordinal], source.edges[edge.ordinal], self.pairs[pair][edge.id]
        if source is not target:
            del target.edges[edge.ordinal]
        if not self.pairs[pair]:
            del self.pairs[pair]
        self._forget("e", edge)

    def changed(self, kind, thing, attributes):
        thing.attributes.update(attributes)
        self._dirty[kind, thing.ordinal] = thing

    def unset(self, kind, thing, names):
        for name in names:
            thing.attributes.pop(name, None)
        self._dirty[kind, thing.ordinal] = thing

    def item_born(self, name, entry, value):
        there = self.state.setdefault(name, {})
        if entry in there or None in there or (entry is None and there):
            raise ValueError(f"the state key {self.name_texts[name]!r} holds that, or something of the other shape")
        item = Born(self._take(3), entry, value)
        item.ends = name
        there[entry] = self.items[item.ordinal] = item
        self._dirty["i", item.ordinal] = item

    def item_changed(self, item, value):
        item.attributes = value
        self._dirty["i", item.ordinal] = item

    def item_died(self, item):
        del self.items[item.ordinal], self.state[item.ends][item.id]
        if not self.state[item.ends]:
            del self.state[item.ends]
        self._forget("i", item)

    def _forget(self, kind, thing):
        self._content -= sum(thing.facts.values())
        self._layout -= thing.row
        self._dirty.pop((kind, thing.ordinal), None)

    # 10. Fingerprints

    def fingerprint(self):
        """The two sums: content, layout."""
        for (kind, _), thing in self._dirty.items():
            facts = {fact: thing.facts.get(fact) or xxh3_128(fact) for fact in self._facts(kind, thing)}
            self._content += sum(facts.values()) - sum(thing.facts.values())
            row = self._row(kind, thing)
            hashed = xxh3_128(row) if row else 0
            self._layout += hashed - thing.row
            thing.facts, thing.row = facts, hashed
        self._dirty.clear()
        self._content &= M128
        self._layout &= M128
        return self._content, self._layout

    def row_hash(self, kind, thing):
        """What a living thing adds to the layout sum."""
        row = self._row(kind, thing)
        return xxh3_128(row) if row else 0

    def _facts(self, kind, thing):
        if kind == "i":
            yield b"S" + text(self.name_texts[thing.ends]) + self._entry(thing) + thing.attributes
            return
        if kind == "n":
            head, tag = thing.id, b"A"
            yield b"N" + head
        elif kind == "e":
            ends = [end.id for end in thing.ends]
            head, tag = b"".join(ends if self.directed else sorted(ends)) + (thing.id or b""), b"F"
            yield b"E" + head
        else:
            head, tag = b"", b"G"
        for name, value in thing.attributes.items():
            yield tag + head + text(self.name_texts[name]) + value

    def _row(self, kind, thing):
        if kind == "i":
            return b"i" + uint(thing.ordinal) + uint(thing.ends) + self._entry(thing) + thing.attributes
        if kind == "n":
            return b"n" + uint(thing.ordinal) + thing.id + image(thing.attributes)
        if kind == "e":
            head = b"e" + uint(thing.ordinal) + uint(thing.ends[0].ordinal) + uint(thing.ends[1].ordinal)
            return head + (uint(thing.slot) + thing.id if self.multigraph else b"") + image(thing.attributes)
        return b"g" + image(thing.attributes) if thing.attributes else b""

    @staticmethod
    def _entry(item):
        return b"\0" if item.id is None else b"\1" + item.id

    # Order

    def neighbours(self, node, incoming=False):
        """A node's (neighbour, edge) in NetworkX's order; in a directed graph its successors, or its predecessors."""
        edges = node.edges.values()
        if self.directed:
            edges = [edge for edge in edges if edge.ends[incoming] is node]
        found = []
        for edge in sorted(edges, key=lambda edge: (edge.slot, edge.ordinal)):
            source, target = edge.ends
            found.append((source if (incoming if self.directed else source is not node) else target, edge))
        return found

    def attributes(self, thing):
        """Attributes as plain values, by name ordinal."""
        return {self.name_texts[name]: plain_value(value) for name, value in sorted(thing.attributes.items())}

    def plain_state(self):
        """Collector state by key, in order of birth: a value, or the `Entries` of a map."""
        state = {}
        for _, item in sorted(self.items.items()):
            key, value = self.name_texts[item.ends], plain_value(item.attributes)
            if item.id is None:
                state[key] = value
            else:
                state.setdefault(key, Entries()).append((plain_id(item.id), value))
        return state


class Entries(list):
    """The entries of a map of collector state: (entry, value), in order of birth."""

    def json(self):
        """An object if all entries are strings, else pairs."""
        pairs = [[entry, json_value(value)] for entry, value in self]
        return dict(pairs) if all(isinstance(entry, str) for entry, _ in self) else pairs


# 8. Event payloads


class Replay:
    """Applies payloads of events frames to a graph, event by event."""

    def __init__(self, graph, on_event):
        self.graph, self.on_event = graph, on_event
        self.events = {}  # seq: what is hashed of it
        self.seq, self.time = 0, None  # of the last event
        self.stopped = False
        self.seen = collections.Counter()  # of what there was: ("frame", type), ("record", tag)

    def payload(self, pieces, seq, time, events):
        """Applies one payload. `on_event(seq)` is called after each event; gives the SOURCE_READ records."""
        graph, sources, start, done, inside = self.graph, [], None, 0, False
        expected = graph.ordinals
        found = tuple(pieces.uint() for _ in range(4))
        if found != expected:
            pieces.fail(f"the next ordinals are {found}, not {expected}", 0)
        while pieces.at < pieces.end:
            at = pieces.at
            start = start if inside else at
            tag = pieces.byte()
            more, tag = tag & 0x80, tag & 0x7F
            self.seen["record", tag] += 1
            if tag in (30, 31):
                if inside or more:
                    pieces.fail("a note stands inside an event", at)
                if tag == 30:
                    time = min(time + pieces.uint(), I64_MAX)
                else:
                    source = pieces.source()
                    if len(source["name"].encode()) > SOURCE_NAME_MAX:
                        pieces.fail("the name of a source is too long", at)
                    sources.append(source)
                continue
            try:
                self.record(tag, pieces)
            except ValueError as error:
                pieces.fail(str(error), at)
            if pieces.at - start > EVENT_MAX:
                pieces.fail(f"an event has more than {EVENT_MAX} bytes", start)
            inside = bool(more)
            if not inside:
                done += 1
                self.seq, self.time = seq + done - 1, time
                self.events[self.seq] = time.to_bytes(8, "little", signed=True) + pieces.data[start : pieces.at]
                self.on_event(self.seq)
                if self.stopped:
                    return sources
        self.time = max(time, self.time or time)
        if inside:
            pieces.fail("an event is unfinished", start)
        if done != events:
            pieces.fail(f"{done} events, not {events}", 0)
        return sources

    def record(self, tag, p):
        g = self.graph
        names = g.next[2]
        if tag == 1:
            g.name_born(p.str(NAME_MAX, "a name's length"))
        elif tag == 2:
            g.node_born(p.id(), p.image(names))
        elif tag == 3:
            g.changed("n", self.living(p, 0, g.nodes), p.image(names))
        elif tag == 4:
            g.unset("n", self.living(p, 0, g.nodes), p.names(names))
        elif tag == 5:
            g.node_died(self.living(p, 0, g.nodes))
        elif tag == 6:
            source, target = self.living(p, 0, g.nodes), self.living(p, 0, g.nodes)
            slot = key = None
            if g.multigraph:
                slot, key = g.next[1] - p.uint(g.next[1], "a slot's distance"), p.id()
            g.edge_born(source, target, slot, key, p.image(names))
        elif tag == 7:
            g.changed("e", self.living(p, 1, g.edges), p.image(names))
        elif tag == 8:
            g.unset("e", self.living(p, 1, g.edges), p.names(names))
        elif tag == 9:
            g.edge_died(self.living(p, 1, g.edges))
        elif tag == 10:
            g.changed("g", g.graph, p.image(names))
        elif tag == 11:
            g.unset("g", g.graph, p.names(names))
        elif tag == 12:
            g.item_born(self.name(p, names), None, p.value())
        elif tag == 13:
            g.item_born(self.name(p, names), p.id(), p.value())
        elif tag == 14:
            g.item_changed(self.living(p, 3, g.items), p.value())
        elif tag == 15:
            g.item_died(self.living(p, 3, g.items))
        else:
            raise ValueError(f"no record has tag {tag}")

    def living(self, p, kind, things):
        distance = p.uint(self.graph.next[kind], "a distance")
        thing = things.get(self.graph.next[kind] - distance)
        if distance == 0 or thing is None:
            raise ValueError(f"distance {distance} leads to nothing alive")
        return thing

    @staticmethod
    def name(p, names):
        if names == 0:
            raise ValueError("there is no name yet")
        return p.uint(names - 1, "a name's ordinal")


# 3. The envelope

ENVELOPE = struct.Struct("<8sHHIQQQ16sQ")
FRAME = struct.Struct("<4sBBHIIQIIqQQII")
FRAME_MAGIC = bytes.fromhex("9e53461a")
EVENTS, MARKER, SYNC_NOTE, SEAL = 1, 2, 3, 4
COMPRESSED = 1


def open_envelope(data, file, kind, limit, number, log_id=None):
    """Checks an envelope: its log id, its body as `Pieces`, its length, its checksum."""
    magic = b"\x89SL" + kind + b"\r\n\x1a\n"
    if data[:8] != magic:
        raise Damaged("the magic is wrong", file, 0)
    if len(data) < 68:
        raise Damaged(f"{len(data)} bytes are too few for an envelope", file, len(data))
    _, major, _, length, incompatible, _, _, found_id, found_number = ENVELOPE.unpack_from(data)
    if not 68 <= length <= min(limit, len(data)):
        raise Damaged(f"the envelope's length is {length}", file, 12)
    checksum = int.from_bytes(data[length - 4 : length], "little")
    if zlib.crc32(data[: length - 4]) != checksum:
        raise Damaged("the envelope's checksum is wrong", file, length - 4)
    if major != 1:
        raise Unsupported(f"major version {major}", file, 8)
    if incompatible:
        raise Unsupported(f"incompatible features {incompatible:x}", file, 16)
    if log_id is not None and found_id != log_id:
        raise Damaged("the file belongs to another log", file, 40)
    if number is not None and found_number != number:
        raise Damaged(f"the file says that its number is {found_number}", file, 56)
    return found_id, found_number, Pieces(data, file, at=64, end=length - 4), length, checksum


def whole_file(path, file, limit):
    """Reads a file of at most `limit` bytes."""
    try:
        with open(os.path.join(path, file), "rb") as handle:
            data = handle.read(limit + 1)
    except FileNotFoundError:
        raise Missing("the file is missing", file) from None
    if len(data) > limit:
        raise Damaged(f"more than {limit} bytes", file, limit)
    return data


# 4, 5. CURRENT and the manifest


SEGMENT_NAME = r"(events|snapshot)-(\d{6}|[1-9]\d{6,})"


def file_name(kind, number):
    return f"{kind}-{number:06}"


def adopted_by_next(entry):
    """What the segment after `entry` adopts."""
    end = entry["end"]
    return entry["original"] or {"number": entry["number"], "length": end["length"], "chain": end["chain"]}


def read_manifest(path):
    """CURRENT and the manifest that it names."""
    if not os.path.lexists(os.path.join(path, "CURRENT")):
        names = os.listdir(path) if os.path.isdir(path) else []
        if any(re.fullmatch(SEGMENT_NAME, name) for name in names):
            raise Missing("the file is missing", "CURRENT")
        raise NotALog("there is no log here", path)
    data = whole_file(path, "CURRENT", CURRENT_MAX)
    log_id, number, body, length, _ = open_envelope(data, "CURRENT", b"C", CURRENT_MAX, None)
    if length != len(data):
        raise Damaged("bytes follow the envelope", "CURRENT", length)
    generation, size, checksum = body.uint(), body.uint(), body.uint(0xFFFFFFFF)
    body.finish()
    if number != generation:
        raise Damaged(f"the envelope names manifest {number}, the body {generation}", "CURRENT", 56)

    file = file_name("manifest", generation)
    data = whole_file(path, file, MANIFEST_MAX)
    if len(data) != size or zlib.crc32(data[:-4]) != checksum:
        raise Damaged("the length or the checksum is not the one in CURRENT", file, 0)
    _, _, p, length, _ = open_envelope(data, file, b"M", MANIFEST_MAX, generation, log_id)
    if length != len(data):
        raise Damaged("bytes follow the envelope", file, length)
    manifest = {
        "file": file,
        "log_id": log_id,
        "generation": p.uint(),
        "written": p.int(),
        "created": p.int(),
        "kind": p.graph_kind(),
        "next_file": p.uint(),
        "segments": p.list(p.segment_entry),
        "snapshots": p.list(p.snapshot_entry),
        "markers": p.list(p.marker),
        "gone": p.list(p.stub),
        "next_marker": p.uint(),
        "next_seq": p.uint(),
        "ordinals": p.ordinals(),
        "high_water": p.uint(),
        "sources": p.list(p.source),
        "trash": p.list(p.trashed),
        "pruned": p.option(p.int),
    }
    p.extensions()
    p.finish()
    check_manifest(manifest)
    return manifest


def check_manifest(manifest):
    """What must hold in a manifest by itself."""

    def fail(message):
        raise Damaged(message, manifest["file"])

    if manifest["generation"] != int(manifest["file"].removeprefix("manifest-")):
        fail("the generation is not the file's number")
    numbers = [entry["number"] for entry in manifest["segments"] + manifest["snapshots"]]
    if len(numbers) != len(set(numbers)) or any(number >= manifest["next_file"] for number in numbers):
        fail("the number of a segment is given twice or not yet")
    before = None
    for entry in manifest["segments"]:
        if not entry["compression"] and entry["raw_size"]:
            fail("an uncompressed segment has a size before compression")
        if before is None:
            if not manifest["snapshots"] and entry["seq"] != 1:
                fail("the first segment does not begin at 1")
        elif before["end"] is None:
            fail("a segment that is not the last has no end")
        elif entry["seq"] != before["end"]["next_seq"]:
            fail(f"segment {entry['number']} begins at {entry['seq']}, not at {before['end']['next_seq']}")
        elif entry["adopts"] != adopted_by_next(before):
            fail(f"segment {entry['number']} adopts something else than the one before it ends with")
        if entry["end"] and entry["end"]["next_seq"] < entry["seq"]:
            fail("a segment ends before it begins")
        before = entry
    if manifest["next_seq"] < 1 or (not numbers and manifest["next_seq"] != 1):
        fail("the next seq cannot be")
    for entry in manifest["snapshots"]:
        if not entry["increments"]:
            fail(f"snapshot segment {entry['number']} has no increment")
        reached = entry["increments"][0]["from"]
        for increment in entry["increments"]:
            if increment["from"] != reached or not reached < increment["to"] < manifest["next_seq"]:
                fail(f"the increments of snapshot segment {entry['number']} do not join")
            reached = increment["to"]
    in_force = {file_name("events", entry["number"]) for entry in manifest["segments"]}
    in_force |= {file_name("snapshot", entry["number"]) for entry in manifest["snapshots"]}
    for file in manifest["trash"]:
        if not re.fullmatch(SEGMENT_NAME, file["name"]) or file["name"] in in_force:
            fail(f"{file['name']!r} cannot be trash")
    before = None
    for marker in manifest["markers"]:
        if before and (marker["id"] <= before["id"] or marker["seq"] < before["seq"]):
            fail("the markers do not ascend")
        if marker["id"] >= manifest["next_marker"] or marker["seq"] >= manifest["next_seq"]:
            fail(f"marker {marker['id']} lies behind the position")
        before = marker
    chain = sorted(manifest["markers"] + manifest["gone"], key=lambda marker: marker["id"])
    if [marker["id"] for marker in chain] != list(range(1, manifest["next_marker"])):
        fail("a marker is neither listed nor gone, or both")
    if manifest["gone"] != [marker for marker in chain if "particulars" in marker]:
        fail("the markers that are gone do not ascend")
    seqs = [marker["seq"] for marker in chain]
    if seqs != sorted(seqs) or (seqs and seqs[-1] >= manifest["next_seq"]):
        fail("the markers, with those that are gone, do not ascend")


# 18. The chain of digests


def blake3(data):
    """The hash; the package is needed for nothing else."""
    import blake3 as package

    return package.blake3(data).digest()


def sint(n):
    """`int`, encoded."""
    return uint(n << 1 ^ n >> 63 & M64)


def stub_of(marker):
    """What stays of a marker when it is gone."""
    if "particulars" in marker:
        return marker
    encoded = uint(len(marker["tiers"])) + b"".join(text(tier) for tier in marker["tiers"])
    encoded += b"\0" if marker["label"] is None else b"\1" + text(marker["label"])
    encoded += b"".join(uint(n) for n in (*marker["counts"], *marker["ordinals"], marker["served_high_water"]))
    encoded += b"\0" if marker["served_time"] is None else b"\1" + sint(marker["served_time"])
    encoded += uint(marker["position"])
    stub = {key: marker[key] for key in ("id", "seq", "time", "content", "layout", "events")}
    return stub | {"particulars": blake3(encoded)}


def digests(log_id, stubs):
    """The digest of each marker, in order."""
    before, found = blake3(log_id), []
    for stub in stubs:
        sums = b"".join(stub[key].to_bytes(16, "little") for key in ("content", "layout"))
        encoded = uint(stub["id"]) + uint(stub["seq"]) + sint(stub["time"]) + sums + stub["events"] + stub["particulars"]
        before = blake3(before + encoded)
        found.append(before)
    return found


# 17. Snapshot segments

TRAILER = struct.Struct("<4sIQIIII")
EMPTY_STAND = {"seq": 0, "time": -(2**63), "ordinals": (0,) * 4, "counts": (0,) * 4, "layout": 0}
# Which of the next ordinals is a kind's; the graph has the one ordinal 0.
ORDINAL_OF = {"node": 0, "edge": 1, "name": 2, "item": 3}
Entry = collections.namedtuple("Entry", "ordinal fate replaced stamps row")
Stamps = collections.namedtuple("Stamps", "born born_at changed changed_at")


def signed(n):
    """The `i64` with the bits of `n`."""
    n &= M64
    return n - 2**64 if n > I64_MAX else n


def row_hash(kind, ordinal, row, multigraph):
    """What a row adds to the layout sum."""
    head = uint(ordinal)
    if kind == "name":
        return xxh3_128(b"a" + head + text(row))
    if kind == "node":
        return xxh3_128(b"n" + head + row[0] + image(row[1]))
    if kind == "edge":
        source, target, slot, key, attributes = row
        parallel = uint(slot) + key if multigraph else b""
        return xxh3_128(b"e" + head + uint(source) + uint(target) + parallel + image(attributes))
    if kind == "item":
        key, entry, value = row
        return xxh3_128(b"i" + head + uint(key) + (b"\0" if entry is None else b"\1" + entry) + value)
    return xxh3_128(b"g" + image(row)) if row else 0


class Snapshot:
    """A snapshot segment, read and checked whole (17.5)."""

    def __init__(self, log, entry):
        self.file = file = file_name("snapshot", entry["number"])
        self.directed, self.multigraph = log.manifest["kind"]
        self.data = data = whole_file(log.path, file, max(entry["length"], 68))
        manifest = log.manifest
        if len(data) != entry["length"]:
            self.fail(f"{len(data)} bytes, not {entry['length']}", len(data))
        _, _, p, start, _ = open_envelope(data, file, b"S", SEGMENT_ENVELOPE_MAX, entry["number"], manifest["log_id"])
        p.int()
        kind = p.graph_kind()
        if p.bytes():
            raise Unsupported("blocks are encrypted", file, 0)
        p.extensions()
        p.finish()
        if kind != manifest["kind"]:
            self.fail("the kind of graph is not the manifest's", 64)
        at, footer = self.index()
        if zlib.crc32(data[at:-32]) != entry["checksum"]:
            self.fail("the index is not the one that the manifest names", at)
        p = Pieces(footer, file, base=at)
        self.increments = p.list(p.increment)
        p.extensions()
        p.finish()
        self.check_index(start, at)
        if len(self.increments) != len(entry["increments"]):
            self.fail("the manifest lists another number of increments", at)
        self.entries = []  # of each increment: {kind: entries}
        for increment, listed in zip(self.increments, entry["increments"], strict=True):
            blocks = [block for chunk in increment["chunks"] for block in chunk["blocks"]]
            found = {
                "from": increment["from"]["seq"],
                "to": increment["to"]["seq"],
                "time": increment["to"]["time"],
                "rows": sum(chunk["entries"] for chunk in increment["chunks"]),
                "alive": sum(increment["to"]["counts"][:3]),
                "bytes": sum(block["stored"] for block in blocks),
                "raw_bytes": sum(block["raw"] for block in blocks),
                "level": increment["level"],
            }
            if found != listed:
                self.fail(f"the increment is {found}, the manifest says {listed}", at)
            self.entries.append(self.read_increment(increment))

    def fail(self, message, offset=None):
        raise Damaged(message, self.file, offset)

    def index(self):
        """Where the index begins, and its raw bytes."""
        data, end = self.data, len(self.data) - 32
        if end < 68:
            self.fail("the file is too short", len(data))
        magic, stored, at, raw, checksum, zero, own = TRAILER.unpack_from(data, end)
        if magic != b"\x9eSI\x1a" or zlib.crc32(data[end : end + 28]) != own or zero:
            self.fail("the trailer is not sound", end)
        if at + stored != end:
            self.fail("the trailer speaks of a file of another length", end)
        if zlib.crc32(data[at:end]) != checksum:
            self.fail("the checksum of the index is wrong", at)
        if raw > INDEX_MAX:
            self.fail(f"the index has {raw} bytes", end)
        return at, decompress(data[at:end], raw, self.file, at)

    def check_index(self, at, end):
        def check(holds, what):
            if not holds:
                self.fail(what, end)

        check(self.increments, "there is no increment")
        reached = None
        for increment in self.increments:
            a, b = increment["from"], increment["to"]
            check(reached is None or a == reached, "an increment does not begin where the one before it ends")
            check(a["seq"] or a == EMPTY_STAND, "the empty graph is not empty")
            check(a["seq"] < b["seq"] and a["time"] <= b["time"], "an increment ends before it begins")
            check(all(map(int.__le__, a["ordinals"], b["ordinals"])), "the next ordinals descend")
            check(b["counts"][0] <= b["counts"][3] >= a["counts"][3], "the high-water cannot be")
            check(1 <= increment["level"] <= 22, "zstd has no such level")
            reached, before = b, (-1, 0)
            for chunk in increment["chunks"]:
                kind = ROW_KINDS.index(chunk["kind"])
                check(before < (kind, chunk["first"]), "chunks do not ascend")
                check(chunk["tombstones"] <= chunk["entries"] and 1 <= chunk["entries"] <= CHUNK_MAX, "the number of entries cannot be")
                check(chunk["last"] - chunk["first"] + 1 >= chunk["entries"], "there are more entries than ordinals")
                check(chunk["offset"] == at, "chunks do not follow each other")
                columns = [COLUMNS.index(block["column"]) for block in chunk["blocks"]]
                check(columns == sorted(set(columns)), "columns do not ascend")
                for block in chunk["blocks"]:
                    check(1 <= block["raw"] <= BLOCK_MAX, "the length of a block is out of bounds")
                    at += block["stored"]
                before = kind, chunk["last"]
        check(at == end, "the blocks do not end where the index begins")

    def read_increment(self, increment):
        """The entries of an increment by kind, checked without the state beneath."""
        a, b = increment["from"], increment["to"]
        entries = {kind: [] for kind in ROW_KINDS}
        for chunk in increment["chunks"]:
            entries[chunk["kind"]] += self.read_chunk(increment, chunk)
        layout, end = a["layout"], increment["chunks"][0]["offset"] if increment["chunks"] else 0
        for kind, found in entries.items():
            for entry in found:
                layout -= entry.replaced or 0
                if entry.fate != REMOVED:
                    layout += row_hash(kind, entry.ordinal, entry.row, self.multigraph)
        if layout & M128 != b["layout"]:
            self.fail("the increment does not sum to what it says", end)
        for at, kind in enumerate(("node", "edge", "item")):
            change = sum((entry.fate == BORN) - (entry.fate == REMOVED) for entry in entries[kind])
            if a["counts"][at] + change != b["counts"][at]:
                self.fail(f"the increment gives another number of {kind}s than it says", end)
        if [entry.ordinal for entry in entries["name"]] != list(range(a["ordinals"][2], b["ordinals"][2])):
            self.fail("the increment does not give the names that it says", end)
        return entries

    def columns(self, chunk):
        """The columns of a chunk as `Pieces`; those that are left out are empty."""
        found, at = {}, chunk["offset"]
        for block in chunk["blocks"]:
            stored = self.data[at : at + block["stored"]]
            if zlib.crc32(stored) != block["checksum"]:
                self.fail(f"the checksum of the column {block['column']} is wrong", at)
            if block["codec"] == "zstd":
                stored = decompress(stored, block["raw"], self.file, at)
            elif block["raw"] != block["stored"]:
                self.fail("a block that is not compressed has two lengths", at)
            found[block["column"]] = Pieces(stored, self.file, base=at, strict=True)
            at += block["stored"]
        return {column: found.get(column) or Pieces(b"", self.file, base=chunk["offset"]) for column in COLUMNS}

    def read_chunk(self, increment, chunk):
        kind, columns = chunk["kind"], self.columns(chunk)
        place = chunk["offset"]
        graph = kind == "graph"
        old, new = (0, 1) if graph else (increment[at]["ordinals"][ORDINAL_OF[kind]] for at in ("from", "to"))
        gaps, fates = columns["ordinals"], columns["fates"]
        has_gaps, has_fates = gaps.end > 0, fates.end > 0
        ordinal, heads = chunk["first"] - 1, []
        for at in range(chunk["entries"]):
            gap = gaps.uint(0xFFFFFFFF) if has_gaps else 0
            if at == 0 and gap:
                gaps.fail("the first entry has a gap", place)
            ordinal += 1 + gap
            fate = fates.byte() if has_fates else BORN
            if fate > REMOVED:
                fates.fail(f"no fate is {fate}")
            if ordinal >= new or (not graph and (ordinal < old) != (fate != BORN)):
                self.fail(f"{kind} {ordinal} cannot have the fate {fate}", place)
            if fate == REMOVED and kind in ("name", "graph"):
                self.fail(f"a {kind} is removed", place)
            heads.append((ordinal, fate, columns["replaced"].sum() if fate != BORN else None))
        if ordinal != chunk["last"] or sum(fate == REMOVED for _, fate, _ in heads) != chunk["tombstones"]:
            self.fail("the chunk is not what the index says", place)
        stamps = [None] * len(heads) if kind == "name" else self.read_stamps(columns["stamps"], heads, increment, graph)
        rows = self.read_rows(kind, columns, [ordinal for ordinal, fate, _ in heads if fate != REMOVED], increment)
        for column in columns.values():
            column.finish()
        return [
            Entry(ordinal, fate, replaced, stamp, None if fate == REMOVED else next(rows))
            for (ordinal, fate, replaced), stamp in zip(heads, stamps, strict=True)
        ]

    def read_stamps(self, p, heads, increment, graph):
        born = born_at = 0
        streams = [[], [], [], []]
        for _ in heads:
            born = born + p.int() & M64
            streams[0].append(born)
        for _ in heads:
            born_at = signed(born_at + p.int())
            streams[1].append(born_at)
        streams[2] = [born + p.int() & M64 for born in streams[0]]
        streams[3] = [signed(born_at + p.int()) for born_at in streams[1]]
        stamps = [Stamps(*four) for four in zip(streams[0], streams[1], streams[2], streams[3], strict=True)]
        first, last = increment["from"]["seq"], increment["to"]["seq"]
        for (ordinal, fate, _), stamp in zip(heads, stamps, strict=True):
            fits = 1 <= stamp.born <= stamp.changed and stamp.born_at <= stamp.changed_at
            fits = fits and first < stamp.changed <= last and (graph or (stamp.born > first) == (fate == BORN))
            if not fits:
                p.fail(f"the stamps of {ordinal} are {stamp}")
        return stamps

    def read_rows(self, kind, columns, ordinals, increment):
        """The rows of a chunk, read at once; an iterator of them."""
        nodes, _, names, _ = increment["to"]["ordinals"]
        ids, sources, targets = columns["ids"], columns["sources"], columns["targets"]
        has_images = kind in ("node", "edge", "graph") and ordinals
        images = self.read_images(columns["shapes"], columns["values"], len(ordinals), names) if has_images else None
        rows, source, newest = [], 0, -1
        for ordinal in ordinals:
            if kind == "name":
                rows.append(ids.str(NAME_MAX, "a name's length"))
            elif kind == "node":
                rows.append((ids.id(), next(images)))
            elif kind == "edge":
                source += sources.int()
                newest = max(newest, source)
                target = newest + 1 - targets.int()
                newest = max(newest, target)
                if not (0 <= source < nodes and 0 <= target < nodes):
                    targets.fail(f"edge {ordinal} joins {source} and {target}, of {nodes}")
                slot = key = None
                if self.multigraph:
                    slot, key = ordinal - columns["slots"].uint(ordinal, "a slot's distance"), ids.id()
                rows.append((source, target, slot, key, next(images)))
            elif kind == "item":
                name = sources.uint(0xFFFFFFFF)
                if name >= names:
                    sources.fail(f"the key's name is {name}, of {names}")
                rows.append((name, ids.id() if ids.bool() else None, columns["values"].value()))
            else:
                rows.append(next(images))
        return iter(rows)

    def read_images(self, p, values, rows, names):
        shapes = [list(p.names(names)) for _ in range(p.uint(rows, "the number of shapes"))]
        if not shapes:
            p.fail("there are rows and no shapes")
        of_rows = [shapes[p.uint(len(shapes) - 1, "a shape")] for _ in range(rows)]
        images = [{} for _ in range(rows)]
        for name in sorted({name for shape in of_rows for name in shape}):
            for shape, image in zip(of_rows, images, strict=True):
                if name in shape:
                    image[name] = values.value()
        return iter(images)

    # 17.6 Applying one

    def apply(self, increment, graph):
        """Puts an increment into `graph`, which is the state where it begins."""
        a, b = increment["from"], increment["to"]
        if (graph.fingerprint()[1], graph.counts, graph.ordinals) != (a["layout"], a["counts"], a["ordinals"]):
            self.fail(f"the increment does not begin with the state at {a['seq']}")
        entries = self.entries[self.increments.index(increment)]
        try:
            for entry in entries["name"]:
                graph.name_born(entry.row)
            for entry in entries["edge"]:
                if entry.fate == REMOVED:
                    self.replaces(graph, "e", graph.edges, entry)
                    graph.edge_died(graph.edges[entry.ordinal])
            for entry in entries["node"]:
                self.apply_node(graph, entry)
            for entry in entries["edge"]:
                if entry.fate != REMOVED:
                    self.apply_edge(graph, entry)
            for entry in entries["item"]:
                self.apply_item(graph, entry)
            for entry in entries["graph"]:
                if entry.fate == CHANGED and entry.replaced != graph.row_hash("g", graph.graph):
                    self.fail("the attributes of the graph are not those that are replaced")
                graph.graph.attributes = dict(entry.row)
                graph.changed("g", graph.graph, {})
        except ValueError as error:
            self.fail(str(error))
        graph.next, graph.high_water = list(b["ordinals"]), b["counts"][3]
        if (graph.fingerprint()[1], graph.counts) != (b["layout"], b["counts"]):
            self.fail(f"the increment does not give the state at {b['seq']}")

    def replaces(self, graph, kind, things, entry):
        """The thing that an entry is about, as it was."""
        thing = things.get(entry.ordinal)
        if thing is None or graph.row_hash(kind, thing) != entry.replaced:
            self.fail(f"what entry {entry.ordinal} replaces is not there")
        return thing

    def apply_node(self, graph, entry):
        if entry.fate == BORN:
            graph.next[0] = entry.ordinal
            graph.node_born(*entry.row)
            return
        node = self.replaces(graph, "n", graph.nodes, entry)
        if entry.fate == REMOVED:
            if node.edges:
                self.fail(f"node {entry.ordinal} is removed and has edges")
            graph.node_died(node)
        elif node.id != entry.row[0]:
            self.fail(f"node {entry.ordinal} changes its id")
        else:
            node.attributes = entry.row[1]
            graph.changed("n", node, {})

    def apply_edge(self, graph, entry):
        source, target, slot, key, attributes = entry.row
        if entry.fate == BORN:
            if source not in graph.nodes or target not in graph.nodes:
                self.fail(f"edge {entry.ordinal} ends at a dead node")
            graph.next[1] = entry.ordinal
            graph.edge_born(graph.nodes[source], graph.nodes[target], slot, key, attributes, loading=True)
            return
        edge = self.replaces(graph, "e", graph.edges, entry)
        here = edge.ends[0].ordinal, edge.ends[1].ordinal, edge.slot if graph.multigraph else None, edge.id
        if here != (source, target, slot, key):
            self.fail(f"edge {entry.ordinal} changes its ends, slot or key")
        edge.attributes = attributes
        graph.changed("e", edge, {})

    def apply_item(self, graph, entry):
        if entry.fate == BORN:
            graph.next[3] = entry.ordinal
            graph.item_born(*entry.row)
            return
        item = self.replaces(graph, "i", graph.items, entry)
        if entry.fate == REMOVED:
            graph.item_died(item)
        elif (item.ends, item.id) != entry.row[:2]:
            self.fail(f"item {entry.ordinal} changes its key or entry")
        else:
            graph.item_changed(item, entry.row[2])


# 6, 7, 11. Reading a log


class Done(Exception):
    """The wanted seq is reached."""


class Log:
    """A log, read and checked up to the event `upto` (to its end if None). Every file that the manifest names is checked;
    what comes from increments takes the `road` of those that `roads` gives."""

    def __init__(self, path, upto=None, live=None, road=0):
        self.path, self.upto = path, upto
        self.manifest = manifest = read_manifest(path)
        self.directed, self.multigraph = manifest["kind"]
        self.live = live
        self.torn = None  # (file, offset): where a torn tail was found
        self.frame_markers, self.checked = [], 0
        self.sources = {source["name"]: source for source in manifest["sources"]}
        self.reached = False
        self.snapshots = [Snapshot(self, entry) for entry in manifest["snapshots"]]
        segments = manifest["segments"]
        self.kept_from = segments[0]["seq"] if segments else manifest["next_seq"]
        self.begin(road)
        try:
            if self.reached:
                raise Done
            for at, entry in enumerate(segments):
                before = segments[at - 1] if at else None
                Segment(self, entry, before, at + 1 == len(segments)).read()
            self.at_end()
        except Done:
            pass
        listed = manifest["markers"]
        if upto is None:
            # Those that lie before the events, or are off the road.
            for marker in self.waiting:
                at = Log(path, marker["seq"], live)
                self.checked += at.checked
        self.markers = listed + [m for m in self.frame_markers if m["id"] >= manifest["next_marker"]]
        self.content, self.layout = self.graph.fingerprint()
        self.last_seq, self.seen = self.replay.seq, self.replay.seen
        newer = [m for m in self.frame_markers if m["id"] >= manifest["next_marker"]]
        chain = sorted(manifest["gone"] + listed, key=lambda marker: marker["id"]) + newer
        self.stubs = [stub_of(marker) for marker in chain]
        self.check_history()

    def check_history(self):
        """That the events that are there are those that the markers were placed after."""
        before, self.proven = 0, 0
        for at, stub in enumerate(self.stubs, 1):
            if stub["id"] != at:
                raise Damaged(f"marker {at} is missing", self.manifest["file"])
            seqs = range(before + 1, stub["seq"] + 1)
            before = stub["seq"]
            if all(seq in self.replay.events for seq in seqs):
                if blake3(b"".join(self.replay.events[seq] for seq in seqs)) != stub["events"]:
                    raise Damaged(f"the events up to marker {at} are others", self.manifest["file"])
                self.proven += 1

    # 9.1 From increments

    def roads(self, upto):
        """All chains that lead to `upto` or to where events lead on to it, those with the least first: lists of (snapshot, increment)."""
        steps = collections.defaultdict(list)
        for snapshot in self.snapshots:
            for increment in snapshot.increments:
                steps[increment["from"]["seq"]].append((snapshot, increment))
        last = self.manifest["next_seq"] - 1
        found, open_roads = [], [(0, [])]
        while open_roads and len(found) < 1000:
            at, road = open_roads.pop()
            if at == upto or (at + 1 >= self.kept_from and (upto is None or at < upto)):
                found.append(road)
            for snapshot, increment in steps[at]:
                if increment["to"]["seq"] <= (last if upto is None else upto):
                    open_roads.append((increment["to"]["seq"], [*road, (snapshot, increment)]))
        return sorted(found, key=lambda road: (road[-1][1]["to"]["seq"] if road else 0, len(road)))

    def begin(self, road):
        """The state where the events begin."""
        manifest = self.manifest
        roads = self.roads(self.upto)
        if not roads:
            lost = [m["id"] for m in manifest["markers"] if m["seq"] == self.upto]
            if lost or self.upto is None:
                raise Damaged(f"nothing leads to marker {lost}", manifest["file"])
            raise NotALog(f"what led to {self.upto} by itself is gone", self.path)
        self.graph = Graph(*manifest["kind"])
        self.replay = Replay(self.graph, self.after_event)
        self.next_seq = 1
        self.waiting = list(manifest["markers"])  # not yet compared
        self.after_event(0)
        self.road = roads[road % len(roads)]
        for snapshot, increment in self.road:
            snapshot.apply(increment, self.graph)
            to = increment["to"]
            self.next_seq, self.replay.seq, self.replay.time = to["seq"] + 1, to["seq"], to["time"]
            self.after_event(to["seq"])

    def after_event(self, seq):
        """Compares what the manifest says of the state after event `seq`; stops at the wanted one."""
        manifest = self.manifest
        here = [marker for marker in self.waiting if marker["seq"] == seq]
        for marker in here:
            self.waiting.remove(marker)
            self.compare(marker, manifest["file"], None)
        if seq + 1 == manifest["next_seq"]:
            if self.graph.ordinals != manifest["ordinals"] or self.graph.high_water != manifest["high_water"]:
                raise Damaged("ordinals or high-water at the position are others", manifest["file"])
        if seq == self.upto:
            self.replay.stopped = self.reached = True

    def compare(self, marker, file, offset):
        """Compares the state with what a marker says of it."""
        found = self.graph.fingerprint()
        for what, here, there in (
            ("counts", self.graph.counts, marker["counts"]),
            ("ordinals", self.graph.ordinals, marker["ordinals"]),
            ("content", found[0], marker["content"]),
            ("layout", found[1], marker["layout"]),
        ):
            if here != there:
                raise Damaged(f"marker {marker['id']} has other {what} than the graph there", file, offset)
        self.checked += 1

    def marker_frame(self, marker, header_seq, time, file, offset, passed):
        if marker["seq"] + 1 != header_seq or marker["time"] != time:
            raise Damaged(f"marker {marker['id']} has another seq or time than its frame", file, offset)
        if self.frame_markers and marker["id"] <= self.frame_markers[-1]["id"]:
            raise Damaged(f"marker {marker['id']} does not ascend", file, offset)
        if not passed:
            self.compare(marker, file, offset)
        for listed in self.manifest["markers"]:
            if listed["id"] == marker["id"]:
                same = {key: value for key, value in listed.items() if key not in ("pinned", "expired")}
                if same | {key: marker[key] for key in ("pinned", "expired")} != marker:
                    raise Damaged(f"marker {marker['id']} is another in the manifest", file, offset)
        self.frame_markers.append(marker)

    def read_source(self, source):
        self.sources.pop(source["name"], None)
        self.sources[source["name"]] = source
        if len(self.sources) > SOURCES_MAX:
            del self.sources[next(iter(self.sources))]

    def at_end(self):
        if self.next_seq < self.manifest["next_seq"]:
            raise Damaged(
                f"the log ends before {self.next_seq}; {self.manifest['next_seq'] - 1} was durable",
                *(self.torn or (self.manifest["file"], None)),
            )
        if self.waiting and self.waiting[-1]["seq"] >= self.next_seq:
            raise Damaged(f"marker {self.waiting[-1]['id']} lies behind the end", self.manifest["file"])
        if self.upto is not None and not self.reached:
            raise NotALog(f"the log ends at {self.next_seq - 1}, before {self.upto}", self.path)


class Segment:
    """Reads one event segment of a log."""

    def __init__(self, log, entry, before, last):
        self.log, self.entry, self.last = log, entry, last
        self.file = file = file_name("events", entry["number"])
        try:
            with open(os.path.join(log.path, file), "rb") as handle:
                self.data = handle.read()
        except FileNotFoundError:
            raise Missing("the file is missing", file) from None
        manifest = log.manifest
        _, _, p, self.at, self.chain = open_envelope(
            self.data, file, b"E", SEGMENT_ENVELOPE_MAX, entry["number"], manifest["log_id"]
        )
        p.int()
        self.tag = p.uint()
        kind, seq = p.graph_kind(), p.uint()
        floor = p.int()
        adopts, rewrites = p.option(p.adopted), p.option(p.adopted)
        self.writer = p.str()
        if p.bytes():
            raise Unsupported("payloads are encrypted", file, 0)
        p.extensions()
        p.finish()
        says = {"seq": seq, "begins": floor, "adopts": adopts, "original": rewrites}
        for what, found in says.items():
            if found != entry[what]:
                raise Damaged(f"{what} is {found}, in the manifest it is {entry[what]}", file, 64)
        if kind != manifest["kind"]:
            raise Damaged("the kind of graph is not the manifest's", file, 64)
        if before and not before["original"] and floor < before["end"]["time"]:
            raise Damaged("it begins before the end of the segment before it", file, 64)
        self.next_seq, self.rewrites = seq, rewrites
        self.markers = set()
        self.floor = floor
        self.ends = {0, self.at}
        self.synced, self.sealed = 0, False

    def fail(self, message, offset):
        raise Damaged(message, self.file, offset)

    def read(self):
        end, data = self.entry["end"], self.data
        if end is None:
            live = live_writer(self.log.path) == self.writer if self.log.live is None else self.log.live
            limit = self.live_end() if live else len(data)
        else:
            limit = end["length"]
            if not self.at <= limit <= len(data):
                self.fail(f"{limit} bytes count, there are {len(data)}", min(limit, len(data)))
        while self.at < limit:
            if self.sealed:
                self.fail("bytes follow the seal", self.at)
            bad = self.frame(limit)
            if bad:
                if end is not None:
                    self.fail(bad, self.at)
                self.torn_or_corrupt(bad, self.at)
                self.log.torn = self.file, self.at
                break
        if end is not None:
            if (self.chain, self.next_seq, self.floor) != (end["chain"], end["next_seq"], end["time"]):
                self.fail("chain value, seq or time at the end is not the manifest's", self.at)
        else:
            for marker in self.log.manifest["markers"]:
                if marker["seq"] >= self.entry["seq"] and marker["id"] not in self.markers:
                    self.fail(f"marker {marker['id']} is in the manifest and has no frame", self.at)

    def frame(self, limit):
        """Reads the frame at `self.at`; says what is bad if it is a bad one."""
        at, data = self.at, self.data
        if limit - at < 64:
            return f"{limit - at} bytes are too few for a frame header"
        header = FRAME.unpack_from(data, at)
        magic, kind, flags, reserved, stored, raw, seq, events, chain, time, tag, synced, check, own = header
        if magic != FRAME_MAGIC:
            return "the frame's magic is wrong"
        if zlib.crc32(data[at : at + 60]) != own:
            return "the frame's header checksum is wrong"
        if tag != self.tag:
            return "the frame's tag is wrong"
        if chain != self.chain:
            return "the frame's chain value is wrong"
        # From here on the writer meant it.
        log = self.log
        if not EVENTS <= kind <= SEAL or flags & ~COMPRESSED or reserved:
            self.fail("unknown type or flags", at + 4)
        if not 1 <= stored <= PAYLOAD_MAX or not 1 <= raw <= PAYLOAD_MAX:
            self.fail("the payload's length is out of bounds", at + 8)
        if (kind != EVENTS or raw <= stored) if flags else raw != stored:
            self.fail("the payload cannot be compressed, or have two lengths", at + 12)
        if seq != self.next_seq:
            self.fail(f"the seq is {seq}, not {self.next_seq}", at + 16)
        if events and kind != EVENTS:
            self.fail("events in a frame that is not of events", at + 24)
        # What ends at or before the position that increments gave is passed over.
        passed = seq + events < log.next_seq or (events and seq + events == log.next_seq)
        if time < self.floor or (not passed and log.replay.time is not None and time < log.replay.time):
            self.fail("the time descends", at + 32)
        if synced < self.synced or synced > at or synced not in self.ends:
            self.fail(f"the claim {synced} cannot be", at + 48)
        if stored > limit - at - 64:
            return "the payload is cut short"
        payload = data[at + 64 : at + 64 + stored]
        if zlib.crc32(payload) != check:
            return "the payload's checksum is wrong"
        if flags:
            payload = decompress(payload, raw, self.file, at + 64)
        p = Pieces(payload, self.file, base=at + 64, strict=True)
        log.replay.seen["frame", kind] += 1
        log.replay.seen["compressed"] += bool(flags)
        if kind == EVENTS:
            if not passed:
                if seq != log.next_seq:
                    self.fail(f"increments lead to {log.next_seq - 1}, inside of a frame", at)
                sources = log.replay.payload(p, seq, time, events)
                if seq >= log.manifest["next_seq"]:
                    for source in sources:
                        log.read_source(source)
                log.next_seq = seq + events
            self.next_seq = seq + events
        elif kind == MARKER:
            p.strict = False
            marker = p.marker()
            p.finish()
            self.markers.add(marker["id"])
            log.marker_frame(marker, seq, time, self.file, at, passed)
        else:
            said = p.uint()
            p.finish()
            if said != seq - 1:
                self.fail(f"it says that the last event is {said}", at + 64)
            self.sealed = kind == SEAL
        if log.reached:
            raise Done
        self.floor, self.synced, self.chain = time, synced, own
        self.at = at + 64 + stored
        self.ends.add(self.at)
        return None

    def torn_or_corrupt(self, bad, x):
        """11.1: raises if a claim covers the bad frame at `x`."""
        data = self.data
        p = data.find(FRAME_MAGIC, x)
        while 0 <= p <= len(data) - 64:
            header = FRAME.unpack_from(data, p)
            tag, synced, own = header[10], header[11], header[13]
            if tag == self.tag and x < synced <= p and zlib.crc32(data[p : p + 60]) == own:
                self.fail(f"{bad}; a frame at {p} claims that the bytes up to {synced} were durable", x)
            p = data.find(FRAME_MAGIC, p + 1)

    def live_end(self):
        """11.2: the highest claim in the sound frames, told by header, chain and payload checksum."""
        at, chain, end, data = self.at, self.chain, self.at, self.data
        while len(data) - at >= 64:
            header = FRAME.unpack_from(data, at)
            stored = header[4]
            sound = header[0] == FRAME_MAGIC and header[13] == zlib.crc32(data[at : at + 60]) and header[10] == self.tag
            if not sound or header[8] != chain or zlib.crc32(data[at + 64 : at + 64 + stored]) != header[12]:
                break
            end, chain = max(end, header[11]), header[13]
            at += 64 + stored
        if at < len(data):
            self.torn_or_corrupt("the frame is bad", at)
        return end


def live_writer(path):
    """The text in LOCK if a writer holds it: that is tried, shared and without waiting, and let go at once."""
    try:
        with open(os.path.join(path, "LOCK"), "rb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return handle.read().decode("utf-8", "replace").strip()
    except FileNotFoundError:
        pass
    return None


def read_log(path, upto=None, live=None, road=0):
    """Reads, checks and replays a log, up to the event `upto` or to its end. `live`: whether the writer of the last
    segment is alive; None: look. `road`: which of the ways through increments to take."""
    before = None
    while True:
        try:
            return Log(path, upto, live, road)
        except Missing:
            # A writer may have put another manifest in force, and removed what only the old one named.
            current = os.path.join(path, "CURRENT")
            now = pathlib.Path(current).read_bytes() if os.path.exists(current) else before
            if now == before:
                raise
            before = now


# Output


STATE, STATE_MAPS, ABOUT = "snaplog_state", "snaplog_state_maps", "snaplog"


def json_value(value):
    """A value as snaplog writes it in JSON: bytes, and maps that could be taken for them, are told by a `$`."""
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [json_value(element) for element in value]
    if isinstance(value, dict):
        only = next(iter(value)) if len(value) == 1 else ""
        extra = "$" if re.fullmatch(r"\$+bytes", only) else ""
        return {extra + key: json_value(element) for key, element in value.items()}
    return value


def node_link(graph):
    """The graph as NetworkX's `node_link_data(graph, edges="edges")` gives it, collector state in the graph's
    attributes. Attributes whose name the form needs for itself are left out."""

    def attributes(thing, *reserved):
        found = graph.attributes(thing).items()
        return {name: json_value(value) for name, value in found if name not in reserved}

    top = attributes(graph.graph, STATE, STATE_MAPS, ABOUT)
    state = graph.plain_state()
    maps = [key for key, value in state.items() if isinstance(value, Entries)]
    if state:
        top[STATE] = {key: value.json() if key in maps else json_value(value) for key, value in state.items()}
    if maps:
        top[STATE_MAPS] = maps
    nodes = [attributes(node, "id") | {"id": plain_id(node.id)} for _, node in sorted(graph.nodes.items())]
    edges, seen = [], set()
    for _, node in sorted(graph.nodes.items()):
        for neighbour, edge in graph.neighbours(node):
            if edge.ordinal in seen:
                continue
            seen.add(edge.ordinal)
            named = {"source": plain_id(node.id), "target": plain_id(neighbour.id)}
            if graph.multigraph:
                named["key"] = plain_id(edge.id)
            edges.append(attributes(edge, *named) | named)
    return {"directed": graph.directed, "multigraph": graph.multigraph, "graph": top, "nodes": nodes, "edges": edges}


def marker_json(marker):
    """A marker for people and tests: sums in hexadecimal, as section 10 spells them."""
    nodes, edges, items, high_water = marker["counts"]
    shown = {key: marker[key] for key in ("id", "seq", "time", "tiers", "label", "pinned", "expired")}
    shown |= {"nodes": nodes, "edges": edges, "items": items, "high_water": high_water}
    return shown | {"content": f"{marker['content']:032x}", "layout": f"{marker['layout']:032x}"}


def summary(log, at=None):
    """All markers of `log`, and what is there at its end or as `at` was read."""
    at = at or log
    nodes, edges, items, high_water = at.graph.counts
    found = digests(log.manifest["log_id"], log.stubs)
    return {
        "markers": [marker_json(marker) | {"digest": found[marker["id"] - 1].hex()} for marker in log.markers],
        "last_seq": at.last_seq,
        "nodes": nodes,
        "edges": edges,
        "items": items,
        "high_water": high_water,
        "content": f"{at.content:032x}",
        "layout": f"{at.layout:032x}",
        "sources": [source | {"hash": f"{source['hash']:032x}"} for source in log.sources.values()],
        "torn": log.torn,
    }


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("log")
    parser.add_argument("--seq", type=int, help="the state after this event (default: the last)")
    parser.add_argument("--json", action="store_true", help="markers and the end as JSON")
    parser.add_argument("--node-link", action="store_true", help="the graph instead, as node-link JSON")
    options = parser.parse_args()
    try:
        log = read_log(options.log)
        at = log if options.seq is None else read_log(options.log, options.seq)
    except LogError as error:
        print(f"{error.kind}: {error}", file=sys.stderr)
        return 3 if isinstance(error, NotALog) else 4
    if options.node_link:
        json.dump(node_link(at.graph), sys.stdout, ensure_ascii=False)
        print()
    elif options.json:
        print(json.dumps(summary(log, at), ensure_ascii=False, indent=1))
    else:
        for marker in log.markers:
            m = marker_json(marker)
            tiers, label = ",".join(m["tiers"]) or "-", m["label"] or "-"
            print(f"m{m['id']}", m["seq"], m["time"], tiers, label, m["content"], m["layout"])
        print(f"last seq {at.last_seq}: {at.graph.counts}, content {at.content:032x}, layout {at.layout:032x}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

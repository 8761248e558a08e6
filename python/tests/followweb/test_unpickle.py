"""The unpickler: plain data reads as pickle reads it, and nothing that a pickle says is ever done."""

from __future__ import annotations

import base64
import collections
import contextlib
import datetime
import io
import os
import pickle
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from snaplog import DamageError, RefusedError
from snaplog.followweb import _bytes, _graphs, _unpickle
from snaplog.followweb._values import Plain

from .oldtool import crawl

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
TOUCHED = "the-pickle-was-run"


@pytest.fixture(autouse=True)
def nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every hostile pickle here would leave a file behind."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / TOUCHED).exists()


def graph_of(data: bytes) -> nx.Graph:
    return _graphs.build(_unpickle.loads(data), Plain(), "g")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data_reads_as_pickle_reads_it(protocol: int) -> None:
    utc = datetime.timezone.utc
    value: dict[Any, Any] = {
        "scalars": [
            None,
            True,
            False,
            0,
            -1,
            255,
            256,
            65536,
            -(2**31),
            2**80,
            -(2**70),
            0.5,
            float("inf"),
            "",
        ],
        "texts": ["a", "é\n\\u1234", "\U0001f600" * 100, "\ud800", "x" * 300],
        "bytes": [b"", b"\xff\n", b"z" * 300, bytearray(b"q")],
        "containers": [
            (),
            (1,),
            (1, 2),
            (1, 2, 3),
            (1, 2, 3, 4),
            {1: {2: [3]}},
            set(),
            {1, "a"},
            frozenset([1]),
        ],
        "collections": [collections.OrderedDict(b=1, a=2), collections.Counter("aab")],
        "times": [
            datetime.datetime(2025, 1, 2, 3, 4, 5, 6),
            datetime.datetime(2025, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=1), "x")),
            datetime.datetime(2025, 1, 2, tzinfo=utc),
            datetime.date(2025, 1, 2),
            datetime.time(1, 2),
            datetime.timedelta(1, 2, 3),
        ],
        ("a", 1): "tuples are keys",
    }
    value["shared"] = [value["texts"], value["texts"]]
    default = collections.defaultdict(list, a=[1])
    value["default"] = default
    data = pickle.dumps(value, protocol)
    read = _unpickle.loads(data)
    assert read == value
    assert list(read) == list(value)
    assert read["shared"][0] is read["shared"][1]
    assert _unpickle.loads(pickle.dumps(collections.deque([1, 2], 5), protocol)) == [1, 2]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_scalars_of_numpy_become_pythons(protocol: int) -> None:
    scalars = [
        np.float64(0.1), np.float32(0.5), np.float16(2), np.int8(-3), np.int64(-(2**63)), np.uint64(2**64 - 1),
        np.bool_(True), np.str_("é"), np.bytes_(b"q"), np.float64(0.25).astype(">f8"),
    ]  # fmt: skip
    read = _unpickle.loads(pickle.dumps(scalars, protocol))
    assert read == [scalar.item() for scalar in scalars]
    assert [type(value) for value in read] == [type(scalar.item()) for scalar in scalars]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph])
def test_graphs_of_every_kind_and_protocol(kind: type[nx.Graph], protocol: int) -> None:
    graph = kind(crawl(20))
    graph.graph["name"] = "a crawl"
    graph.add_edge(1, 1, w=2)
    # A graph keeps the views that it was asked for, and pickles them.
    for view in [
        "adj",
        "nodes",
        "edges",
        "degree",
        "pred",
        "succ",
        "in_edges",
        "out_edges",
        "in_degree",
        "out_degree",
    ]:
        getattr(graph, view, None)
    for each in (graph, nx.freeze(graph.copy())):
        read = graph_of(pickle.dumps(each, protocol))
        assert type(read) is kind
        assert dict(read.nodes(data=True)) == dict(graph.nodes(data=True))
        assert {u: dict(n) for u, n in read.adjacency()} == {u: dict(n) for u, n in graph.adjacency()}
        assert read.graph == graph.graph


# `pickle.dumps(G, protocol)` of graphs with the edges ("1", "2", {"w": 1}) and ("2", "1", {}), after `G.edges` and `G.adj`
# were asked for; compressed with zlib, in base 85.
OF_NETWORKX_2 = {
    "2.2, DiGraph, protocol 4": (
        "c-n1_%?iRW5QHsM^r(VAc=4*2f<A-b!G{QG5}RmAC7Vz^6!e~(>-*YNp@{BbS>~Hr<`zE}QKuO{)54a8Ib9N#Qvd-8SDB$_iN3d0yXJb}>W&"
        "pI{ZJQN5U!Xd2g+<=uIT%zQ@K?d(8qz)Za=5|m@BZPa8{V_fb6$eY5fOJ1kVJa*8ZaIyIO_5OG1~XRkRL5w5hlAF{z&iSq>_cqX0_WM*!gt8n`-"
        "pHiEY%IsZ^OZ74X#P>x-iya1>Ia`O"
    ),
    "2.8.8, DiGraph, protocol 5": (
        "c-m!<O-sZu5QZ(??kcN`;0GcL;zia=LH~iU;z7`x*U~0KC#$q2X{;U!dY_xo-|Hm1qOv)J$ve-yGn2RE^DEj2hmI;}yIMcKq~a+z223hdsq+RM"
        "jpphmL?7<_-Suup$uiSBO0ue!5X9)h3(+OtmIhfa7hcA#-r?9MI(Hix<72NG%eBS|;c&uHqe1@SxVPePm$^Z}=y+{HQEPZs&>2TNS8|aHsKo073"
        "qO<6Fw0wpxrZqz0a*gG(={UvO|9FN)%f1F*G&F3nz7SzXN+mn?<SRK+13^m`%Q5gI6MiRh7w8*;P8~T=V~4v|LpJ#W8B9H9^fHc`#<zU(kSadmD"
        "svFTi7D~2G>)cfB"
    ),
    "2.8.8, MultiDiGraph, protocol 2": (
        "c-nnY%TB{E5KQ`R2?Yu*Z_1k#P$l>Sq#_O#a6`GF#I~|2rRl~ofrBOZbNt{|iJND4c4l_{T_Q7<7isqPIV97NbH<17Vwxv3iL-DHtw#+;$%6st"
        "41Um+Sn`9a<2Z(aWr-C7UuP+0Se01w16Sc2tV?W|=PfoRwnR|Tw2)44NuuY2>Mw)pw8xIb6~ioWb?kD^b$Lw_I=Z*cxv(Bw5P}=vSv1cW#jeDj("
        "b|M2bj;)y)S=C-pPATRT$7|3`$$;9?T&YJ5)w8eUoWcG!X35guEf2dW+LZm2=~F`kuhd8W*iR|MKd-}v)sx)i`*#RE3y^sE73!VN4{0H_d5nRX#"
        "CxUCM3rb@I(}pRY_m!6m*m`iRWPb^(bX=#u#4wA7GT&-!o*Jz*kxWiI+YoTTpj|F7#{~{d*j*)M@J)7A%P&$Ll8%iD>u>*5at5"
    ),
}


@pytest.mark.parametrize("name", OF_NETWORKX_2)
def test_pickles_of_networkx_2(name: str) -> None:
    read = graph_of(zlib.decompress(base64.b85decode(OF_NETWORKX_2[name])))
    assert type(read).__name__ in name
    assert list(read.edges(data=True)) == [("1", "2", {"w": 1}), ("2", "1", {})]


class Runs:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *args: Any) -> None:
        self._call = (function, args)

    def __reduce__(self) -> Any:
        return self._call


def named(module: str, name: str) -> bytes:
    """Puts a name on the stack, as protocol 4 does."""
    return b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)) + b"\x93"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


TOUCH = f"touch {TOUCHED}"
HOSTILE = {
    "os.system": (pickle.dumps(Runs(os.system, TOUCH)), "posix.system"),
    "os.system, protocol 0": (pickle.dumps(Runs(os.system, TOUCH), 0), "posix.system"),
    "builtins.eval": (pickle.dumps(Runs(eval, f"open({TOUCHED!r}, 'w')")), "builtins.eval"),
    "builtins.getattr": (named("builtins", "getattr") + b".",
                         "builtins.getattr"),
    "__import__": (named("builtins", "__import__") + text("os") + b"\x85R.", "builtins.__import__"),
    "a module of networkx": (named("networkx", "os") + b".", "networkx.os"),
    "a dotted name": (named("networkx", "os.system") + text(TOUCH) + b"\x85R.", "networkx.os.system"),
    "a dotted name in a graph's module": (
        named("networkx.classes.digraph", "DiGraph.__init__.__globals__") + b".",
        "networkx.classes.digraph.DiGraph.__init__.__globals__",
    ),
    "a class beside the graphs": (named("networkx.classes.digraph", "deepcopy") + b".", "deepcopy"),
    "another function of networkx": (named("networkx", "read_gpickle") + b".", "networkx.read_gpickle"),
    "a filter of a view": (named("networkx.classes.filters", "show_nodes") + b".", "filters.show_nodes"),
    "functools.partial": (named("functools", "partial") + b".", "functools.partial"),
    "a name with a line's end": (named("os\nx", "system") + b".", "os\nx.system"),
    "object.__reduce__": (named("builtins", "object.__reduce__") + b".", "builtins.object.__reduce__"),
    "numpy's own reconstruct": (pickle.dumps(np.zeros(3)), "_reconstruct"),
    "an array in joblib's pickle": (
        named("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81}b.",
        "joblib.numpy_pickle.NumpyArrayWrapper (a numpy array)",
    ),
    "a numpy object": (pickle.dumps(np.datetime64("2025-01-01")), "numpy scalar of type 'M8'"),
    "copyreg.__newobj__": (named("copyreg", "__newobj__") + b".", "copyreg.__newobj__"),
    "an extension code": (b"\x82\x01.", "an extension code"),
    "an extension code of 4 bytes": (b"\x84\x01\x00\x00\x00.", "an extension code"),
    "a persistent id": (b"Pid\n.", "a persistent id"),
    "a persistent id from the stack": (b"K\x01Q.", "a persistent id"),
    "INST": (f"(S'{TOUCH}'\nios\nsystem\n.".encode(), "Python 2"),
    "INST alone": (b"(ios\nsystem\n.", "INST"),
    "OBJ": (b"(" + named("builtins", "dict") + b"o.", "OBJ"),
    "a buffer outside": (b"\x97.", "a buffer outside"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_plain_data_is_refused_by_name(name: str) -> None:
    data, said = HOSTILE[name]
    with pytest.raises(RefusedError, match=r"the pickle") as caught:
        _unpickle.loads(data, path="x.gpickle")
    assert said in caught.value.message.replace("\\n", "\n")
    assert caught.value.path == "x.gpickle" and caught.value.offset is not None
    assert caught.value.message.startswith("x.gpickle: ")


def call(module: str, name: str, args: bytes) -> bytes:
    return named(module, name) + args + b"R."


DIGRAPH = named("networkx.classes.digraph", "DiGraph")
ABUSE = {
    "copyreg makes a list": call("copyreg", "_reconstructor", named("builtins", "list") * 2 + b"N\x87"),
    "copyreg with another base": call(
        "copyreg", "_reconstructor", DIGRAPH + named("builtins", "list") + b"]\x87"
    ),
    "copyreg with a state": call(
        "copyreg", "_reconstructor", DIGRAPH + named("builtins", "object") + b"K\x01\x87"
    ),
    "a graph class that is called": call("networkx.classes.digraph", "DiGraph", b")"),
    "a graph class with arguments": DIGRAPH + b"K\x01\x85\x81.",
    "a graph class with arguments by name": DIGRAPH + b")}" + text("x") + b"K\x01s\x92.",
    "a scalar's class that is called": call("builtins", "int", text("9" * 100) + b"\x85"),
    "object that is made": named("builtins", "object") + b")\x81.",
    "a function that is made an object": named("numpy", "dtype") + b")\x81.",
    "a bytearray of a size": call("builtins", "bytearray", b"J\xff\xff\xff\x7f\x85"),
    "bytes of a size": call("builtins", "bytes", b"J\xff\xff\xff\x7f\x85"),
    "encode to what it likes": call("_codecs", "encode", text("x") + text("rot13") + b"\x86"),
    "a list of a text": call("builtins", "list", text("abc") + b"\x85"),
    "a defaultdict of a function": call("collections", "defaultdict", named("numpy", "dtype") + b"\x85"),
    "a defaultdict of a tuple": call("collections", "defaultdict", b")\x85\x85"),
    "a time of a list": call("datetime", "datetime", b"]\x85"),
    "a time that is none": call("datetime", "datetime", b"K\x00K\x00K\x00\x87"),
    "a dtype of a number": call("numpy", "dtype", b"K\x01\x85"),
    "a scalar of too few bytes": call(
        "numpy._core.multiarray", "scalar", named("numpy", "dtype") + text("f8") + b"\x85RC\x01a\x86"
    ),
    "a call of what is no name": text("os") + b")R.",
    "arguments that are no tuple": named("builtins", "list") + b"]R.",
    "state for a list": b"]}b.",
    "state for a function": named("builtins", "list") + b"}b.",
    "state with slots": DIGRAPH + b")\x81}}\x86b.",
    "a graph whose state is a list": DIGRAPH + b")\x81]b.",
    "an append to a dict": b"}K\x01a.",
    "a pair for a list": b"]K\x01K\x01s.",
    "a key without a value": b"}(K\x01u.",
    "no mark": b"]K\x01e.",
    "a mark as a value": b"](a.",
    "a mark in the memo": b"(\x94.",
    "a mark at the end": b"(.",
    "an empty stack": b".",
    "a memo that is not there": b"h\x05.",
    "names that are numbers": b"K\x01K\x02\x93.",
    "broken text": b"X\x02\x00\x00\x00\xff\xfe.",
    "a decimal of a million digits": b"I" + b"9" * 1_000_000 + b"\n.",
    "a float that is none": b"Fx\n.",
    "a protocol of the future": b"\x80\xff.",
    "a byte that is no opcode": b"\xfe.",
    "nothing": b"",
}


@pytest.mark.parametrize("name", ABUSE)
def test_what_makes_no_sense_is_damage(name: str) -> None:
    with pytest.raises(DamageError) as caught:
        _unpickle.loads(ABUSE[name], path="x")
    assert caught.value.offset is not None and "x: " in caught.value.message


NO_GRAPHS: list[dict[str, Any]] = [
    {},
    {"_node": []},
    {"_node": {}, "_adj": {"1": {}}},
    {"_node": {"1": {}}, "_adj": {"1": {"2": {}}}},
    {"_node": {"1": 5}, "_adj": {}},
    {"_node": {"1": {}}, "_adj": {"1": []}},
    {"_node": {"1": {}}, "_adj": {"1": {"1": 5}}},
    {"_node": {}, "_adj": {}, "graph": 5},
]


@pytest.mark.parametrize("state", NO_GRAPHS)
def test_a_state_that_is_none_of_a_graph_is_an_error(state: dict[str, Any]) -> None:
    graph = nx.DiGraph.__new__(nx.DiGraph)
    graph.__dict__.clear()
    graph.__dict__.update(state)
    with pytest.raises((DamageError, RefusedError)):
        graph_of(pickle.dumps(graph))


def test_what_else_is_in_a_graphs_state_is_of_no_effect() -> None:
    graph = nx.DiGraph([("1", "2")])
    graph.__dict__.update(
        {"__class__": 1, "add_node": 2, "__setstate__": 3, "adjlist_outer_dict_factory": list}
    )
    read = graph_of(pickle.dumps(graph))
    assert list(read.edges) == [("1", "2")]
    assert not {"__class__", "add_node", "__setstate__", "adjlist_outer_dict_factory"} & set(read.__dict__)


@pytest.mark.parametrize("node", [1.5, (1, 2), True, None, b"x", 2**70])
def test_ids_that_no_log_has_are_refused(node: Any) -> None:
    graph = nx.DiGraph()
    graph.add_node(node) if node is not None else graph._node.update({None: {}})
    with pytest.raises(RefusedError, match="a node's id"):
        graph_of(pickle.dumps(graph))


def test_bombs_are_refused_before_they_burst() -> None:
    few = 10_000
    # Half a gigabyte of dicts, a memo index of two thousand million, a text and a frame of 2^62 bytes.
    with pytest.raises(RefusedError, match="more objects than are allowed"):
        _unpickle.loads(b"}" * (few + 1) + b".", max_objects=few)
    with pytest.raises(RefusedError, match="more objects than are allowed"):
        _unpickle.loads(b"]" + b"\x94" * (few + 1) + b".", max_objects=few)
    assert _unpickle.loads(b"Nr\xff\xff\xff\x7f.") is None
    huge = struct.pack("<Q", 1 << 62)
    for opcode in (b"\x8d", b"\x8e", b"\x96", b"\x95"):
        with pytest.raises(DamageError, match="ends in the middle"):
            _unpickle.loads(opcode + huge + b".")
    with pytest.raises(DamageError, match="ends in the middle"):
        _unpickle.loads(b"\x8b\xff\xff\xff\x7f.")


def test_keys_that_take_for_ever_to_hash_are_refused() -> None:
    nested = b")" + b"2\x86" * 200
    assert _unpickle.loads(nested + b".") is not None
    for container in (b"}" + nested + b"Ns.", b"\x8f(" + nested + b"\x90.", b"(" + nested + b"\x91."):
        with pytest.raises(RefusedError, match="a very large tuple"):
            _unpickle.loads(container)
    with pytest.raises(RefusedError, match="uses a dict as a key"):
        _unpickle.loads(b"}}Ns.")
    with pytest.raises(RefusedError, match="uses a Named|Function as a key"):
        _unpickle.loads(b"}" + named("builtins", "list") + b"Ns.")


def test_nesting_and_sharing_have_bounds() -> None:
    deep = _unpickle.loads(b"]" * 100_000 + b"a" * 99_999 + b".")
    with pytest.raises(RefusedError, match="nested more than 60 deep"):
        Plain().value(deep, "node '1'")
    itself: list[Any] = []
    itself.append(itself)
    with pytest.raises(RefusedError, match="nested more than 60 deep"):
        Plain().value(_unpickle.loads(pickle.dumps(itself)), "node '1'")
    # Forty lists of two times the one before: 2^40 values in a hundred bytes.
    laughs = _unpickle.loads(b"]" + b"2\x86" * 40 + b".")
    with pytest.raises(RefusedError, match="too many values"):
        Plain(max_values=10_000).value(laughs, "node '1'")


@pytest.mark.parametrize("seed", range(20))
def test_cut_off_or_altered_pickles_are_errors_and_never_more(seed: int) -> None:
    chance = random.Random(seed)
    data = pickle.dumps(crawl(6), chance.choice(PROTOCOLS))
    for end in range(0, len(data) - 1, 7):
        with pytest.raises(DamageError):
            _unpickle.loads(data[:end])
    for _ in range(400):
        altered = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            altered[chance.randrange(len(altered))] = chance.randrange(256)
        with contextlib.suppress(DamageError, RefusedError):
            graph_of(bytes(altered))


def test_files_are_unpacked_whatever_packed_them_and_never_beyond_the_bound() -> None:
    import bz2
    import gzip
    import lzma

    data = pickle.dumps(crawl(200))
    packed = {
        "raw": data,
        "zlib": zlib.compress(data, 3),
        "gzip": gzip.compress(data),
        "two gzips": gzip.compress(data[:100]) + gzip.compress(data[100:]),
        "gzip with zeros behind": gzip.compress(data) + b"\0" * 100,
        "bz2": bz2.compress(data),
        "xz": lzma.compress(data),
        "lzma": lzma.compress(data, lzma.FORMAT_ALONE),
        "joblib 0.8": b"ZF" + hex(len(data)).ljust(19).encode() + zlib.compress(data),
    }
    for name, content in packed.items():
        assert b"".join(_bytes.unpacked(io.BytesIO(content), name)) == data, name
        with pytest.raises(RefusedError, match="more than 1000 bytes come out"):
            list(_bytes.unpacked(io.BytesIO(content), name, 1000))
        if name != "raw":
            cut = content[: len(content) // 2] if "zeros" not in name and "two" not in name else content[:50]
            with pytest.raises(DamageError, match="in the middle of the compressed data|does not unpack"):
                list(_bytes.unpacked(io.BytesIO(cut), name))
    for name in ("zlib", "gzip", "bz2", "xz"):
        altered = bytearray(packed[name])
        altered[-3] ^= 0x10
        with pytest.raises(DamageError):
            list(_bytes.unpacked(io.BytesIO(altered), name))
    with pytest.raises(DamageError, match="bytes that belong to nothing"):
        list(_bytes.unpacked(io.BytesIO(gzip.compress(data) + b"more"), "x"))


def test_what_joblib_writes_is_read_without_it(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    value = {"graph": crawl(50), "processed_ids": {"1", "2"}, "score": np.float64(0.5)}
    for compress in (0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)):
        joblib.dump(value, tmp_path / "x.pkl", compress=compress)
        read = _unpickle.loads(_bytes.read(tmp_path / "x.pkl", "x"))
        assert read["processed_ids"] == {"1", "2"} and read["score"] == 0.5
        assert nx.utils.graphs_equal(_graphs.build(read["graph"], Plain(), "x"), value["graph"])
    joblib.dump({"array": np.zeros(100)}, tmp_path / "x.pkl", compress=3)
    with pytest.raises(RefusedError, match="NumpyArrayWrapper"):
        _unpickle.loads(_bytes.read(tmp_path / "x.pkl", "x"))

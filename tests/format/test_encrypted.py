"""An encrypted golden log, opened by FORMAT.md, section 20, with programs that are not snaplog's: pyrage for the key file,
libsodium (PyNaCl) for the cipher, `cryptography` for HKDF."""

import json
import os
import struct
import zlib

import blake3
import pyrage
import pytest
import zstandard
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt
from nacl.exceptions import CryptoError
from snaplog_format import Pieces, Unsupported, read_manifest

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "golden")
LOG = os.path.join(GOLDEN, "v1-encrypted", "log")
# Made for tests; nothing else is sealed for it.
IDENTITY = "AGE-SECRET-KEY-1Y78GA9C32G9VXYXTDRMQL3A4K6EW4DNF3PWPHSKEQEPZLDUXC20QS0KEPP"


def read(name):
    with open(os.path.join(LOG, name), "rb") as file:
        return file.read()


def names(kind):
    return sorted(name for name in os.listdir(LOG) if name.startswith(kind))


class Seal:
    def __init__(self, head, bound):
        key, salt = head
        info = b"snaplog seal 1" + log_id() + blake3.blake3(bound).digest()
        self.key = HKDF(hashes.SHA256(), 32, salt=salt, info=info).derive(data_keys()[key])

    def open(self, position, sealed, beside=b""):
        return decrypt(sealed, beside, struct.pack("<Q16x", position), self.key)


def seal_head(pieces):
    return pieces.uint(), pieces.raw(32)


def log_id():
    return bytes.fromhex(json.loads(read("keys.json"))["log"])


def data_keys():
    file = json.loads(read("keys.json"))
    wrapped = pyrage.decrypt(file["keys"].encode(), [pyrage.x25519.Identity.from_str(IDENTITY)])
    inner = json.loads(wrapped)
    assert inner["log"] == file["log"]
    return {one["number"]: bytes.fromhex(one["key"]) for one in inner["keys"]}


def envelope(data):
    """Bytes up to the end of the envelope, and its body."""
    (length,) = struct.unpack_from("<I", data, 12)
    assert zlib.crc32(data[: length - 4]) == int.from_bytes(data[length - 4 : length], "little")
    return data[:length], Pieces(data, "it", at=64, end=length - 4)


def shortened(data, body):
    """An envelope with the first bytes of its body only."""
    length = 64 + len(body) + 4
    short = data[:12] + struct.pack("<I", length) + data[16:64] + body
    return short + struct.pack("<I", zlib.crc32(short))


def segment_seal(data, is_snapshot):
    whole, p = envelope(data)
    p.int()
    if not is_snapshot:
        p.uint()
    p.graph_kind()
    if not is_snapshot:
        p.uint(), p.int(), p.option(p.adopted), p.option(p.adopted), p.str()
    head = Pieces(p.bytes(), "its seal head")
    seal = Seal(seal_head(head), whole)
    head.finish()
    return seal, len(whole)


def hidden():
    data = read(names("manifest-")[-1])
    assert data[16] == 1, "the mask says that the log is encrypted"
    _, p = envelope(data)
    p.uint(), p.int(), p.int(), p.graph_kind(), p.uint()
    p.list(p.segment_entry), p.list(p.snapshot_entry)
    assert (p.list(p.marker), p.list(p.stub)) == ([], [])
    p.uint(), p.uint(), p.ordinals(), p.uint()
    assert p.list(p.source) == []
    p.list(p.trashed), p.option(p.int)
    end = p.at
    assert (p.uint(), p.uint()) == (1, 1), "one extension, with tag 1"
    extension = Pieces(p.bytes(), "the extension")
    p.finish()
    head, sealed = seal_head(extension), extension.bytes()
    extension.finish()
    bound = shortened(data, data[64:end] + b"\0")
    opened = Pieces(Seal(head, bound).open(0, sealed), "what is hidden")
    found = opened.list(opened.marker), opened.list(opened.stub), opened.list(opened.source)
    opened.finish()
    return found


def test_the_manifest_opens_and_has_the_markers_of_the_log_that_was_encrypted():
    markers, gone, sources = hidden()
    plain = read_manifest(os.path.join(GOLDEN, "v1-folded", "digraph", "log"))
    assert [marker["label"] for marker in markers] == [marker["label"] for marker in plain["markers"]]
    assert [marker["content"] for marker in markers] == [marker["content"] for marker in plain["markers"]]
    assert len(gone) == len(plain["gone"])
    assert [source["name"] for source in sources] == [source["name"] for source in plain["sources"]]


def test_current_is_proven():
    data = read("CURRENT")
    _, p = envelope(data)
    p.uint(), p.uint(), p.uint()
    end = p.at
    head, proof = seal_head(p), p.bytes()
    p.finish()
    assert Seal(head, shortened(data, data[64:end])).open(0, proof) == b""


def test_every_frame_opens_where_it_stands():
    labels = {marker["id"]: marker["label"] for marker in hidden()[0]}
    for name in names("events-"):
        data = read(name)
        seal, at = segment_seal(data, is_snapshot=False)
        frames = 0
        while at < len(data):
            kind, flags = data[at + 4], data[at + 5]
            stored, raw = struct.unpack_from("<II", data, at + 8)
            sealed = data[at + 64 : at + 64 + stored]
            assert flags & 2 and zlib.crc32(sealed) == struct.unpack_from("<I", data, at + 56)[0]
            payload = seal.open(at, sealed, data[at : at + 56])
            with pytest.raises(CryptoError):
                seal.open(at + 1, sealed, data[at : at + 56])
            if flags & 1:
                payload = zstandard.decompress(payload, max_output_size=raw)
            assert len(payload) == raw
            if kind == 2:
                p = Pieces(payload, name)
                marker = p.marker()
                p.finish()
                assert labels[marker["id"]] == marker["label"]
            frames += 1
            at += 64 + stored
        assert frames > 2


def test_every_block_and_every_index_opens_where_it_stands():
    for name in names("snapshot-"):
        data = read(name)
        seal, first = segment_seal(data, is_snapshot=True)
        stored, offset, raw = struct.unpack_from("<IQI", data, len(data) - 28)
        index = zstandard.decompress(data[offset : offset + stored], max_output_size=raw)
        p = Pieces(index, name)
        increments = p.list(p.increment)
        end = p.at
        assert (p.uint(), p.uint()) == (1, 1), "one extension, with tag 1"
        sealed = p.bytes()
        p.finish()
        sums = Pieces(seal.open(offset, sealed, index[:end] + b"\0"), name)
        found = sums.list(lambda: (sums.sum(), sums.sum()))
        sums.finish()
        assert len(found) == len(increments) and all(to for _, to in found)
        at = first
        for increment in increments:
            assert increment["from"]["layout"] == increment["to"]["layout"] == 0
            for chunk in increment["chunks"]:
                assert chunk["offset"] == at
                for block in chunk["blocks"]:
                    bytes_ = data[at : at + block["stored"]]
                    assert zlib.crc32(bytes_) == block["checksum"]
                    opened = seal.open(at, bytes_)
                    if block["codec"] != "raw":
                        opened = zstandard.decompress(opened, max_output_size=block["raw"])
                    assert len(opened) == block["raw"]
                    at += block["stored"]
        assert at == offset


def test_the_list_of_recipients_is_proven():
    file = json.loads(read("keys.json"))
    p = Pieces(bytes.fromhex(file["proof"]), "the proof")
    head, proof = seal_head(p), p.bytes()
    p.finish()
    bound = "".join(f"{one['recipient']}\0{one.get('passphrase', '')}\0" for one in file["recipients"])
    assert Seal(head, bound.encode()).open(0, proof) == b""


def test_a_reader_without_the_feature_says_so():
    with pytest.raises(Unsupported, match="incompatible features 1"):
        read_manifest(LOG)

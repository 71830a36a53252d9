"""Judges the bytes of a Parquet file: whether everything that its footer, its page headers, its page index and its bloom
filters say is true of the values in it.

Only the values themselves come from pyarrow; the structures are read here, by the Parquet specification. `judge` returns a list
of what is wrong, in words; nothing else in it asserts.
"""
import datetime
import decimal
import struct
import uuid
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from interop.thrift_compact import Reader, named

BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE, BYTE_ARRAY, FIXED = range(8)
REQUIRED, OPTIONAL, REPEATED = range(3)
DATA, INDEX, DICTIONARY, DATA_V2 = range(4)
CODECS = {0: None, 1: "snappy", 2: "gzip", 4: "brotli", 5: "lz4_hadoop", 6: "zstd", 7: "lz4_raw"}
ENCODINGS = {0: "PLAIN", 2: "PLAIN_DICTIONARY", 3: "RLE", 4: "BIT_PACKED", 5: "DELTA_BINARY_PACKED", 6: "DELTA_LENGTH_BYTE_ARRAY",
             7: "DELTA_BYTE_ARRAY", 8: "RLE_DICTIONARY", 9: "BYTE_STREAM_SPLIT"}
DICTIONARY_ENCODINGS = (2, 8)
EPOCH = datetime.datetime(1970, 1, 1)

FOOTER = {1: "version", 2: "schema", 3: "rows", 4: "groups", 5: "key_values", 6: "created_by", 7: "orders"}
ELEMENT = {1: "type", 2: "length", 3: "repetition", 4: "name", 5: "children", 6: "converted", 7: "scale", 8: "precision", 9: "id", 10: "logical"}
GROUP = {1: "chunks", 2: "bytes", 3: "rows", 4: "sorting", 5: "offset", 6: "compressed", 7: "ordinal"}
CHUNK = {1: "file", 2: "file_offset", 3: "meta", 4: "offset_index", 5: "offset_index_length", 6: "column_index", 7: "column_index_length"}
META = {1: "type", 2: "encodings", 3: "path", 4: "codec", 5: "values", 6: "uncompressed", 7: "compressed", 9: "data_page", 11: "dictionary_page",
        12: "statistics", 13: "encoding_stats", 14: "bloom", 15: "bloom_length", 16: "sizes"}
STATISTICS = {1: "old_max", 2: "old_min", 3: "nulls", 4: "distinct", 5: "max", 6: "min", 7: "max_exact", 8: "min_exact"}
PAGE = {1: "type", 2: "uncompressed", 3: "compressed", 4: "crc", 5: "v1", 7: "dictionary", 8: "v2"}
PAGE_V1 = {1: "values", 2: "encoding", 3: "def_encoding", 4: "rep_encoding", 5: "statistics"}
PAGE_V2 = {1: "values", 2: "nulls", 3: "rows", 4: "encoding", 5: "def_bytes", 6: "rep_bytes", 7: "is_compressed", 8: "statistics"}
SIZES = {1: "bytes", 2: "rep", 3: "def"}
COLUMN_INDEX = {1: "null_pages", 2: "min", 3: "max", 4: "order", 5: "nulls", 6: "rep", 7: "def"}
OFFSET_INDEX = {1: "pages", 2: "bytes"}


@dataclass
class Node:
    """An element of the schema with its children; a leaf has a column number."""
    element: dict
    children: list = field(default_factory=list)
    column: int = -1
    max_rep: int = 0
    max_def: int = 0

    @property
    def name(self) -> str:
        return self.element["name"].decode()


@dataclass
class Leaf:
    node: Node
    path: tuple
    entries: list = field(default_factory=list)  # of a row group: (repetition level, definition level, physical value or None)


@dataclass
class Page:
    header: dict
    offset: int
    header_bytes: int
    body: bytes

    @property
    def data(self) -> dict | None:
        return self.header.get("v1") or self.header.get("v2")

    @property
    def end(self) -> int:
        return self.offset + self.header_bytes + len(self.body)


# -- the schema --------------------------------------------------------------------------------------
def tree(elements: list[dict]) -> tuple[Node, list[Leaf]]:
    leaves, at = [], 0

    def node(rep: int, definition: int, path: tuple) -> Node:
        nonlocal at
        element = elements[at]
        at += 1
        rep += element.get("repetition", REQUIRED) == REPEATED
        definition += element.get("repetition", REQUIRED) != REQUIRED
        made = Node(element, max_rep=rep, max_def=definition)
        path += (made.name,)
        for _ in range(element.get("children", 0)):
            made.children.append(node(rep, definition, path))
        if not made.children:
            made.column = len(leaves)
            leaves.append(Leaf(made, path))
        return made

    elements[0].pop("repetition", None)
    root = node(0, 0, ())
    for leaf in leaves:
        leaf.path = leaf.path[1:]
    return root, leaves


def physical(node: Node, value):
    """The value as its column stores it: numbers, or bytes that compare as unsigned."""
    if isinstance(value, decimal.Decimal):
        return int(value.scaleb(node.element.get("scale", 0), decimal.Context(prec=60)))
    if isinstance(value, datetime.datetime):
        if value.tzinfo:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        since = value - EPOCH
        return (since.days * 86400 + since.seconds) * 10**6 + since.microseconds
    if isinstance(value, datetime.date):
        return (value - EPOCH.date()).days
    if isinstance(value, datetime.time):
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 10**6 + value.microsecond
    if isinstance(value, str):
        return value.encode()
    return value.bytes if isinstance(value, uuid.UUID) else value


def shred(node: Node, value, rep: int, definition: int, leaves: list[Leaf]):
    """Adds the entries of one value to the leaves below the node."""
    element = node.element
    if element.get("repetition", REQUIRED) == OPTIONAL:
        if value is None:
            return nothing(node, rep, definition, leaves)
        definition += 1
    if not node.children:
        leaves[node.column].entries.append((rep, definition, physical(node, value)))
    elif len(node.children) == 1 and node.children[0].element.get("repetition") == REPEATED:
        repeated = node.children[0]
        if not value:
            return nothing(repeated, rep, definition, leaves)
        is_map = len(repeated.children) == 2
        for item in value:
            parts = item if is_map else (item,)
            for child, part in zip(repeated.children, parts):
                shred(child, part, rep, definition + 1, leaves)
            rep = repeated.max_rep
    else:
        for child in node.children:
            shred(child, value[child.name], rep, definition, leaves)


def nothing(node: Node, rep: int, definition: int, leaves: list[Leaf]):
    if not node.children:
        leaves[node.column].entries.append((rep, definition, None))
    for child in node.children:
        nothing(child, rep, definition, leaves)


def decode(node: Node, data: bytes):
    """A value of a statistic. Values of byte arrays have no length in front."""
    kind = node.element["type"]
    if kind == BOOLEAN:
        return data[0] == 1
    if kind in (INT32, INT64, FLOAT, DOUBLE):
        form = {INT32: "<i", INT64: "<q", FLOAT: "<f", DOUBLE: "<d"}[kind]
        return struct.unpack(form, data)[0]
    is_decimal = node.element.get("converted") == 5 or 5 in node.element.get("logical", {})
    return int.from_bytes(data, "big", signed=True) if is_decimal else data


def encode(node: Node, value) -> bytes:
    """As PLAIN, without a length: what a bloom filter hashes."""
    kind = node.element["type"]
    if kind in (INT32, INT64, FLOAT, DOUBLE):
        return struct.pack({INT32: "<i", INT64: "<q", FLOAT: "<f", DOUBLE: "<d"}[kind], value)
    if isinstance(value, int):
        size = node.element.get("length") or max(1, (value.bit_length() + 8) // 8)
        return value.to_bytes(size, "big", signed=True)
    return value


# -- bloom filters -----------------------------------------------------------------------------------
P1, P2, P3, P4, P5 = 11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261
MASK = 2**64 - 1
SALT = (0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31)


def rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & MASK


def round64(state: int, lane: int) -> int:
    return rotate((state + lane * P2) & MASK, 31) * P1 & MASK


def xxh64(data: bytes) -> int:
    at, size = 0, len(data)
    if size >= 32:
        state = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= size:
            state = [round64(s, lane) for s, lane in zip(state, struct.unpack_from("<4Q", data, at))]
            at += 32
        value = sum(rotate(s, bits) for s, bits in zip(state, (1, 7, 12, 18))) & MASK
        for s in state:
            value = ((value ^ round64(0, s)) * P1 + P4) & MASK
    else:
        value = P5
    value = (value + size) & MASK
    while at + 8 <= size:
        value = (rotate(value ^ round64(0, struct.unpack_from("<Q", data, at)[0]), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= size:
        value = (rotate(value ^ (struct.unpack_from("<I", data, at)[0] * P1 & MASK), 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        value = rotate(value ^ (byte * P5 & MASK), 11) * P1 & MASK
    value = (value ^ (value >> 33)) * P2 & MASK
    value = (value ^ (value >> 29)) * P3 & MASK
    return value ^ (value >> 32)


def in_bloom(filter: bytes, data: bytes) -> bool:
    hashed = xxh64(data)
    block = ((hashed >> 32) * (len(filter) // 32)) >> 32
    words = struct.unpack_from("<8I", filter, block * 32)
    return all(word >> (((hashed & 0xFFFFFFFF) * salt & 0xFFFFFFFF) >> 27) & 1 for word, salt in zip(words, SALT))


# -- the judge ---------------------------------------------------------------------------------------
class Judge:
    def __init__(self, path: Path):
        self.path, self.data = path, Path(path).read_bytes()
        self.problems: list[str] = []
        self.ranges: list[tuple[int, int, str]] = []
        self.footer_bytes = int.from_bytes(self.data[-8:-4], "little")
        footer = Reader(self.data[-8 - self.footer_bytes:-8])
        self.footer = named(footer.struct(), FOOTER)
        if footer.position != self.footer_bytes:
            self.wrong(f"the footer has {self.footer_bytes} bytes, {footer.position} are read")
        self.root, self.leaves = tree([named(element, ELEMENT) for element in self.footer["schema"]])
        self.groups = [named(group, GROUP) for group in self.footer["groups"]]
        self.pages_of: dict[tuple[int, int], list[Page]] = {}

    def wrong(self, text: str):
        if len(self.problems) < 40:
            self.problems.append(f"{Path(self.path).name}: {text}")

    def expect(self, is_true: bool, text: str) -> bool:
        if not is_true:
            self.wrong(text)
        return is_true

    def same(self, said, is_so, text: str):
        self.expect(said == is_so, f"{text}: {said} is said, {is_so} is so")

    def run(self) -> list[str]:
        self.expect(self.data[:4] == self.data[-4:] == b"PAR1", "no PAR1 at an end")
        self.same(len(self.footer.get("orders", [])), len(self.leaves), "column orders")
        self.same(self.footer["rows"], sum(group["rows"] for group in self.groups), "rows of the file")
        file = pq.ParquetFile(self.path)
        for number, group in enumerate(self.groups):
            rows = file.read_row_group(number).to_pylist()
            self.judge_group(number, group, rows)
        footer_start = len(self.data) - 8 - self.footer_bytes
        self.ranges += [(0, 4, "magic"), (footer_start, len(self.data), "footer")]
        self.ranges.sort()
        for (_, end, name), (start, _, other) in zip(self.ranges, self.ranges[1:]):
            self.expect(end <= start, f"{name} ends at {end}, {other} starts at {start}")
            self.expect(start - end <= 4096, f"{start - end} bytes between {name} and {other} belong to nothing")
        return self.problems

    def judge_group(self, number: int, group: dict, rows: list[dict]):
        where = f"row group {number}"
        self.same(group["rows"], len(rows), f"{where}: rows")
        self.expect(group["rows"] > 0, f"{where} is empty")
        for leaf in self.leaves:
            leaf.entries = []
        for row in rows:
            for child in self.root.children:
                shred(child, row[child.name], 0, 0, self.leaves)
        chunks = [named(chunk, CHUNK) for chunk in group["chunks"]]
        if not self.expect(len(chunks) == len(self.leaves), f"{where}: {len(chunks)} chunks for {len(self.leaves)} leaves"):
            return
        metas = [named(chunk["meta"], META) for chunk in chunks]
        self.same(group["bytes"], sum(meta["uncompressed"] for meta in metas), f"{where}: total_byte_size")
        if "compressed" in group:
            self.same(group["compressed"], sum(meta["compressed"] for meta in metas), f"{where}: total_compressed_size")
        if "ordinal" in group:
            self.same(group["ordinal"], number, f"{where}: ordinal")
        if group.get("offset"):
            self.same(group["offset"], self.start_of(metas[0]), f"{where}: file_offset")
        for column, (chunk, meta, leaf) in enumerate(zip(chunks, metas, self.leaves)):
            name = f"{where}, {'.'.join(leaf.path)}"
            try:
                self.pages_of[number, column] = self.judge_chunk(name, chunk, meta, leaf, group["rows"])
            except Exception as problem:  # whatever the bytes make of this reader is theirs to answer for
                self.wrong(f"{name}: {type(problem).__name__}: {problem}")

    @staticmethod
    def start_of(meta: dict) -> int:
        dictionary = meta.get("dictionary_page")
        return dictionary if dictionary else meta["data_page"]

    def judge_chunk(self, name: str, chunk: dict, meta: dict, leaf: Leaf, rows: int) -> list[Page]:
        self.same(tuple(part.decode() for part in meta["path"]), leaf.path, f"{name}: path_in_schema")
        self.same(meta["type"], leaf.node.element["type"], f"{name}: type")
        self.same(meta["values"], len(leaf.entries), f"{name}: num_values")
        pages = self.read_pages(name, meta)
        dictionary = [page for page in pages if page.header["type"] == DICTIONARY]
        data = [page for page in pages if page.data]
        self.expect(len(dictionary) <= 1 and pages[:len(dictionary)] == dictionary, f"{name}: more than one dictionary page, or not the first page")
        self.same(meta["data_page"], data[0].offset if data else None, f"{name}: data_page_offset")
        self.expect(bool(dictionary) == bool(meta.get("dictionary_page")), f"{name}: dictionary_page_offset {meta.get('dictionary_page')} with {len(dictionary)} dictionary pages")
        self.same(meta["uncompressed"], sum(page.header_bytes + page.header["uncompressed"] for page in pages), f"{name}: total_uncompressed_size")
        slices = self.slice_pages(name, data, leaf)
        self.judge_encodings(name, meta, dictionary, data)
        for i, (page, part) in enumerate(zip(data, slices)):
            self.judge_page(f"{name}, page {i}", meta, page, leaf, part)
        if dictionary:
            self.judge_dictionary(name, meta, dictionary[0], leaf)
        if "statistics" in meta:
            self.judge_statistics(f"{name}: statistics", named(meta["statistics"], STATISTICS), leaf, leaf.entries)
        self.judge_indexes(name, chunk, leaf, data, slices, rows)
        self.judge_sizes(name, meta, leaf)
        if "bloom" in meta:
            self.judge_bloom(name, meta, leaf)
        return pages

    def read_pages(self, name: str, meta: dict) -> list[Page]:
        start = self.start_of(meta)
        end = start + meta["compressed"]
        self.ranges.append((start, end, name))
        pages, at = [], start
        while at < end:
            reader = Reader(self.data, at)
            header = named(reader.struct(), PAGE)
            for key, names in (("v1", PAGE_V1), ("v2", PAGE_V2), ("dictionary", {1: "values", 2: "encoding", 3: "sorted"})):
                if key in header:
                    header[key] = named(header[key], names)
            page = Page(header, at, reader.position - at, self.data[reader.position:reader.position + header["compressed"]])
            if "crc" in header:
                self.same(header["crc"] & 0xFFFFFFFF, zlib.crc32(page.body), f"{name}: crc of the page at {at}")
            pages.append(page)
            at = page.end
        self.same(end, at, f"{name}: end of the chunk by total_compressed_size")
        return pages

    def slice_pages(self, name: str, data: list[Page], leaf: Leaf) -> list[list]:
        slices, at = [], 0
        for page in data:
            slices.append(leaf.entries[at:at + page.data["values"]])
            at += page.data["values"]
        self.same(at, len(leaf.entries), f"{name}: values by the page headers")
        return slices

    def body(self, name: str, meta: dict, page: Page) -> tuple[bytes, bytes]:
        """The levels of a v2 page, and the rest uncompressed."""
        v2 = page.header.get("v2")
        levels = v2["def_bytes"] + v2["rep_bytes"] if v2 else 0
        codec = CODECS[meta["codec"]]
        body, size = page.body[levels:], page.header["uncompressed"] - levels
        if codec and (not v2 or v2.get("is_compressed", True)) and (body or size):
            body = pa.Codec(codec).decompress(body, decompressed_size=size).to_pybytes()
        self.same(size, len(body), f"{name}: uncompressed_page_size")
        return page.body[:levels], body

    def judge_page(self, name: str, meta: dict, page: Page, leaf: Leaf, part: list):
        levels, body = self.body(name, meta, page)
        nulls = sum(d < leaf.node.max_def for _, d, _ in part)
        if v2 := page.header.get("v2"):
            self.same(v2["nulls"], nulls, f"{name}: num_nulls")
            self.same(v2["rows"], sum(rep == 0 for rep, _, _ in part), f"{name}: num_rows")
            self.expect(not part or part[0][0] == 0, f"{name}: a v2 page begins within a row")
            if levels:
                self.same(hybrid(levels[:v2["rep_bytes"]], leaf.node.max_rep, len(part)), [rep for rep, _, _ in part] if leaf.node.max_rep else None, f"{name}: repetition levels")
                self.same(hybrid(levels[v2["rep_bytes"]:], leaf.node.max_def, len(part)), [d for _, d, _ in part] if leaf.node.max_def else None, f"{name}: definition levels")
        else:
            at = 0
            for most, wanted, what in ((leaf.node.max_rep, 0, "repetition"), (leaf.node.max_def, 1, "definition")):
                if most == 0 or page.header["v1"]["def_encoding"] != 3:
                    continue
                size = int.from_bytes(body[at:at + 4], "little")
                self.same(hybrid(body[at + 4:at + 4 + size], most, len(part)), [entry[wanted] for entry in part], f"{name}: {what} levels")
                at += 4 + size
        if "statistics" in page.data:
            self.judge_statistics(f"{name}: statistics", named(page.data["statistics"], STATISTICS), leaf, part)

    def judge_dictionary(self, name: str, meta: dict, page: Page, leaf: Leaf):
        _, body = self.body(f"{name}, dictionary", meta, page)
        header, kind, values = page.header["dictionary"], leaf.node.element["type"], []
        if kind == BYTE_ARRAY:
            at = 0
            while at < len(body):
                size = int.from_bytes(body[at:at + 4], "little")
                values.append(body[at + 4:at + 4 + size])
                at += 4 + size
            self.same(at, len(body), f"{name}: bytes of the dictionary")
        else:
            size = {INT32: 4, INT64: 8, INT96: 12, FLOAT: 4, DOUBLE: 8}.get(kind) or leaf.node.element["length"]
            values = [body[at:at + size] for at in range(0, len(body), size)]
            self.same(len(body) % size, 0, f"{name}: bytes of the dictionary beyond the last value")
        self.same(header["values"], len(values), f"{name}: values of the dictionary")
        self.expect(len(set(values)) == len(values), f"{name}: {len(values) - len(set(values))} values stand twice in the dictionary")
        self.expect(header["encoding"] in (0, 2), f"{name}: encoding of the dictionary page is {ENCODINGS.get(header['encoding'])}")

    def judge_encodings(self, name: str, meta: dict, dictionary: list[Page], data: list[Page]):
        used: dict[tuple[int, int], int] = {}
        for page in data:
            key = (page.header["type"], page.data["encoding"])
            used[key] = used.get(key, 0) + 1
        for page in dictionary:
            used[DICTIONARY, page.header["dictionary"]["encoding"]] = 1
        self.expect({encoding for _, encoding in used} <= set(meta["encodings"]),
                    f"{name}: encodings {[ENCODINGS[e] for e in meta['encodings']]}, but pages have {sorted(ENCODINGS[e] for _, e in used)}")
        extra = set(meta["encodings"]) - {encoding for _, encoding in used} - {3, 4}
        if dictionary and data:  # writers say PLAIN of the dictionary in either of two ways
            extra -= {0, 2}
        self.expect(not extra, f"{name}: encodings say {[ENCODINGS[e] for e in extra]}, which no page has")
        if any(page.data["encoding"] in DICTIONARY_ENCODINGS for page in data):
            self.expect(bool(dictionary), f"{name}: pages of indices without a dictionary")
        with_dictionary = [page.data["encoding"] in DICTIONARY_ENCODINGS for page in data if page.data["values"]]
        # Every writer falls back for the rest of a chunk; Spark's vectorized reader mixes values up where one returns to the dictionary.
        self.expect(with_dictionary == sorted(with_dictionary, reverse=True), f"{name}: pages of indices after pages without")
        if "encoding_stats" in meta:
            said: dict[tuple[int, int], int] = {}
            for stat in meta["encoding_stats"]:
                said[stat[1], stat[2]] = said.get((stat[1], stat[2]), 0) + stat[3]
            self.same(plainly(said), plainly(used), f"{name}: encoding_stats by page type and encoding")

    def judge_statistics(self, name: str, said: dict, leaf: Leaf, entries: list):
        node = leaf.node
        if "nulls" in said:
            self.same(said["nulls"], sum(d < node.max_def for _, d, _ in entries), f"{name}: null_count")
        values = [value for _, d, value in entries if d == node.max_def]
        if "distinct" in said:
            self.same(said["distinct"], len(set(values)), f"{name}: distinct_count")
        if "min" in said or "max" in said:
            self.judge_bounds(name, node, values, said.get("min"), said.get("max"), said.get("min_exact"), said.get("max_exact"))
        if "old_min" in said and node.element["type"] in (BOOLEAN, INT32, INT64):
            self.judge_bounds(f"{name} (deprecated)", node, values, said["old_min"], said.get("old_max"))

    def judge_bounds(self, name: str, node: Node, values: list, low: bytes | None, high: bytes | None, low_exact=None, high_exact=None):
        is_float = node.element["type"] in (FLOAT, DOUBLE)
        values = [value for value in values if value == value]
        if not values:
            return self.expect(is_float or (low is None and high is None), f"{name}: bounds {low!r}, {high!r} of no value")
        least, most = min(values), max(values)
        for data, is_in, bound, exact, zero in ((low, lambda v: v <= least, least, low_exact, -1), (high, lambda v: v >= most, most, high_exact, 1)):
            if data is None:
                continue
            value = decode(node, data)
            what = "min" if zero < 0 else "max"
            if not self.expect(value == value and is_in(value), f"{name}: {what} is {value!r}, but there is {bound!r}"):
                continue
            if exact or node.element["type"] not in (BYTE_ARRAY, FIXED) and exact is None and not is_float:
                self.expect(value == bound, f"{name}: {what} is {value!r}{' and said to be exact' if exact else ''}, but it is {bound!r}")
            if is_float and value == 0:
                self.expect(struct.pack(">d", value)[0] == (0x80 if zero < 0 else 0), f"{name}: {what} is {value!r}: a zero must be {'-' if zero < 0 else '+'}0")
        return None

    def judge_indexes(self, name: str, chunk: dict, leaf: Leaf, data: list[Page], slices: list[list], rows: int):
        if "offset_index" not in chunk:
            return self.expect("column_index" not in chunk, f"{name}: a column index without an offset index")
        index = named(self.read_at(chunk["offset_index"], chunk["offset_index_length"], f"{name}: offset index"), OFFSET_INDEX)
        if self.expect(len(index["pages"]) == len(data), f"{name}: offset index has {len(index['pages'])} pages, there are {len(data)}"):
            row = 0
            for i, (location, page, part) in enumerate(zip(index["pages"], data, slices)):
                self.same((location[1], location[2], location[3]), (page.offset, page.end - page.offset, row), f"{name}: offset, size and first row of page {i} in the offset index")
                self.expect(not part or part[0][0] == 0, f"{name}: page {i} begins within a row, and there is an offset index")
                row += sum(rep == 0 for rep, _, _ in part)
            self.same(row, rows, f"{name}: rows of the pages")
            if "bytes" in index:
                self.same(index["bytes"], [sum(len(v) for _, d, v in part if v is not None) for part in slices], f"{name}: unencoded bytes of the pages")
        if "column_index" in chunk:
            self.judge_column_index(f"{name}: column index", named(self.read_at(chunk["column_index"], chunk["column_index_length"], f"{name}: column index"), COLUMN_INDEX), leaf, slices)
        return None

    def judge_column_index(self, name: str, index: dict, leaf: Leaf, slices: list[list]):
        node = leaf.node
        for key in ("null_pages", "min", "max", "nulls"):
            if key in index and not self.expect(len(index[key]) == len(slices), f"{name}: {len(index[key])} {key} for {len(slices)} pages"):
                return
        self.same(index["null_pages"], [all(d < node.max_def for _, d, _ in part) for part in slices], f"{name}: null_pages")
        if "nulls" in index:
            self.same(index["nulls"], [sum(d < node.max_def for _, d, _ in part) for part in slices], f"{name}: null_counts")
        lows, highs = [], []
        for i, part in enumerate(slices):
            values = [value for _, d, value in part if d == node.max_def]
            if not values:
                continue
            self.judge_bounds(f"{name}, page {i}", node, values, index["min"][i], index["max"][i], False, False)
            lows.append(decode(node, index["min"][i]))
            highs.append(decode(node, index["max"][i]))
        order = index["order"]
        if order in (1, 2):
            for what, bounds in (("min", lows), ("max", highs)):
                steps = zip(bounds, bounds[1:]) if order == 1 else zip(bounds[1:], bounds)
                self.expect(all(a <= b for a, b in steps), f"{name}: boundary_order is {order}, but not for the {what} values")
        for key, level, most in (("rep", 0, node.max_rep), ("def", 1, node.max_def)):
            if key in index and index[key]:
                self.same(index[key], [n for part in slices for n in histogram(part, level, most)], f"{name}: histogram of {key}inition levels")

    def judge_sizes(self, name: str, meta: dict, leaf: Leaf):
        if "sizes" not in meta:
            return
        sizes = named(meta["sizes"], SIZES)
        if "bytes" in sizes:
            self.same(sizes["bytes"], sum(len(v) for _, _, v in leaf.entries if v is not None), f"{name}: unencoded_byte_array_data_bytes")
        for key, level, most in (("rep", 0, leaf.node.max_rep), ("def", 1, leaf.node.max_def)):
            if key in sizes and sizes[key]:
                self.same(sizes[key], histogram(leaf.entries, level, most), f"{name}: histogram of {key} levels")

    def judge_bloom(self, name: str, meta: dict, leaf: Leaf):
        reader = Reader(self.data, meta["bloom"])
        header = reader.struct()
        size = header[1]
        self.ranges.append((meta["bloom"], reader.position + size, f"{name}: bloom filter"))
        if "bloom_length" in meta:
            self.same(meta["bloom_length"], reader.position + size - meta["bloom"], f"{name}: bloom_filter_length")
        if not self.expect(size >= 32 and size % 32 == 0, f"{name}: a bloom filter of {size} bytes"):
            return
        filter = self.data[reader.position:reader.position + size]
        values = list({value for _, d, value in leaf.entries if d == leaf.node.max_def and value == value})
        step = max(1, len(values) // 500)
        lost = [value for value in values[::step] if not in_bloom(filter, encode(leaf.node, value))]
        self.expect(not lost, f"{name}: the bloom filter does not know {len(lost)} values that are there, as {lost[:1]!r}")
        self.expect(any(filter) or not values, f"{name}: an empty bloom filter")

    def read_at(self, offset: int, length: int, name: str) -> dict:
        self.ranges.append((offset, offset + length, name))
        reader = Reader(self.data[offset:offset + length])
        fields = reader.struct()
        self.same(length, reader.position, f"{name}: length")
        return fields


def plainly(counts: dict[tuple[int, int], int]) -> dict:
    """Arrow calls data pages of version 2 those of version 1; of a dictionary page, PLAIN and PLAIN_DICTIONARY mean one thing."""
    plain: dict[tuple[int, int], int] = {}
    for (kind, encoding), count in counts.items():
        key = (DATA if kind == DATA_V2 else kind, 0 if kind == DICTIONARY else encoding)
        plain[key] = plain.get(key, 0) + count
    return plain


def histogram(entries: list, level: int, most: int) -> list[int]:
    counts = [0] * (most + 1)
    for entry in entries:
        counts[entry[level]] += 1
    return counts


def hybrid(data: bytes, most: int, count: int) -> list[int] | None:
    """Levels from the hybrid of run lengths and bit packing; None where there are none."""
    if most == 0:
        return None if not data else [-1]
    width, values, reader = most.bit_length(), [], Reader(data)
    while len(values) < count and reader.position < len(data):
        head = reader.varint()
        if head & 1:
            packed = int.from_bytes(reader.take(min((head >> 1) * width, len(data) - reader.position)), "little")
            values += [packed >> (i * width) & (2**width - 1) for i in range((head >> 1) * 8)]
        else:
            values += [int.from_bytes(reader.take((width + 7) // 8), "little")] * (head >> 1)
    return values[:count]


def judge(path) -> list[str]:
    return Judge(path).run()

# SPDX-License-Identifier: Apache-2.0
"""A decoder of files with DCTD, written from bitstream/FORMAT.md alone, with its names, against the golden files.

Only what those need: 8 bits, no alpha. It shows that the document suffices, and that the C++ does what it says.
"""

import json
import os
import struct
import unittest
import zlib

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "golden")


class Damaged(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Damaged(message)


# Chunks, HEAD, DATA and DCTD.


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def bytes(self, count):
        check(self.at + count <= len(self.data), "it ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def u8(self):
        return self.bytes(1)[0]

    def u16(self):
        return struct.unpack("<H", self.bytes(2))[0]

    def u32(self):
        return struct.unpack("<I", self.bytes(4))[0]

    def varint(self):
        value = 0
        for i in range(5):
            byte = self.u8()
            value |= (byte & 127) << 7 * i
            if byte < 128:
                check((byte > 0 or i == 0) and value < 2**32, "varint")
                return value
        raise Damaged("varint")


def file_parts(data):
    """Width, height, planes, T, the offset of DCTD, and for each tile its CRC-32 and bytes."""
    file = Reader(data)
    check(file.bytes(8) == bytes.fromhex("894C49430D0A1A0A"), "signature")
    while True:
        start = file.at
        kind = file.bytes(4)
        length = file.varint()
        if kind == b"DCTD":
            break
        payload = Reader(file.bytes(length))
        check(zlib.crc32(data[start : file.at]) == file.u32(), "CRC-32 of a chunk")
        if kind == b"HEAD":
            assert payload.u8() == 0, "version"
            payload.bytes(8)  # the model id
            width, height, colour, depth = payload.varint(), payload.varint(), payload.u8(), payload.u8()
            assert colour in (1, 3) and depth == 8, "what this decoder is for"
            payload.u16()  # the quality index
            T = 2 ** payload.u8()
            check(payload.u8() == 0, "the trellis")
            check(payload.at == length, "HEAD")
        else:
            assert kind[:1].islower(), "only ancillary chunks may be skipped"
    end = file.at + length
    entries = [(file.varint(), file.u32()) for _ in range(-(-width // T) * -(-height // T))]
    check(zlib.crc32(data[start : file.at]) == file.u32(), "CRC-32 of the table")
    tiles = [(crc, file.bytes(size)) for size, crc in entries]
    check(file.at == end == len(data), "lengths of the tiles")
    return width, height, colour, T, start, tiles


def decode(data):
    width, height, planes, T, _, tiles = file_parts(data)
    samples = bytearray(width * height * planes)
    for number, (crc, tile) in enumerate(tiles):
        check(zlib.crc32(tile) == crc, "CRC-32 of tile %d" % (number + 1))
        top, left = divmod(number, -(-width // T))
        top, left = top * T, left * T
        tile_width, tile_height = min(T, width - left), min(T, height - top)
        step, blocks = decode_tile(tile, -(-tile_width // 8), -(-tile_height // 8), planes)
        for (row, column), block in blocks.items():
            pixels = block_pixels(block, step)
            for y in range(min(8, tile_height - 8 * row)):
                at = ((top + 8 * row + y) * width + left + 8 * column) * planes
                shown = min(8, tile_width - 8 * column) * planes
                samples[at : at + shown] = pixels[y][:shown]
    return bytes(samples)


# rANS and adaptive bits.


class Bits:
    def __init__(self, stream):
        self.stream = stream
        self.x = [stream.u32() for _ in range(4)]
        check(min(self.x) >= 2**16, "a state at the start")
        self.n = 0  # of symbols
        self.contexts = {}  # p and n of each

    def symbol(self, one):
        """Of the table with the frequency 2^15 - one of symbol 0 and `one` of symbol 1."""
        j = self.n % 4
        self.n += 1
        slot = self.x[j] % 2**15
        start = 2**15 - one
        s = int(slot >= start)
        self.x[j] = (one if s else start) * (self.x[j] // 2**15) + slot - (start if s else 0)
        if self.x[j] < 2**16:
            self.x[j] = self.x[j] * 2**16 + self.stream.u16()
        return s

    def bit(self, *context):
        if not context:
            return self.symbol(2**14)
        p, n = self.contexts.get(context, (2**15, 0))
        b = self.symbol(p // 2)
        shift = 1 + sum(n > last for last in (0, 2, 5, 11, 23))
        p = p + ((65535 - p) >> shift) if b else p - (p >> shift)
        self.contexts[context] = p, min(24, n + 1)
        return b

    def number(self, *context, length):
        node = 1
        for _ in range(length):
            node = 2 * node + self.bit(*context, node)
        return node - 2**length

    def magnitude(self, unary, leading):
        length = 0
        while self.bit(*unary, min(length, 15)):
            length += 1
            check(length <= 17, "a magnitude")
        if length < 2:
            return length
        value = 1
        for i in range(length - 1):
            value = 2 * value + (self.bit(*leading, min(length, 15), i) if i < 2 else self.bit())
        return value

    def end(self):
        check(self.x == [2**16] * 4, "a state at the end")
        check(self.stream.at == len(self.stream.data), "bytes that are not read")


# Tiles of DCTD.


def thresholds(*t):
    return lambda x: sum(x >= threshold for threshold in t)


small = thresholds(1, 2, 3, 5, 8, 13, 22)
count_class = thresholds(1, 2, 3, 5, 8, 12, 18, 26, 36)
predicted = thresholds(1, 2, 3, 5, 8, 12, 20, 40, 80)
length_class = thresholds(1, 2, 4, 8, 16, 32, 64, 128, 256)
busy = thresholds(1, 3, 7, 15)
flat = thresholds(1, 4)

ORDER = sorted(
    ((v, u) for v in range(1, 8) for u in range(1, 8)), key=lambda at: (sum(at), at[0] if sum(at) % 2 else -at[0])
)
NONE = [[0] * 8 for _ in range(8)]


def g(q, edge, i, t):
    return q[i][t] if edge else q[t][i]


def far(neighbour, edge, i):
    return 128 * g(neighbour, edge, i, 0) + sum((-1) ** t * 181 * g(neighbour, edge, i, t) for t in range(1, 8))


def near(this, edge, i):
    return sum(181 * g(this, edge, i, t) for t in range(1, 8))


def interior_count(q):
    return sum(q[v][u] != 0 for v, u in ORDER)


def edge_count(q, edge):
    return sum(g(q, edge, i, 0) != 0 for i in range(1, 8))


def decode_tile(tile, columns, rows, planes):
    """The step and, for each row and column, the planes of the block."""
    stream = Reader(tile)
    step = stream.u16()
    check(step > 0, "step")
    bits = Bits(stream)
    blocks = {}
    for row in range(rows):
        for column in range(columns):
            block = blocks[row, column] = []
            for plane in range(planes):
                above, left = (
                    blocks[at][plane] if at in blocks else None for at in ((row - 1, column), (row, column - 1))
                )
                before = block[-1] if plane else NONE
                block.append(decode_plane(bits, plane, left, above, before, block[-2] if plane > 1 else NONE))
    bits.end()
    return step, blocks


def decode_plane(bits, plane, left_block, above_block, before, before_it):
    """Contexts are tuples of a letter, the plane and the indices in FORMAT.md."""
    left, above = left_block or NONE, above_block or NONE
    q = [[0] * 8 for _ in range(8)]

    def places(v, u):
        return abs(left[v][u]) + abs(above[v][u]) + abs(before[v][u])

    # The interior.
    e = interior_count(left) + interior_count(above)
    if left_block and above_block:
        e //= 2
    if plane:
        e = (e + interior_count(before) + 1) // 2
    count = bits.number("A", plane, count_class(e), length=6)
    check(count <= 49, "count")
    to_come = count
    for i, (v, u) in enumerate(ORDER):
        if to_come == 0:
            break
        m = 2 * places(v, u) + abs(before_it[v][u])
        m += 2 * abs(q[v][u - 1]) if u > 1 else 0
        m += 2 * abs(q[v - 1][u]) if v > 1 else 0
        if to_come < 49 - i and not bits.bit("B", plane, i, small(to_come - 1), small(m)):
            continue
        to_come -= 1
        band = u + v - 2 if u + v <= 5 else 4 if u + v <= 7 else 5
        k = length_class(m)
        magnitude = 1 + bits.magnitude(("C", plane, band, k), ("D", plane, k))
        q[v][u] = -magnitude if bits.bit() else magnitude

    # The edges.
    for edge, neighbour in enumerate((above_block, left_block)):
        around = edge_count(left, edge) + edge_count(above, edge) + 2 * edge_count(before, edge)
        if plane:
            around //= 2
        n = bits.number("E", plane, edge, around // 2, busy(count), length=3)
        for i in range(1, 8):
            if n == 0:
                break
            v, u = (i, 0) if edge else (0, i)
            prediction = (far(neighbour, edge, i) - near(q, edge, i) + 64) >> 7 if neighbour else 0
            p = predicted(abs(prediction))
            a = min(5, small(places(v, u)))
            if n < 8 - i and not bits.bit("F", plane, edge, i - 1, n - 1, p, a):
                continue
            n -= 1
            magnitude = 1 + bits.magnitude(("G", plane, int(i > 2), p, a), ("H", plane, p))
            if prediction == 0:
                negative = bits.bit()
            else:
                negative = bits.bit("I", plane, p, min(magnitude - 1, 3)) ^ (prediction < 0)
            q[v][u] = -magnitude if negative else magnitude

    # The mean.
    fa = far(above_block, 0, 0) - near(q, 0, 0) if above_block else 0
    fl = far(left_block, 1, 0) - near(q, 1, 0) if left_block else 0
    if above_block and left_block:
        prediction, spread = (fa + fl + 128) >> 8, abs(fa - fl) >> 7
    else:
        prediction, spread = (fa + fl + 64) >> 7, 4
    prediction = min(32767, max(-32767, prediction))
    magnitude = bits.magnitude(("J", plane, length_class(spread), flat(count)), ("K", plane))
    negative = bits.bit() if magnitude > 0 else 0
    q[0][0] = prediction - magnitude if negative else prediction + magnitude
    check(all(abs(coefficient) <= 32767 for line in q for coefficient in line), "a coefficient")
    return q


# Pixels.

MATRIX = (
    (64, 64, 64, 64, 64, 64, 64, 64),
    (89, 75, 50, 18, -18, -50, -75, -89),
    (83, 36, -36, -83, -83, -36, 36, 83),
    (75, -18, -89, -50, 50, 89, 18, -75),
    (64, -64, -64, 64, 64, -64, -64, 64),
    (50, -89, 18, 75, -75, -18, 89, -50),
    (36, -83, 83, -36, -36, 83, -83, 36),
    (18, -50, 75, -89, 89, -75, 50, -18),
)


def transformed(c):
    """Each column of c transformed."""
    columns = list(zip(*c))
    return [
        [min(32767, max(-32768, (32 + sum(MATRIX[v][y] * a[v] for v in range(8))) >> 6)) for a in columns]
        for y in range(8)
    ]


def plane_samples(q, step):
    c = [[(-1 if a < 0 else 1) * min(32767, (abs(a) * step + 4) >> 3) for a in line] for line in q]
    t = transformed(c)
    return list(zip(*transformed(zip(*t))))


def block_pixels(block, step):
    """Eight rows of interleaved samples."""
    planes = [plane_samples(q, step) for q in block]
    rows = []
    for y in range(8):
        row = []
        for s in zip(*(plane[y] for plane in planes)):
            if len(s) == 1:
                sums = [2**14 * s[0]]
            else:
                sums = [
                    9459 * s[0] + 11585 * s[1] + 6689 * s[2],
                    9459 * s[0] - 13377 * s[2],
                    9459 * s[0] - 11585 * s[1] + 6689 * s[2],
                ]
            row += [(min(255 * 2**20, max(0, w + 128 * 2**20)) + 2**19) >> 20 for w in sums]
        rows.append(bytes(row))
    return rows


# Tests.


def golden(name):
    with open(os.path.join(GOLDEN, name), "rb") as file:
        return file.read()


def varint(value):
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def with_last_tile(data, change):
    """The file with the last tile changed and the checksums mended."""
    _, _, _, _, start, tiles = file_parts(data)
    tiles = [tile for _, tile in tiles]
    tiles[-1] = change(tiles[-1])
    table = b"".join(varint(len(tile)) + struct.pack("<I", zlib.crc32(tile)) for tile in tiles)
    frame = b"DCTD" + varint(len(table) + 4 + sum(map(len, tiles))) + table
    return data[:start] + frame + struct.pack("<I", zlib.crc32(frame)) + b"".join(tiles)


class DctFormatTest(unittest.TestCase):
    def test_golden_files_have_the_samples_of_the_document(self):
        manifest = json.loads(golden("manifest.json").decode())
        for name in ("dct", "dct_gray"):
            with self.subTest(name):
                data = golden(name + ".lic")
                self.assertEqual(
                    file_parts(data)[:3], tuple(manifest[name][key] for key in ("width", "height", "channels"))
                )
                self.assertTrue(decode(data) == golden(name + ".raw"), "other samples")

    def test_a_changed_byte_is_found_by_its_checksum(self):
        data = golden("dct_gray.lic")
        changed = data[:-1] + bytes([data[-1] ^ 1])
        with self.assertRaisesRegex(Damaged, "CRC-32 of tile 1"):
            decode(changed)

    def test_damage_under_mended_checksums_is_found(self):
        data = golden("dct_gray.lic")
        self.assertEqual(with_last_tile(data, lambda tile: tile), data)
        for change, message in (
            (lambda tile: tile[:-2], "it ends early"),
            (lambda tile: tile[: len(tile) // 2], "it ends early"),
            (lambda tile: tile[:17], "it ends early"),
            (lambda tile: tile + bytes(2), "bytes that are not read"),
            (lambda tile: bytes(2) + tile[2:], "step"),
            (lambda tile: tile[:4] + bytes(2) + tile[6:], "a state at the start"),
        ):
            with self.assertRaisesRegex(Damaged, message):
                decode(with_last_tile(data, change))


if __name__ == "__main__":
    unittest.main()

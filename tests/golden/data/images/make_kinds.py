#!/usr/bin/env python3
"""Makes kinds/ and kinds.json: BMP files of every kind, orientations in every place and type that states one, PNG with
empty chunks; and what Pillow makes of each.

    pip install pillow==13.0.0 && python3 make_kinds.py

Turned upright, and transparency put on white, as the reference processor does with what Pillow opens. Where ours is to
differ, the entry has the pixels from here and says why. Sources: Microsoft, BITMAPCOREHEADER to BITMAPV5HEADER and
"Bitmap Compression"; PNG specification, 5.3; EXIF 2.32, 4.5.2.
SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import io
import json
import os
import random
import struct
import warnings
import zlib

from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
rng = random.Random(19)
W, H = 13, 9  # odd, so that every kind of row has padding
FILES = {}  # name: (bytes, pixels or None, why they are not Pillow's or None)


def add(name, data, pixels=None, why=None):
    FILES[name] = (data, pixels, why)


# ---- BMP ----

def palette_of(n):
    return [(rng.randrange(256), rng.randrange(256), rng.randrange(256)) for _ in range(n)]


def pack_row(row, bits):
    """Indices or whole pixels as the bytes of a row, padded to four."""
    if bits >= 8:
        data = b"".join(v.to_bytes(bits // 8, "little") for v in row)
    else:
        data, per = b"", 8 // bits
        for i in range(0, len(row), per):
            byte = 0
            for k, v in enumerate(row[i:i + per]):
                byte |= v << (8 - bits * (k + 1))
            data += bytes([byte])
    return data + b"\0" * (-len(data) % 4)


def bmp(rows, bits, header=40, packing=0, colours=None, masks=None, top_first=False, offset=None, data=None, n_colours=0):
    """rows: top to bottom. data: instead of them, as it is. masks: in the header, or behind one of 40 bytes."""
    h, w = len(rows), len(rows[0])
    table = b""
    if colours:
        table = b"".join(bytes((b, g, r)) + (b"" if header == 12 else b"\0") for r, g, b in colours)
    if data is None:
        data = b"".join(pack_row(r, bits) for r in (rows if top_first else rows[::-1]))
    if header == 12:
        head = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", header, w, -h if top_first else h, 1, bits, packing, len(data), 2835, 2835,
                           n_colours, 0)
        words = struct.pack("<%dI" % len(masks), *masks) if masks else b""
        if header == 40:
            table = words + table
        else:
            head += words[:header - 40]
            head += b"\0" * (header - len(head))
    at = 14 + len(head) + len(table)
    return b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at if offset is None else offset) + head + table + data


def indices(n):
    return [[rng.randrange(n) for _ in range(W)] for _ in range(H)]


def runs(rows, bits, end=True):
    """Rows bottom to top: stretches as they are and repeated ones, in turn."""
    out = b""

    def packed(values):
        if bits == 8:
            return bytes(values)
        values = values + [0] * (len(values) % 2)
        return bytes(a << 4 | b for a, b in zip(values[::2], values[1::2]))

    for row in rows[::-1]:
        out += bytes([5]) + packed([row[0], row[0]])[:1]
        body = packed(row[5:])
        out += bytes([0, len(row) - 5]) + body + b"\0" * (len(body) % 2) + b"\0\0"
    return out[:-2] + (b"\0\1" if end else b"")


def like_run(rows):
    return [[r[0]] * 5 + r[5:] for r in rows]


def rgb_of(rows, colours):
    return [[colours[v] for v in r] for r in rows]


def bmps():
    for bits in 1, 4, 8:
        colours, rows = palette_of(1 << bits), indices(1 << bits)
        add("b%d.bmp" % bits, bmp(rows, bits, colours=colours))
        add("b%d_os2.bmp" % bits, bmp(rows, bits, header=12, colours=colours))
        add("b%d_os2_2.bmp" % bits, bmp(rows, bits, header=64, colours=colours))
        add("b%d_v5_top_first.bmp" % bits, bmp(rows, bits, header=124, colours=colours, top_first=True))
        add("b%d_no_offset.bmp" % bits, bmp(rows, bits, colours=colours, offset=0))
        add("b%d_offset_of_header.bmp" % bits, bmp(rows, bits, colours=colours, offset=54))
    add("b1_black_white.bmp", bmp(indices(2), 1, colours=[(0,) * 3, (255,) * 3]))
    add("b1_white_black.bmp", bmp(indices(2), 1, colours=[(255,) * 3, (0,) * 3]))
    add("b4_ten_colours.bmp", bmp(indices(10), 4, colours=palette_of(10), n_colours=10))
    add("b8_gray.bmp", bmp(indices(256), 8, colours=[(i,) * 3 for i in range(256)]))
    gray = [(i,) * 3 for i in range(0, 256, 17)]
    add("b4_gray.bmp", bmp(indices(16), 4, colours=gray))

    def pixels(n):
        return [[rng.randrange(1 << n) for _ in range(W)] for _ in range(H)]

    add("b16.bmp", bmp(pixels(15), 16))
    add("b16_565.bmp", bmp(pixels(16), 16, packing=3, masks=(0xF800, 0x7E0, 0x1F)))
    add("b16_555_v2.bmp", bmp(pixels(15), 16, header=52, packing=3, masks=(0x7C00, 0x3E0, 0x1F)))
    add("b16_565_v4_top_first.bmp", bmp(pixels(16), 16, header=108, packing=3, masks=(0xF800, 0x7E0, 0x1F, 0), top_first=True))
    add("b24.bmp", bmp(pixels(24), 24))
    add("b24_os2.bmp", bmp(pixels(24), 24, header=12))
    add("b24_masks.bmp", bmp(pixels(24), 24, packing=3, masks=(0xFF0000, 0xFF00, 0xFF)))
    add("b32.bmp", bmp(pixels(32), 32))
    add("b32_v5_plain.bmp", bmp(pixels(32), 32, header=124, top_first=True))
    for name, masks in (("bgrx", (0xFF0000, 0xFF00, 0xFF, 0)), ("xbgr", (0xFF000000, 0xFF0000, 0xFF00, 0)),
                        ("bgxr", (0xFF000000, 0xFF00, 0xFF, 0)), ("abgr", (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
                        ("rgba", (0xFF, 0xFF00, 0xFF0000, 0xFF000000)), ("bgra", (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
                        ("bgar", (0xFF000000, 0xFF00, 0xFF, 0xFF0000)), ("zeros", (0, 0, 0, 0))):
        for header in (56, 108, 124):
            add("b32_%s_%d.bmp" % (name, header), bmp(pixels(32), 32, header=header, packing=3, masks=masks))
    add("b32_bgrx.bmp", bmp(pixels(32), 32, packing=3, masks=(0xFF0000, 0xFF00, 0xFF)))
    for bits, name in (8, "r8"), (4, "r4"):
        colours = palette_of(1 << bits)
        rows = like_run(indices(1 << bits))
        add(name + ".bmp", bmp(rows, bits, packing=1 if bits == 8 else 2, colours=colours, data=runs(rows, bits)))
        add(name + "_no_end.bmp", bmp(rows, bits, packing=1 if bits == 8 else 2, colours=colours, data=runs(rows, bits, False)))
        add(name + "_v5_top_first.bmp", bmp(rows, bits, header=124, packing=1 if bits == 8 else 2, colours=colours, top_first=True,
                                            data=runs(rows[::-1], bits)))
    colours, bare = palette_of(256), [[0] * W for _ in range(H)]
    skip = b"\x03\x07" + b"\0\2\4\2" + b"\x06\x09" + b"\0\0"  # a row and seven pixels on
    skip += b"\0\0".join(bytes([W, 40 + i]) for i in range(H - 3)) + b"\0\1"
    add("r8_delta.bmp", bmp(bare, 8, packing=1, colours=colours, data=skip))
    add("r8_too_long.bmp", bmp(bare, 8, packing=1, colours=colours,
                               data=b"\0\0".join(bytes([W + 6, 40 + i]) for i in range(H)) + b"\0\1"))


def bmps_beyond_pillow():
    colours = palette_of(256)
    wide = [[rng.randrange(1 << 30) for _ in range(W)] for _ in range(H)]
    ten = [[tuple((v >> s & 1023) * 255 // 1023 for s in (20, 10, 0)) for v in r] for r in wide]
    add("b32_ten_bits.bmp", bmp(wide, 32, packing=3, masks=(1023 << 20, 1023 << 10, 1023)), ten, "Pillow refuses these masks")
    four = [[rng.randrange(1 << 12) | 0xF000 for _ in range(W)] for _ in range(H)]
    add("b16_4444_opaque.bmp", bmp(four, 16, header=108, packing=3, masks=(0xF00, 0xF0, 0xF, 0xF000)),
        [[tuple((v >> s & 15) * 17 for s in (8, 4, 0)) for v in r] for r in four], "Pillow refuses these masks")
    bare = [[v & 0xFFFFFF for v in r] for r in wide]
    add("b32_v5_alpha_never_set.bmp", bmp(bare, 32, header=124, packing=3, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
        [[(v >> 16, v >> 8 & 255, v & 255) for v in r] for r in bare], "alpha that is 0 everywhere was not written")
    base = [[0] * W for _ in range(H)]
    base[H - 1], base[H - 3] = [5] * W, [6] * W
    blank = bytes([W, 5]) + b"\0\0" + b"\0\0" + bytes([W, 6]) + b"\0\0" + b"\0\1"
    add("r8_blank_row_early_end.bmp", bmp(base, 8, packing=1, colours=colours, data=blank), rgb_of(base, colours),
        "Pillow loses an empty row, and wants all of them")
    many, rows = palette_of(300), indices(256)
    add("b8_many_colours.bmp", bmp(rows, 8, colours=many, n_colours=300), rgb_of(rows, many), "Pillow refuses more than 256")
    two = indices(2)
    add("b8_black_white.bmp", bmp(two, 8, colours=[(0,) * 3, (255,) * 3], n_colours=2),
        [[(v * 255,) * 3 for v in r] for r in two], "Pillow reads bytes as bits here")


# ---- orientation ----

BASE = Image.new("RGB", (24, 16))
BASE.putdata([(x * 10, y * 15, 255 - x * 10) for y in range(16) for x in range(24)])
UPRIGHT = None


def saved(kind, **options):
    f = io.BytesIO()
    BASE.save(f, kind, **options)
    return f.getvalue()


def exif(value, kind="H", order="<", count=1, tag=0x112, prefix=b"Exif\0\0", more=()):
    number = {"B": 1, "H": 3, "L": 4, "b": 6, "h": 8, "l": 9, "s": 2}[kind]
    entries = list(more) + [(tag, number, count, struct.pack(order + kind, value).ljust(4, b"\0"))]
    body = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    for t, n, c, v in entries:
        body += struct.pack(order + "HHI", t, n, c) + v
    return prefix + body + struct.pack(order + "I", 0)


def xmp(value, element=False):
    text = '<tiff:Orientation>%d</tiff:Orientation>' if element else 'tiff:Orientation="%d"'
    inner = "<rdf:Description %s>%s</rdf:Description>" % (("", text % value) if element else (text % value, ""))
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>' + inner.encode() + b"</rdf:RDF></x:xmpmeta>"


def jpeg(*segments):
    data = saved("JPEG", quality=95)
    out = data[:2]
    for s in segments:
        out += b"\xff\xe1" + struct.pack(">H", len(s) + 2) + s
    return out + data[2:]


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(before=b"", after=b"", data=None):
    data = data or saved("PNG")
    first = data.index(b"IDAT") - 4
    return data[:first] + before + data[first:-12] + after + data[-12:]


def webp(*chunks):
    data = saved("WEBP", lossless=True)[12:]
    flags = sum(8 if n == b"EXIF" else 4 for n, _ in chunks)
    body = b"VP8X" + struct.pack("<II", 10, flags) + struct.pack("<I", BASE.width - 1)[:3] + struct.pack("<I", BASE.height - 1)[:3]
    body += data
    for name, content in chunks:
        body += name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def orientations():
    packet = b"http://ns.adobe.com/xap/1.0/\0"
    whole = "Pillow takes every type but BYTE, which it has as a string"
    turned = [[p for p in ImageOps.exif_transpose(Image.open(io.BytesIO(jpeg(exif(6))))).convert("RGB").crop((0, y, 16, y + 1)).get_flattened_data()]
              for y in range(24)]
    for order, end in ("<", "le"), (">", "be"):
        for kind, name in ("B", "byte"), ("H", "short"), ("L", "long"), ("b", "sbyte"), ("h", "sshort"), ("l", "slong"):
            add("exif_%s_%s.jpg" % (name, end), jpeg(exif(6, kind, order)), *((turned, whole) if kind == "B" else ()))
    add("exif_long_8.jpg", jpeg(exif(8, "L", ">")))
    add("exif_0.jpg", jpeg(exif(0)))
    add("exif_9.jpg", jpeg(exif(9, "L")))
    add("exif_minus_1.jpg", jpeg(exif(-1, "h")))
    add("exif_65542.jpg", jpeg(exif(65542, "L")))  # 6 in its low half
    add("exif_xmp_before.jpg", jpeg(packet + xmp(3), exif(6)))
    add("exif_empty_before.jpg", jpeg(b"Exif\0\0", exif(6)))
    add("exif_two.jpg", jpeg(exif(6), exif(3)))
    add("exif_none_before.jpg", jpeg(exif(1, tag=0x128), exif(6)))
    add("exif_in_two.jpg", jpeg(exif(6)[:15], b"Exif\0\0" + exif(6)[15:]))
    add("exif_prefix_twice.jpg", jpeg(b"Exif\0\0" + exif(6)))
    add("xmp.jpg", jpeg(packet + xmp(6)))
    add("xmp_element.jpg", jpeg(packet + xmp(8, True)))
    add("xmp_and_exif_without.jpg", jpeg(exif(1, tag=0x128), packet + xmp(6)))
    add("xmp_9.jpg", jpeg(packet + xmp(9)))
    add("exif_long.png", png(chunk(b"eXIf", exif(6, "L", prefix=b""))))
    add("exif_behind.png", png(after=chunk(b"eXIf", exif(6, prefix=b""))))
    add("exif_prefix.png", png(chunk(b"eXIf", exif(6))))
    add("xmp.png", png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6))))
    add("exif_long.webp", webp((b"EXIF", exif(6, "L", ">", prefix=b""))))
    add("exif_prefix.webp", webp((b"EXIF", exif(6))))
    add("xmp.webp", webp((b"XMP ", xmp(6))))


def chunks():
    """Every chunk that a PNG can do without, empty, in front of the pixels and behind them."""
    plain = [[p for p in BASE.crop((0, y, 24, y + 1)).get_flattened_data()] for y in range(16)]
    for name in b"bKGD cHRM cICP gAMA hIST iCCP iTXt mDCv oFFs pCAL pHYs sBIT sCAL sPLT sRGB tEXt tIME zTXt eXIf acTL fcTL fdAT xxXx".split():
        for where in "before", "behind":
            data = png(**{"before" if where == "before" else "after": chunk(name, b"")})
            add("empty_%s_%s.png" % (name.decode(), where), data, plain, "what every viewer shows")
    add("exif_broken_crc.png", png(chunk(b"eXIf", b"")[:-1] + b"?"), plain, "what every viewer shows")
    many = b"".join(chunk(b"tEXt", b"k\0" + bytes([65 + i % 26]) * 40) for i in range(200))
    add("many_chunks.png", png(many, many))


# ---- what they show ----

def pillow(data):
    im = Image.open(io.BytesIO(data))
    im.load()
    im = ImageOps.exif_transpose(im)
    if im.has_transparency_data:
        rgba = im.convert("RGBA")
        im = Image.alpha_composite(Image.new("RGBA", rgba.size, (255,) * 4), rgba)
    return im.convert("RGB")


def main():
    bmps()
    bmps_beyond_pillow()
    orientations()
    chunks()
    warnings.simplefilter("ignore")
    os.makedirs(os.path.join(HERE, "kinds"), exist_ok=True)
    answers = {}
    for name, (data, pixels, why) in FILES.items():
        with open(os.path.join(HERE, "kinds", name), "wb") as f:
            f.write(data)
        try:
            im = pillow(data)
        except Exception as e:
            assert pixels, "%s: %s" % (name, e)
            im = None
        if pixels:
            own = Image.new("RGB", (len(pixels[0]), len(pixels)))
            own.putdata([p for row in pixels for p in row])
            if im and im.size == own.size and im.tobytes() == own.tobytes():
                why = None
            im = own
        answers["kinds/" + name] = {"size_wh": list(im.size), "sha256_rgb": hashlib.sha256(im.tobytes()).hexdigest()}
        if why:
            answers["kinds/" + name]["not_pillows"] = why
    with open(os.path.join(HERE, "kinds.json"), "w") as f:
        json.dump(answers, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes frames/ and frames.json: GIF files of every build, animated WebP, and what Pillow makes of their first picture.

    pip install pillow==13.0.0 && python3 make_frames.py

Transparency is put on white, as the reference processor does with what Pillow opens. Most files are put together here,
byte by byte, since Pillow writes only the usual ones. Source: CompuServe, Graphics Interchange Format, version 89a.
SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import io
import json
import os
import random
import struct

from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
rng = random.Random(6)


# ---- a GIF, piece by piece ----

def codes(indices, bits, first_clear=True, clear_every=None, defer=True, end=True):
    """LZW: the codes of `indices`, as (code, width). defer: a full table is kept, not cleared."""
    clear, out = 1 << bits, []
    table, width, string = {}, bits + 1, ()

    def put(c):
        out.append((c, width))

    def reset():
        nonlocal table, width
        table, width = {(i,): i for i in range(clear)}, bits + 1

    reset()
    size = clear + 2
    if first_clear:
        put(clear)
    for n, i in enumerate(indices):
        if clear_every and n % clear_every == 0 and string:
            put(table[string])
            string = ()
            if size >= 1 << width and width < 12:  # the reader's table is one code behind, until now
                width += 1
            put(clear)
            reset()
            size = clear + 2
        if string + (i,) in table:
            string += (i,)
            continue
        put(table[string])
        if size < 4096:
            table[string + (i,)] = size
            size += 1
            if size > 1 << width and width < 12:
                width += 1
        elif not defer:
            put(clear)
            reset()
            size = clear + 2
        string = (i,)
    if string:
        put(table[string])
        if size >= 1 << width and width < 12:
            width += 1
    if end:
        put(clear + 1)
    return out


def packed(code_list):
    bits = at = 0
    for c, width in code_list:
        bits |= c << at
        at += width
    return bits.to_bytes((at + 7) // 8, "little")


def blocks(data, size=255):
    return b"".join(bytes([len(data[i:i + size])]) + data[i:i + size] for i in range(0, len(data), size)) + b"\0"


def table(colours):
    n = max(1, (len(colours) - 1).bit_length())
    colours = colours + [(0, 0, 0)] * (2**n - len(colours))
    return n - 1, b"".join(map(bytes, colours))


def head(w, h, colours=None, background=0, version=b"GIF89a"):
    bits, data = table(colours) if colours else (0, b"")
    return version + struct.pack("<HHBBB", w, h, (0x80 if colours else 0) | 0x70 | bits, background, 0) + data


def control(transparent=None, disposal=0):
    return b"\x21\xf9\x04" + struct.pack("<BHB", disposal << 2 | (transparent is not None), 10, transparent or 0) + b"\0"


def picture(x, y, w, h, indices, bits, colours=None, interlace=False, block=255, **kw):
    n, data = table(colours) if colours else (0, b"")
    flags = (0x80 if colours else 0) | (0x40 if interlace else 0) | n
    if interlace:
        rows = [r for first, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for r in range(first, h, step)]
        indices = [i for r in rows for i in indices[r * w:(r + 1) * w]]
    return b"," + struct.pack("<HHHHB", x, y, w, h, flags) + data + bytes([bits]) + blocks(packed(codes(indices, bits, **kw)), block)


def colours(n):
    return [tuple(rng.randrange(256) for _ in range(3)) for _ in range(n)]


def noise(n, k):
    return [rng.randrange(k) for _ in range(n)]


def stripes(w, h, k):
    return [(x // 2 + y) % k for y in range(h) for x in range(w)]


END = b";"
C4, C8, C256, OTHER = colours(4), colours(8), colours(256), colours(8)
S = stripes(20, 15, 8)
GIFS = {
    "plain": head(20, 15, C8) + picture(0, 0, 20, 15, S, 3) + END,
    "87a": head(20, 15, C8, version=b"GIF87a") + picture(0, 0, 20, 15, S, 3) + END,
    "noise": head(40, 30, C256) + picture(0, 0, 40, 30, noise(1200, 256), 8) + END,
    "offset": head(30, 24, C8, background=5) + picture(7, 4, 20, 15, S, 3) + END,
    "offset_transparent": head(30, 24, C8, background=5) + control(3) + picture(7, 4, 20, 15, S, 3) + END,
    "outside": head(12, 10, C8) + picture(5, 6, 20, 15, S, 3) + END,
    "outside_transparent": head(12, 40, C8) + control(1, 2) + picture(5, 6, 20, 15, S, 3) + END,
    "no_screen": head(0, 0, C8) + picture(0, 0, 20, 15, S, 3) + END,
    "local": head(20, 15, C8) + picture(0, 0, 20, 15, S, 3, OTHER) + END,
    "local_only": head(25, 15) + picture(5, 0, 20, 15, S, 3, OTHER) + END,
    "no_table": head(22, 15) + picture(1, 0, 20, 15, noise(300, 256), 8) + END,
    "no_table_transparent": head(22, 15) + control(7) + picture(1, 0, 20, 15, S, 3) + END,
    "beyond_table": head(20, 15, C4) + picture(0, 0, 20, 15, S, 3) + END,
    "transparent_beyond_table": head(21, 15, C4) + control(6) + picture(0, 0, 20, 15, S, 3) + END,
    "wide_codes": head(20, 15, C8) + picture(0, 0, 20, 15, S, 8) + END,
    "two_colours": head(20, 15, C4[:2]) + picture(0, 0, 20, 15, stripes(20, 15, 2), 2) + END,
    "one_colour": head(64, 48, C4) + picture(0, 0, 64, 48, [2] * 3072, 2) + END,
    "controls": head(20, 15, C8) + control(2) + control(None, 1) + picture(0, 0, 20, 15, S, 3) + END,
    "extensions": head(20, 15, C8) + b"\x21\xfe" + blocks(b"a comment " * 40) + b"\0\0"
                  + b"\x21\xff" + blocks(b"NETSCAPE2.0")[:-1] + blocks(b"\x01\0\0") + control(4)
                  + b"\x21\x01" + blocks(b"\0" * 12)[:-1] + blocks(b"plain text") + b"\x21\x77" + blocks(b"?")
                  + picture(0, 0, 20, 15, S, 3) + END,
    "no_first_clear": head(20, 15, C8) + picture(0, 0, 20, 15, S, 3, first_clear=False) + END,
    "clears": head(20, 15, C8) + picture(0, 0, 20, 15, S, 3, clear_every=11) + END,
    "full_table_kept": head(100, 90, C256) + picture(0, 0, 100, 90, noise(9000, 200), 8) + END,
    "full_table_cleared": head(100, 90, C256) + picture(0, 0, 100, 90, noise(9000, 200), 8, defer=False) + END,
    "small_blocks": head(20, 15, C8) + picture(0, 0, 20, 15, S, 3, block=1) + END,
    "no_end_code": head(20, 15, C8) + picture(0, 0, 20, 15, S, 3, end=False) + END,
    "more_codes": head(20, 15, C8) + picture(0, 0, 20, 15, S + [1] * 99, 3) + END,
    "no_end": (head(20, 15, C8) + picture(0, 0, 20, 15, S, 3, end=False))[:-1],
    "trailing": head(20, 15, C8) + picture(0, 0, 20, 15, S, 3) + END + b"and more bytes, GIF89a" * 9,
    "second_picture": head(20, 15, C8) + control(None, 2) + picture(0, 0, 20, 15, S, 3) + control(0, 1)
                      + picture(3, 3, 9, 9, noise(81, 8), 3, OTHER) + END,
    "damaged_second": head(20, 15, C8) + picture(0, 0, 20, 15, S, 3) + picture(0, 0, 20, 15, S, 3)[:30],
}
for h in (1, 2, 3, 4, 5, 8, 9, 17):
    GIFS["interlaced_%d" % h] = head(11, h, C8) + control(5) + picture(0, 0, 11, h, stripes(11, h, 8), 3, interlace=True) + END


def pillow_gifs():
    def saved(im, **kw):
        f = io.BytesIO()
        im.save(f, "GIF", **kw)
        return f.getvalue()
    w, h = 48, 36
    rgb = [Image.new("RGB", (w, h)) for _ in range(3)]
    for k, im in enumerate(rgb):
        im.putdata([(x * 5, y * 7, 80 * k + (x * y) % 60) for y in range(h) for x in range(w)])
    yield "pillow_gray", saved(rgb[0].convert("L"))
    yield "pillow_bilevel", saved(rgb[0].convert("1"))
    yield "pillow_animated", saved(rgb[0], save_all=True, append_images=rgb[1:], duration=80, loop=0, disposal=2)
    rgba = [im.convert("RGBA") for im in rgb]
    for im in rgba:
        im.putalpha(Image.linear_gradient("L").resize((w, h)).point(lambda v: 255 if v > 99 else 0))
    yield "pillow_transparent", saved(rgba[0])
    yield "pillow_animated_transparent", saved(rgba[1], save_all=True, append_images=rgba[:1], duration=80)


# ---- WebP ----

def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def u24(v):
    return struct.pack("<I", v)[:3]


def still(im, **kw):
    f = io.BytesIO()
    im.save(f, "WEBP", **kw)
    return f.getvalue()


def animation(w, h, has_alpha, frames):
    """frames: (x, y, picture, lossless). A frame's chunks are a still file's, but for its VP8X."""
    body = chunk(b"VP8X", bytes([2 | (16 if has_alpha else 0), 0, 0, 0]) + u24(w - 1) + u24(h - 1))
    body += chunk(b"ANIM", b"\x10\x80\xc0\xff\0\0")
    for x, y, im, lossless in frames:
        file, at, inner = still(im, lossless=lossless), 12, b""
        while at < len(file):
            size = 8 + struct.unpack("<I", file[at + 4:at + 8])[0]
            size += size % 2
            if file[at:at + 4] != b"VP8X":
                inner += file[at:at + size]
            at += size
        body += chunk(b"ANMF", u24(x // 2) + u24(y // 2) + u24(im.width - 1) + u24(im.height - 1) + u24(90) + b"\0" + inner)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webps():
    w, h = 26, 18
    a, b = Image.new("RGB", (w, h)), Image.new("RGB", (10, 8), (9, 200, 90))
    a.putdata([(x * 9, y * 13, (x * y) % 256) for y in range(h) for x in range(w)])
    alpha = a.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize((w, h)))
    yield "whole", animation(w, h, False, [(0, 0, a, True), (4, 2, b, True)])
    yield "offset", animation(40, 30, False, [(6, 8, a, True), (0, 0, b, True)])
    yield "offset_alpha", animation(40, 30, True, [(14, 12, alpha, True), (0, 0, b, True)])
    yield "lossy_alpha", animation(w, h, True, [(0, 0, alpha, False), (0, 0, b, True)])
    f = io.BytesIO()
    alpha.save(f, "WEBP", save_all=True, append_images=[b.resize((w, h)).convert("RGBA")], duration=80, lossless=True)
    yield "pillow", f.getvalue()


def first_picture(data):
    im = Image.open(io.BytesIO(data))
    if im.has_transparency_data:
        rgba = im.convert("RGBA")
        im = Image.alpha_composite(Image.new("RGBA", rgba.size, (255,) * 4), rgba)
    im = im.convert("RGB")
    return {"size_wh": list(im.size), "sha256_rgb": hashlib.sha256(im.tobytes()).hexdigest()}


def main():
    os.makedirs(os.path.join(HERE, "frames"), exist_ok=True)
    answers = {}
    for ending, files in (("gif", list(GIFS.items()) + list(pillow_gifs())), ("webp", list(webps()))):
        for name, data in files:
            path = "frames/%s.%s" % (name, ending)
            with open(os.path.join(HERE, path), "wb") as f:
                f.write(data)
            answers[path] = first_picture(data)
    with open(os.path.join(HERE, "frames.json"), "w") as f:
        json.dump(answers, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()

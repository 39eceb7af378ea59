#!/usr/bin/env python3
"""How long another client waits for its next token while a picture is encoded and read: image_gap.py CARAT MODEL MMPROJ

    --threads N     2        --context N    2048        --json

A server is started; one client's answer is streamed, and after seventeen tokens another client asks about a made-up picture of
896 × 896. Printed: the longest gap between the first client's tokens from then until the picture is answered, the median before,
and how long the picture took.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import base64
import http.client
import json
import random
import re
import statistics
import struct
import subprocess
import sys
import threading
import time
import zlib

ALONE = 17  # tokens before the picture comes


def picture(side=896):
    """A PNG of smooth noise: decoding it takes next to nothing."""
    r = random.Random(1)
    rows = []
    for y in range(side):
        base = r.randrange(256)
        rows.append(b"\0" + bytes((base + (x * (c + 1) + y) // 7) % 256 for x in range(side) for c in range(3)))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(b"".join(rows), 1)) + chunk(b"IEND", b""))


def stream(port, body, on_token):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    c.request("POST", "/v1/chat/completions", json.dumps(dict(body, stream=True)), {"content-type": "application/json"})
    r = c.getresponse()
    if r.status != 200:
        raise SystemExit(f"image_gap: the server answers {r.status}: {r.read()[:300].decode(errors='replace')}")
    for line in r:
        if line.startswith(b"data: {"):
            if b'"error"' in line[:20]:
                raise SystemExit(f"image_gap: {line.decode(errors='replace')}")
            on_token(time.monotonic())


def port_of(process):
    """The port that the server says it listens on, once its model is loaded."""
    port = None
    for line in process.stderr:
        found = re.search(r"listening on http://[^:]+:(\d+)", line)
        port = int(found[1]) if found else port
        if port and "is loaded" in line:
            threading.Thread(target=process.stderr.read, daemon=True).start()  # it must not wait for us to read
            return port
    raise SystemExit("image_gap: the server does not come up")


def measure(port):
    times, begun, over = [], threading.Event(), threading.Event()

    def answer():
        def on_token(now):
            times.append(now)
            if len(times) > ALONE:
                begun.set()
        while not over.is_set():  # one answer may end before the picture is read
            stream(port, {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 400, "temperature": 1, "seed": 1, "ignore_eos": True}, on_token)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    if not begun.wait(300):
        raise SystemExit("image_gap: no tokens came")
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    start, end = time.monotonic(), []
    stream(port, {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "what is it?"}]}],
                  "max_tokens": 1}, end.append)
    over.set()
    time.sleep(1)
    seen = list(times)
    gaps = [(b - a, b) for a, b in zip(seen, seen[1:])]
    during = [g for g, at in gaps if start <= at and at - g <= end[-1]]
    before = [g for g, at in gaps if at < start][1:]
    return {"gap_alone_seconds": statistics.median(before), "gap_longest_seconds": max(during), "image_seconds": end[-1] - start,
            "tokens_meanwhile": len(during)}


def main():
    p = argparse.ArgumentParser(usage="image_gap.py CARAT MODEL MMPROJ [--threads N] [--context N] [--json]")
    p.add_argument("carat")
    p.add_argument("model")
    p.add_argument("mmproj")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--context", type=int, default=2048)
    p.add_argument("--json", action="store_true")
    o = p.parse_args()
    server = subprocess.Popen([o.carat, "serve", o.model, "--mmproj", o.mmproj, "--port", "0", "--parallel", "4", "-c", str(o.context), "-t",
                               str(o.threads)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        got = measure(port_of(server))
    finally:
        server.terminate()
        server.wait(60)
    if o.json:
        print(json.dumps(got))
    else:
        print(f"an image was answered after {got['image_seconds']:.1f} s; another's tokens came at most {1e3 * got['gap_longest_seconds']:.0f} ms apart "
              f"({got['tokens_meanwhile']} meanwhile), before it {1e3 * got['gap_alone_seconds']:.0f} ms")


if __name__ == "__main__":
    sys.exit(main())

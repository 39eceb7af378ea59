"""A server under load: many streams at once, with slow readers, clients that vanish and requests that are none among them. Every
answer is compared with the one that the same request gets alone. Prints times to the first token and between tokens, the
sum of tokens a second, and what the server holds.

    load_server.py [--streams 64] [--seconds 300] [--tokens 64] [--quiet-clients] [--json] -- carat serve MODEL --log none
    load_server.py --idle 500 -- carat serve MODEL --log none --queue 600
    load_server.py --port 8091 -- llama-server -m MODEL --port 8091 -np 64 -c 65536

The command is started and ended; it listens on --port (8090, which is added for carat), and is asked in OpenAI's protocol.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

QUESTIONS = ["Write about rain.", "Tell a story of two dogs.", "What is a prime number?", "Describe the sea at night.",
             "List some colours.", "Explain how bread is made.", "Who was Ada Lovelace?", "Give advice to a young gardener."]


def body_of(i, tokens):
    """One of 32 requests; the last eight have long prompts."""
    text = QUESTIONS[i % 8] if i < 24 else "Read this. " + "The quick brown fox jumps over the lazy dog. " * 40 + QUESTIONS[i % 8]
    return {"messages": [{"role": "user", "content": text}], "max_tokens": tokens, "temperature": 1.0, "seed": i, "stream": True,
            "stream_options": {"include_usage": True}}


class Gone(Exception):
    pass


async def ask(port, body, slow=0, leave_after=None, times=None):
    """The streamed text; times gets when each piece came. slow: seconds to sleep after each piece."""
    data = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                     b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        start = time.monotonic()
        status = (await reader.readline()).split()
        if len(status) < 2 or status[1] != b"200":
            raise Gone(b" ".join(status).decode() or "closed")
        text, n, is_done = [], 0, False
        while line := await reader.readline():
            if not line.startswith(b"data: "):
                continue
            if line.startswith(b"data: [DONE]"):
                is_done = True
                break
            chunk = json.loads(line[6:])
            if "error" in chunk:
                raise Gone(str(chunk["error"]))
            for choice in chunk["choices"]:
                piece = choice["delta"].get("content")
                if piece:
                    n += 1
                    text.append(piece)
                    if times is not None:
                        times.append(time.monotonic() - start)
            if leave_after is not None and n >= leave_after:
                return None
            if slow:
                await asyncio.sleep(slow)
        if not is_done:
            raise Gone("cut")
        return "".join(text)
    finally:
        writer.close()


async def garbage(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(random.choice([b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n{\"a\": [",
                                b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", os.urandom(200) + b"\r\n\r\n",
                                b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\nhalf"]))
    try:
        await asyncio.wait_for(reader.read(4096), 0.3)
    except (asyncio.TimeoutError, ConnectionError):
        pass
    writer.close()


class Results:
    def __init__(self):
        self.first, self.between, self.tokens, self.answers, self.wrong, self.lost, self.others = [], [], 0, 0, [], [], 0


async def client(port, right, a, results, until):
    """One of the streams: answers one after the other; each is the one it gets alone."""
    while time.monotonic() < until:
        i = random.randrange(32)
        times = []
        try:
            text = await ask(port, body_of(i, a.tokens), times=times)
        except (Gone, ConnectionError, asyncio.IncompleteReadError) as e:
            results.lost.append(f"{i}: {e}")
            continue
        results.answers += 1
        results.tokens += len(times)
        if times:
            results.first.append(times[0])
        results.between += [b - a for a, b in zip(times, times[1:])]
        if right and text != right[i]:
            results.wrong.append(i)


async def nuisance(port, a, results, until):
    while time.monotonic() < until:
        kind = random.random()
        try:
            if kind < 0.3:
                await ask(port, body_of(random.randrange(32), a.tokens), slow=0.3)
            elif kind < 0.7:
                await ask(port, body_of(random.randrange(32), a.tokens), leave_after=random.randrange(8))
            else:
                await garbage(port)
        except (Gone, ConnectionError, asyncio.IncompleteReadError):
            pass
        results.others += 1
        await asyncio.sleep(0.05)


def held(pid):
    """Resident bytes and threads of a process."""
    with open(f"/proc/{pid}/status") as f:
        lines = dict(line.split(":", 1) for line in f)
    return int(lines["VmRSS"].split()[0]) * 1024, int(lines["Threads"])


async def watch(pid, memory, until):
    while time.monotonic() < until:
        memory.append(held(pid)[0])
        await asyncio.sleep(1)


async def load(a, pid):
    right = None
    if not a.unchecked:
        right = [await ask(a.port, body_of(i, a.tokens)) for i in range(32)]
    await asyncio.gather(*(ask(a.port, body_of(i % 32, a.tokens)) for i in range(a.streams)))  # warm
    results, memory, until = Results(), [], time.monotonic() + a.seconds
    work = [client(a.port, right, a, results, until) for _ in range(a.streams)]
    if not a.quiet_clients:
        work += [nuisance(a.port, a, results, until) for _ in range(8)]
    start = time.monotonic()
    await asyncio.gather(*work, watch(pid, memory, until))
    seconds = time.monotonic() - start
    tenth = max(1, len(memory) // 10)
    q = lambda v, p: sorted(v)[min(len(v) - 1, int(p * len(v)))] if v else 0
    return {"streams": a.streams, "seconds": round(seconds, 1), "answers": results.answers, "nuisances": results.others,
            "lost": len(results.lost), "wrong": len(results.wrong), "checked": right is not None,
            "tokens_per_second": round(results.tokens / seconds, 1),
            "first_mean": round(statistics.mean(results.first or [0]), 3), "first_95": round(q(results.first, 0.95), 3),
            "between_mean": round(statistics.mean(results.between or [0]), 4), "between_95": round(q(results.between, 0.95), 4),
            "between_max": round(max(results.between or [0]), 3),
            "memory_mib_early": round(max(memory[tenth:2 * tenth] or [0]) / 2**20, 1),
            "memory_mib_late": round(max(memory[-tenth:]) / 2**20, 1), "threads": held(pid)[1],
            "examples": (results.lost + [f"{i}: another answer" for i in results.wrong])[:5]}


async def idle(a, pid):
    """Streams that wait for their turn: what a connection costs."""
    before = held(pid)
    data = json.dumps(body_of(0, 100000) | {"ignore_eos": True, "max_tokens": 1000}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data)
    open_ones = []
    for _ in range(a.idle):
        reader, writer = await asyncio.open_connection("127.0.0.1", a.port)
        writer.write(head + data)
        open_ones.append((reader, writer))
    await asyncio.sleep(12)
    after = held(pid)
    start = time.monotonic()
    urllib.request.urlopen(f"http://127.0.0.1:{a.port}/health").read()
    health = time.monotonic() - start
    for _, writer in open_ones:
        writer.close()
    return {"idle": a.idle, "threads_before": before[1], "threads": after[1], "memory_mib_before": round(before[0] / 2**20, 1),
            "memory_mib": round(after[0] / 2**20, 1), "kib_each": round((after[0] - before[0]) / 1024 / a.idle, 1),
            "health_seconds": round(health, 4)}


def wait_ready(port, process):
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
            return
        except OSError:
            time.sleep(0.1)
        if process.poll() is not None:
            break
    raise SystemExit("the server does not come up")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--streams", type=int, default=64)
    p.add_argument("--seconds", type=float, default=300)
    p.add_argument("--tokens", type=int, default=64)
    p.add_argument("--port", type=int, default=8090)
    p.add_argument("--idle", type=int, default=0)
    p.add_argument("--quiet-clients", action="store_true", help="no slow readers, vanishing clients and garbage")
    p.add_argument("--unchecked", action="store_true", help="do not compare with answers alone")
    p.add_argument("--json", action="store_true")
    p.add_argument("command", nargs="+")
    a = p.parse_args()
    command = a.command + (["--port", str(a.port)] if os.path.basename(a.command[0]) == "carat" else [])
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_ready(a.port, process)
        result = asyncio.run(idle(a, process.pid) if a.idle else load(a, process.pid))
        process.send_signal(signal.SIGTERM)
        result["exit"] = process.wait(60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if a.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:20} {value}")
    return 1 if result.get("wrong") or result.get("lost") else 0


if __name__ == "__main__":
    sys.exit(main())

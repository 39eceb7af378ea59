"""A server of the Model Context Protocol that behaves, or misbehaves as it is told. Usage: fake_mcp.py [HOW ...]

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import signal
import sys
import time

HOW = set(sys.argv[1:])
OUT = sys.stdout.buffer
CALLS = 0


def option(name, otherwise=None):
    """The value of HOW's name=value."""
    return next((h.split("=", 1)[1] for h in HOW if h.startswith(name + "=")), otherwise)


def write(line):
    OUT.write(line if isinstance(line, bytes) else line.encode() + b"\n")
    OUT.flush()


def send(**message):
    write(json.dumps({"jsonrpc": "2.0", **message}))


def read():
    line = sys.stdin.readline()
    if not line:
        if "stays" in HOW:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        if option("leaves"):
            with open(option("leaves"), "w") as f:
                f.write("left")
        sys.exit(0)
    message = json.loads(line)
    if option("log"):
        with open(option("log"), "a") as f:
            f.write(line)
    return message


def be_quiet():
    """Answers nothing, and leaves when its input closes."""
    sys.stdin.read()
    sys.exit(0)


def ask(method, id="s1"):
    """A request of ours; what comes for it is written to stderr."""
    send(id=id, method=method)
    answer = read()
    assert answer["id"] == id, answer
    return answer


def tool(name, schema=None, **more):
    return {"name": name, "description": f"The tool {name}",
            "inputSchema": schema or {"type": "object", "properties": {"x": {"type": "number", "multipleOf": 0.1}}}, **more}


TOOLS = [tool(option("tool", "echo")), tool("fails"), tool("weather in"), tool("only-task", execution={"taskSupport": "required"})]


def initialize(m):
    asked = m["params"]["protocolVersion"]
    if "old-refuses" in HOW and asked != "2024-11-05":
        send(id=m["id"], error={"code": -32602, "message": "Unsupported protocol version",
                                "data": {"supported": ["1999-01-01", "2024-11-05"], "requested": asked}})
        return
    version = option("version", asked)
    send(id=m["id"], result={"protocolVersion": version, "serverInfo": {"name": option("name", "fake"), "version": "1"},
                             "capabilities": {} if "no-tools" in HOW else {"tools": {"listChanged": True}}})


def list_tools(m):
    cursor = m.get("params", {}).get("cursor")
    if "pages" in HOW:
        i = int(cursor or 0)
        send(id=m["id"], result={"tools": [TOOLS[i]], **({"nextCursor": str(i + 1)} if i + 1 < len(TOOLS) else {})})
    elif "endless-pages" in HOW:
        send(id=m["id"], result={"tools": [], "nextCursor": "again"})
    elif "many" in HOW:
        send(id=m["id"], result={"tools": [tool(f"t{i}") for i in range(int(option("tools", 600)))]})
    elif "no-list" in HOW:
        send(id=m["id"], result={"tools": 5})
    elif "no-schema" in HOW:
        send(id=m["id"], result={"tools": [{"name": "x"}]})
    elif "unfit" in HOW:
        send(id=m["id"], result={"tools": [{"name": "bare"}, "x", 5, {"inputSchema": {}}, {**tool("n"), "name": "a\0b"},
                                           {**tool("echo"), "description": "one\0two"}, tool("listed"), tool("listed"),
                                           *({"name": f"none{i}"} for i in range(20))]})
    elif "big-schemas" in HOW:
        send(id=m["id"], result={"tools": [tool(f"t{i}", {"type": "object", "description": "x" * 300000}) for i in range(5)]})
    elif "odd-schema" in HOW:
        send(id=m["id"], result={"tools": [tool("echo"), tool("odd", {"type": "string"})]})
    elif "twice" in HOW:
        send(id=m["id"], result={"tools": [tool("echo"), tool("echo")]})
    else:
        send(id=m["id"], result={"tools": TOOLS[:1] if CALLS else TOOLS})


def text(s):
    return {"type": "text", "text": s}


RESULTS = {
    "plain": {"content": [text("hello"), text("world")]},
    "structured": {"content": [], "structuredContent": {"a": 0.1}},
    "both": {"content": [text('{"a": 0.1}')], "structuredContent": {"a": 0.1}},
    "wrapped": {"content": [text("7")], "structuredContent": {"result": 7}},
    "differ": {"content": [text("sunny")], "structuredContent": {"t": 20}},
    "parts": {"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"},
                          {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
                          {"type": "resource_link", "uri": "file:///x", "name": "x"},
                          {"type": "resource", "resource": {"uri": "file:///y", "text": "the text"}},
                          {"type": "resource", "resource": {"uri": "file:///z", "blob": "AAAA", "mimeType": "a/b"}},
                          {"type": "hologram"}]},
    "error": {"content": [text("it did not work")], "isError": True},
    "error-json": {"content": [text('{"why":1}')], "isError": True},
    "empty": {},
    "odd": {"content": 5},
    "nul": {"content": [text("a\0b"), {"type": "resource", "resource": {"uri": "u\0v", "text": "c\0d"}}, {"type": "x\0y"},
                        {"type": "image", "data": "AAAA", "mimeType": "m\0n"}, {"type": "text\0"}]},
    "nul-error": {"content": [text("a\0b")], "isError": True},
    "nul-wrapped": {"content": [text("a\0b")], "structuredContent": {"result": "a\0b"}},
    "nul-both": {"content": [text('{"x": "a\\u0000b"}')], "structuredContent": {"x": "a\0b"}},
    "string": {"content": "sunny"},
    "no-text": {"content": [{"type": "text"}, {"type": "text", "text": 5}]},
}


def call(m):
    global CALLS
    CALLS += 1
    how = m["params"]["arguments"].get("how", "echo")
    id = m["id"]
    if how in RESULTS:
        send(id=id, result=RESULTS[how])
    elif how == "echo":
        send(id=id, result={"content": [text(m["params"]["name"] + " " + json.dumps(m["params"]["arguments"]))]})
    elif how == "refuse":
        send(id=id, error={"code": -32602, "message": "Unknown tool"})
    elif how == "null-id":
        send(id=None, error={"code": -32700, "message": "Parse error"})
    elif how == "ping":
        answers = [ask("ping"), ask("ping", 7.5), ask("sampling/createMessage"), ask("roots/list", 3)]
        send(id=id, result={"content": [text(json.dumps(answers))]})
    elif how == "wrong-ids":
        for other in (id + 1, id - 1, 0, -5, str(id), [id], {"a": 1}, True):
            send(id=other, result={"content": [text("wrong")]})
        send(id=id, result={"content": [text("right")]})
    elif how == "twice":
        send(id=id, result={"content": [text("first")]})
        send(id=id, result={"content": [text("second")]})
    elif how == "noise":
        write("listening on standard output ...")
        write("\x1b[31mred\x1b[0m")
        write("")
        write("5")
        write('"text"')
        write("null")
        write('{"jsonrpc": "2.0"}')
        write(b"\xff\xfe\n")
        send(id=id, result={"content": [text("after noise")]})
    elif how == "batch":
        write(json.dumps([{"jsonrpc": "2.0", "method": "notifications/progress", "params": {}},
                          {"jsonrpc": "2.0", "id": id, "result": {"content": [text("of a batch")]}}]))
    elif how == "pieces":
        for c in json.dumps({"jsonrpc": "2.0", "id": id, "result": {"content": [text("é")]}}, ensure_ascii=False).encode():
            OUT.write(bytes([c]))
            OUT.flush()
        write("")
    elif how == "logs":
        for i in range(20):
            send(method="notifications/message", params={"level": "error" if i % 2 else "info", "data": f"message {i}\x1b[2J"})
        send(id=id, result={"content": [text("done")]})
    elif how == "changes":
        send(method="notifications/tools/list_changed")
        send(id=id, result={"content": [text("done")]})
    elif how == "broken-json":
        write('{"jsonrpc": "2.0", "id": %d, "result": {"content": [' % id)
    elif how == "huge-id":
        write('{"jsonrpc": "2.0", "id": 123456789012345678901234567890, "result": {}}')
    elif how == "no-result":
        send(id=id, result=None)
    elif how == "list-result":
        send(id=id, result=[])
    elif how == "silence":  # and stays when it is asked to leave
        time.sleep(60)
    elif how == "quiet":
        be_quiet()
    elif how == "late":
        time.sleep(0.7)
        send(id=id, result={"content": [text("late")]})
    elif how == "flood":
        while True:
            OUT.write(b'{"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}\n' * 100)
    elif how == "ping-flood":
        while True:
            OUT.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n' * 100)
    elif how == "long-line":
        while True:
            OUT.write(b"[" + b" " * (1 << 20))
    elif how == "dies":
        sys.stderr.write("the reason\x1b[2J\nis this\n")
        sys.exit(3)
    elif how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "half":
        write(b'{"jsonrpc": "2.0", "id"')
        sys.exit(0)
    elif how == "big":
        send(id=id, result={"content": [text("x" * (4 << 20))]})
    elif how == "stderr":
        sys.stderr.write("much\n" * 100000)
        sys.stderr.flush()
        send(id=id, result={"content": [text("said much")]})
    elif how == "cancelled?":
        send(id=id, result={"content": [text(json.dumps(CANCELLED))]})
    elif how == "closes":
        os.close(1)
        time.sleep(60)


CANCELLED = []


def main():
    if option("start") == "dies":
        sys.exit("cannot start: no key")
    if option("start") == "quiet":
        be_quiet()
    if option("start") == "noise":
        write("Welcome to the server!")
    while True:
        m = read()
        method = m.get("method")
        if method == "notifications/cancelled":
            CANCELLED.append(m["params"])
        if "id" not in m:
            continue
        {"initialize": initialize, "tools/list": list_tools, "tools/call": call}[method](m)


main()

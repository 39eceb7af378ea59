"""Two servers behind HAProxy, in network namespaces, with docs/serve/haproxy.cfg as it stands: under load one is killed, started
again, then asked to stop. Every answer must come, and be the one that a server alone gives.
Usage, as root: try_haproxy.py CARAT MODEL [SECONDS]

SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time

CARAT, MODEL = sys.argv[1:3]
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 20
CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../docs/serve/haproxy.cfg")
PLACES = {"a": "10.77.1", "b": "10.77.2"}
PORT = 8000  # of the frontend in the configuration
CLIENTS, QUESTIONS = 12, 24


def sh(*words):
    subprocess.run(words, check=True)


def make_places():
    for name, net in PLACES.items():
        sh("ip", "netns", "add", "carat-" + name)
        sh("ip", "link", "add", "carat-" + name, "type", "veth", "peer", "name", "eth0", "netns", "carat-" + name)
        sh("ip", "addr", "add", net + ".1/24", "dev", "carat-" + name)
        sh("ip", "link", "set", "carat-" + name, "up")
        for words in ("addr", "add", net + ".2/24", "dev", "eth0"), ("link", "set", "eth0", "up"), ("link", "set", "lo", "up"):
            sh("ip", "-n", "carat-" + name, *words)


def drop_places():
    for name in PLACES:
        subprocess.run(["ip", "netns", "del", "carat-" + name], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "del", "carat-" + name], stderr=subprocess.DEVNULL)


def start(name):
    return subprocess.Popen(["ip", "netns", "exec", "carat-" + name, CARAT, "serve", MODEL, "--listen", "*", "--log", "none",
                             "-t", "1", "-c", "1024"], stderr=subprocess.DEVNULL)


def ask(host, port, body, timeout=120):
    c = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        c.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        r = c.getresponse()
        data = r.read()
        return r.status, data
    finally:
        c.close()


def text_of(data, streams):
    if not streams:
        return json.loads(data)["choices"][0]["message"]["content"]
    lines = [l[6:] for l in data.decode().split("\n") if l.startswith("data: ")]
    assert lines[-1] == "[DONE]", lines[-1:]
    return "".join(c["delta"].get("content") or "" for l in lines[:-1] for c in json.loads(l)["choices"])


def question(i):
    return {"messages": [{"role": "user", "content": f"Question {i}: tell me about the number {i * 37}."}], "seed": i,
            "max_tokens": 24 + i % 24, "temperature": 1.0}


def wait_ready(host, port=8080, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            c = http.client.HTTPConnection(host, port, timeout=1)
            c.request("GET", "/ready")
            if c.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{host}:{port} is not ready")


class Load:
    def __init__(self, right, streams):
        self.right, self.streams, self.ends = right, streams, False
        self.done, self.faults = 0, []
        self.threads = [threading.Thread(target=self.work, args=(k,)) for k in range(CLIENTS)]
        for t in self.threads:
            t.start()

    def work(self, k):
        i = k
        while not self.ends:
            i = (i + 5) % QUESTIONS
            try:
                status, data = ask("127.0.0.1", PORT, question(i) | {"stream": self.streams})
                if status != 200:
                    self.faults.append(f"{i}: status {status}: {data[:200]}")
                elif text_of(data, self.streams) != self.right[i]:
                    self.faults.append(f"{i}: another answer")
                self.done += 1
            except Exception as e:
                self.faults.append(f"{i}: {type(e).__name__}: {e}")

    def end(self):
        self.ends = True
        for t in self.threads:
            t.join()
        return self.done, self.faults


def scene(title, right, streams, how):
    load = Load(right, streams)
    time.sleep(SECONDS / 4)
    how()
    time.sleep(3 * SECONDS / 4)
    done, faults = load.end()
    print(f"{title}: {done} answers, {len(faults)} lost or changed", flush=True)
    for f in faults[:5]:
        print("  " + f)
    return not faults and done > 0


def main():
    drop_places()
    make_places()
    servers = {name: start(name) for name in PLACES}
    proxy = None
    try:
        for net in PLACES.values():
            wait_ready(net + ".2")
        right = [text_of(ask("10.77.1.2", 8080, question(i))[1], False) for i in range(QUESTIONS)]
        proxy = subprocess.Popen(["haproxy", "-f", CONFIG, "-db"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_ready("127.0.0.1", PORT)

        def kill():
            servers["b"].send_signal(signal.SIGKILL)
            subprocess.run(["ip", "netns", "pids", "carat-b"], capture_output=True)
            servers["b"].wait()

        def drain():
            servers["a"].send_signal(signal.SIGTERM)

        ok = scene("kill -9 of one, whole answers", right, False, kill)
        servers["b"] = start("b")
        wait_ready("10.77.2.2")
        time.sleep(2)
        ok = scene("kill -TERM of one, streamed answers", right, True, drain) and ok
        code = servers["a"].wait(60)
        print(f"the server that was asked to stop: exit code {code}")
        return 0 if ok and code == 0 else 1
    finally:
        for p in [*servers.values(), proxy]:
            if p and p.poll() is None:
                p.kill()
                p.wait()
        drop_places()


if __name__ == "__main__":
    sys.exit(main())

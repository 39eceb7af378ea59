"""GET /metrics by the rules of its format, and the routes of llama-server, vLLM and decisions from outside.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import base64
import math
import os
import re
import unittest

from served import Case, SIGHT, Server, TINY, at_once, main

NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r"[a-zA-Z_][a-zA-Z0-9_]*"
HEAD = re.compile(rf"# (HELP|TYPE) ({NAME}) (.*)")
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
PAIR = re.compile(rf'({LABEL})="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')


def number(text):
    return math.inf if text == "+Inf" else float(text)


def labels_of(text):
    labels, at = {}, 0
    while at < len(text or ""):
        m = PAIR.match(text, at)
        assert m and m.group(1) not in labels, text
        labels[m.group(1)] = re.sub(r"\\(.)", lambda e: "\n" if e.group(1) == "n" else e.group(1), m.group(2))
        at = m.end()
    return labels


def parse(text):
    """{family: (type, [(name, labels, value)])}, or an AssertionError: what Prometheus would refuse or misread."""
    families, seen, current = {}, set(), None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        head = HEAD.fullmatch(line)
        if head and head.group(1) == "HELP":
            current = head.group(2)
            assert current not in families and head.group(3), f"{current} twice, or without help"
            families[current] = [None, []]
        elif head:
            assert head.group(2) == current and families[current] == [None, []], f"TYPE not behind its HELP: {line}"
            assert head.group(3) in ("counter", "gauge", "histogram"), line
            families[current][0] = head.group(3)
        else:
            m = SAMPLE.fullmatch(line)
            assert m, line
            name, labels, value = m.group(1), labels_of(m.group(2)), number(m.group(3))
            kind = families[current][0]
            ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            assert name in [current + e for e in ends], f"{name} among the samples of {current}"
            key = (name, tuple(sorted(labels.items())))
            assert key not in seen, f"{line}: twice"
            assert kind == "gauge" or value >= 0, line
            assert kind != "counter" or ":" in name or name.endswith("_total"), name
            seen.add(key)
            families[current][1].append((name, labels, value))
    for family, (kind, samples) in families.items():
        if kind == "histogram":
            check_histogram(family, samples)
    return families


def check_histogram(family, samples):
    by = {}
    for name, labels, value in samples:
        rest = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        of = by.setdefault(rest, {"bucket": [], "sum": [], "count": []})
        of[name[len(family) + 1:]].append((number(labels["le"]), value) if "le" in labels else value)
    for rest, of in by.items():
        limits, counts = zip(*of["bucket"])
        assert list(limits) == sorted(set(limits)) and limits[-1] == math.inf, (family, limits)
        assert list(counts) == sorted(counts), (family, counts)
        assert of["count"] == [counts[-1]] and len(of["sum"]) == 1, (family, rest)


def value(families, name, **labels):
    return sum(v for n, l, v in families[name if name in families else name.rsplit("_", 1)[0]][1]
               if n == name and labels.items() <= l.items())


CHAT = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 6, "seed": 1, "ignore_eos": True}


class Metrics(Case):
    def scrape(self):
        r = self.server.get("/metrics")
        self.assertEqual((r.status, r.headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        return parse(r.body.decode())

    def test_requests_are_counted_by_route_and_status(self):
        before = self.scrape()
        self.assertEqual(self.server.post("/v1/chat/completions", CHAT).status, 200)
        self.assertEqual(self.server.post("/v1/chat/completions", {}).status, 400)
        self.assertEqual(self.server.get('/"x\\y').status, 404)
        after = self.scrape()
        grown = lambda name, **labels: value(after, name, **labels) - (value(before, name, **labels) if name in before else 0)
        chat = {"route": "/v1/chat/completions", "method": "POST"}
        self.assertEqual(grown("carat_requests_total", status="200", **chat), 1)
        self.assertEqual(grown("carat_requests_total", status="400", **chat), 1)
        self.assertEqual(grown("carat_requests_total", status="404", route="other"), 1)
        self.assertEqual(grown("carat_requests_total", route="/metrics"), 1)
        self.assertEqual(value(after, "carat_requests_open"), 0)

    def test_answers_are_counted(self):
        before = self.scrape()
        usage = self.server.post("/v1/chat/completions", CHAT | {"n": 2}).json()["usage"]
        after = self.scrape()
        for name, more in (("carat_generated_tokens_total", usage["completion_tokens"]),
                           ("carat_prompt_tokens_total", usage["prompt_tokens"]),
                           ("carat_time_to_first_token_seconds_count", 1), ("carat_request_seconds_count", 1),
                           ("carat_queue_seconds_count", 1),
                           ("carat_time_between_tokens_seconds_count", usage["completion_tokens"] - 2),
                           ("carat_answers_done_total", 2)):
            old = value(before, name, model="tiny-text") if name in before or name.rsplit("_", 1)[0] in before else 0
            self.assertEqual(value(after, name, model="tiny-text") - old, more, name)
        self.assertGreater(value(after, "carat_kv_reserved_bytes"), value(after, "carat_kv_used_bytes"))
        self.assertGreater(value(after, "carat_resident_memory_bytes"), 1 << 20)
        self.assertEqual(value(after, "carat_build_info"), 1)
        self.assertGreater(value(after, "carat_engine_busy_seconds_total"), 0)

    def test_a_client_that_leaves_is_counted(self):
        before = value(self.scrape(), "carat_requests_cancelled_total")
        s = self.server.raw(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 91\r\n\r\n"
                            + b'{"prompt": "a", "max_tokens": 3000, "ignore_eos": true, "stream": true, "seed": 1'.ljust(90) + b"}")
        s.recv(100)
        s.close()
        for _ in range(2000):
            after = self.scrape()
            if value(after, "carat_requests_cancelled_total") > before:
                break
        self.assertEqual(value(after, "carat_requests_cancelled_total"), before + 1)

    def test_names_of_other_servers(self):
        for names, wanted in (("llamacpp", ["llamacpp:prompt_tokens_total", "llamacpp:tokens_predicted_total", "llamacpp:requests_processing",
                                            "llamacpp:requests_deferred", "llamacpp:n_decode_total", "llamacpp:n_busy_slots_per_decode"]),
                              ("vllm", ["vllm:num_requests_waiting", "vllm:num_requests_running", "vllm:kv_cache_usage_perc",
                                        "vllm:lora_requests_info", "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds",
                                        "vllm:e2e_request_latency_seconds", "vllm:request_queue_time_seconds", "vllm:prompt_tokens_total",
                                        "vllm:generation_tokens_total", "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total"])):
            s = Server("--metric-names", names)
            s.post("/v1/chat/completions", CHAT)
            families = parse(s.get("/metrics").body.decode())
            for name in wanted:
                self.assertTrue(families[name][1], name)
            if names == "vllm":
                self.assertEqual(value(families, "vllm:generation_tokens_total", model_name="tiny-text"), 6)
            else:
                self.assertEqual(value(families, "llamacpp:tokens_predicted_total"), 6)
            self.assertEqual(s.stop(), 0)

    def test_while_answers_are_generated(self):
        work = lambda i: self.scrape() if i % 2 else self.server.post("/v1/completions", {"prompt": "a", "max_tokens": 60, "ignore_eos": True})
        self.assertEqual([r.status for r in at_once(6, work)[::2]], [200] * 3)

    def test_names_that_need_escapes(self):
        name = 'a "b" \\ c'
        s = Server(model=name + "=" + TINY)
        s.post("/v1/completions", {"prompt": "a", "max_tokens": 2})
        self.assertEqual(value(parse(s.get("/metrics").body.decode()), "carat_request_seconds_count", model=name), 1)
        self.assertEqual(s.stop(), 0)


class Natives(Case):
    model = SIGHT

    def test_what_llama_servers_clients_ask(self):
        s = self.server
        props = s.get("/props").json()
        self.assertTrue(props["modalities"]["vision"])
        slots = s.get("/slots").json()
        self.assertEqual((len(slots), [x["is_processing"] for x in slots]), (props["total_slots"], [False] * len(slots)))
        self.assertEqual(s.get("/slots?fail_on_no_slot=1").status, 200)
        self.assertEqual(s.get("/models").json(), s.get("/v1/models").json())
        self.assertEqual(s.get("/v1/models").json()["data"][0]["status"], {"value": "loaded"})
        tokens = s.post("/tokenize", {"content": "a red star"}).json()["tokens"]
        self.assertEqual(s.post("/detokenize", {"tokens": tokens}).json()["content"], "a red star")
        prompt = s.post("/apply-template", {"messages": CHAT["messages"]}).json()["prompt"]
        r = s.post("/completion", {"prompt": prompt, "n_predict": 3, "mood": 1})
        usage = s.post("/v1/chat/completions", CHAT).json()["usage"]["prompt_tokens"]
        self.assertEqual((r.json()["tokens_evaluated"], r.headers["x-carat-ignored"]), (usage, "mood"))
        self.assertEqual(s.post("/v1/chat/completions/input_tokens", CHAT).json()["input_tokens"], usage)
        self.assertEqual((s.get("/lora-adapters").json(), s.post("/lora-adapters", []).json()), ([], {"success": True}))
        self.error(s.post("/lora-adapters", [{"id": 0, "scale": 1}]), 400, "there is no adapter 0")
        self.assertEqual(s.get("/tokenizer_info").json()["bos_token"], "<bos>")
        self.assertEqual(s.post("/tokenize", {"content": "a", "mood": 1}).headers["x-carat-ignored"], "mood")
        with open(os.path.join(SIGHT, "test", "000-0.png"), "rb") as f:
            picture = "data:image/png;base64," + base64.b64encode(f.read()).decode()
        for path, body in ("/carat/weigh", {"model": "270m"}), ("/carat/crops", {"image": picture}):
            self.assertEqual(s.post(path, dict(body, mood=1)).headers["x-carat-ignored"], "mood")
            self.assertEqual(s.post(path, dict(body, mood=1), **{"X-Strict": "1"}).status, 400)

    def test_a_completion_in_a_stream(self):
        r = self.server.post("/completion", {"prompt": "a", "n_predict": 5, "stream": True, "ignore_eos": True})
        self.assertEqual(r.headers["Content-Type"], "text/event-stream")
        self.assertNotIn(b"[DONE]", r.body)
        events = r.events()
        self.assertEqual([e["stop"] for e in events], [False] * (len(events) - 1) + [True])
        self.assertEqual(events[-1]["tokens_predicted"], 5)

    def test_policies(self):
        with open(SIGHT + "/test/000-0.png", "rb") as f:
            image = "data:image/png;base64," + base64.b64encode(f.read()).decode()
        question = {"type": "policy", "policy": "violence"}
        ask = lambda q, **more: self.server.post("/v1/systemone", {"state": "", "images": [image], "questions": {"a": q}, **more})
        got = ask(question).json()["answers"]["a"]
        self.assertEqual((got["type"], got["policy"]), ("policy", "violence"))
        self.assertTrue(0 < got["violates"] < 1)
        self.assertNotEqual(ask({"type": "policy", "policy": "No red stars."}).json()["answers"]["a"]["violates"], got["violates"])
        self.error(ask(question, state="a text"), 400, "must be an empty text")
        self.error(ask(question, images=[]), 400, "about one image")
        for bad in ({"type": "policy"}, {"type": "policy", "policy": "a <b>"}, {"type": "policy", "policy": "a", "instructions": "b"},
                    {"type": "noul", "instructions": "b", "policy": "a"}):
            self.error(ask(bad), 400)

    def test_decisions(self):
        body = {"state": "a red star", "questions": {"is": {"type": "noul", "instructions": "Is it red?"},
                                                      "what": {"type": "choice", "criteria": {"star": None, "hill": "green"}}}}
        alone = self.server.post("/v1/systemone", body).json()
        self.assertEqual((list(alone["answers"]), alone["usage"]["output_tokens"]), (["is", "what"], 0))
        self.assertAlmostEqual(sum(alone["answers"]["what"]["probabilities"].values()), 1)
        busy = {"prompt": "a", "max_tokens": 80, "ignore_eos": True}
        replies = at_once(8, lambda i: self.server.post("/v1/systemone", body) if i % 2 else self.server.post("/v1/completions", busy))
        for r in replies[1::2]:
            self.assertEqual(r.json()["answers"], alone["answers"])
        self.error(self.server.post("/v1/systemone", body | {"stream": True}), 400, "stream", param="stream")

    def test_names_and_addresses_that_are_none(self):
        self.error(self.server.post("/tokenize", {"content": "a", "model": 7}), 400, "an integer", param="model")
        self.error(self.server.post("/tokenize", {"content": "a", "model": "tiny-sight\0evil"}), 400, "NUL", param="model")
        r = self.server.post("/v1/systemone", {"state": "a", "images": ["x"], "questions": {"a": {"type": "noul", "instructions": "b"}}})
        self.error(r, 400, "expected a data: URL", param="images[0]")
        self.assertNotIn(b"null)", r.body)


if __name__ == "__main__":
    main()

"""carat chat with tools: a model that calls, commands and servers that answer. Usage: test_chat_tools.py CARAT DATA [--real]

With --real a trained model calls, the one that $CARAT_TEST_CHAT_MODEL names.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import signal
import sys
import time
import unittest

from models import speaker
from program import TINY, TINY_GGUF, Folder, carat, long, main
from terminal import Terminal

CALL = '{"name": "echo", "parameters": {"x": 1}}'
TWO = '[{"name": "echo", "parameters": {"x": 1}}, {"name": "echo", "parameters": {"x": 2}}]'
DONE = "Done, master."
ANY = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
REAL = os.environ.get("CARAT_TEST_CHAT_MODEL") if "--real" in sys.argv else None
FAKE = "%s -S -E '%s'" % (sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_mcp.py"))
PYTHON = os.path.basename(sys.executable)


class Case(Folder):
    def model(self, *texts):
        return speaker(TINY_GGUF, self.path("speaker.gguf"), *texts)

    def tools(self, command=("cat",), name="echo", parameters=ANY, **more):
        """A file with one tool."""
        self.n_files = getattr(self, "n_files", 0) + 1
        return self.path(f"tools{self.n_files}.json", json.dumps([{"name": name, "description": "gives back what it is given",
                                                    "parameters": parameters, "command": list(command), **more}]).encode())

    def chat(self, model, *args, stdin=b"hello\n", **kw):
        r = carat("chat", model, "-t", "1", "-c", "4000", *args, stdin=stdin, **kw)
        return r, r.stdout.decode(), r.stderr.decode()

    def turns(self, path):
        """The messages of a saved session."""
        with open(path, "rb") as f:
            data = f.read()
        note = json.JSONDecoder().raw_decode(data[data.index(b'{"system"'):].decode("latin-1"))[0]
        return note["turns"]


class Loop(Case):
    def test_a_call_is_run_and_its_result_answered(self):
        """A model that may call or speak, with other draws until it has done first the one and then the other."""
        model, tools, session = self.model(CALL, DONE), self.tools(), self.path("s.carat")
        for seed in range(200):
            if os.path.exists(session):
                os.remove(session)
            r, out, err = self.chat(model, "--tools", tools, "--yes", "--seed", str(seed), "--session", session)
            self.assertEqual(r.returncode, 0, err)
            if err.count("call: ") == 1 and out == DONE + "\n":
                break
        else:
            self.fail("no seed calls once and then speaks")
        self.assertIn('call: echo {"x":1}\nresult: {"x":1}\n', err)
        user, call, result, answer = self.turns(session)
        self.assertEqual([t["role"] for t in (user, call, result, answer)], ["user", "assistant", "tool", "assistant"])
        self.assertEqual(call["calls"], [{"id": "call_1", "name": "echo", "arguments": '{"x":1}'}])
        self.assertEqual((result["call_id"], result["name"], result["content"]), ("call_1", "echo", [{"text": '{"x":1}'}]))
        self.assertEqual(answer["content"], [{"text": DONE}])
        r, out, err = self.chat(model, "--session", session, "--show-prompt", stdin=b"and then?\n/undo\n")
        self.assertEqual(r.returncode, 0, err)
        self.assertIn('<start_of_turn>model\n' + CALL + '<end_of_turn>', err)
        self.assertIn('Results:\n[{"name":"echo","result":{"x":1}}]<end_of_turn>', err)
        self.assertEqual(len(self.turns(session)), 4)

    def test_declarations_stand_in_the_prompt(self):
        r, _, err = self.chat(self.model(DONE), "--tools", self.tools(), "--yes", "--show-prompt")
        self.assertIn('"name":"echo","description":"gives back what it is given","parameters":' +
                      json.dumps(ANY, separators=(",", ":")), err)

    def test_rounds_end_and_it_says_so(self):
        session = self.path("s.carat")
        r, out, err = self.chat(self.model(CALL), "--tools", self.tools(), "--yes", "--temp", "0", "--max-rounds", "2", "--session", session)
        self.assertEqual((r.returncode, out), (0, ""), err)
        self.assertEqual(err.count('result: {"x":1}'), 2)
        self.assertIn("after 2 rounds of calls no more are run", err)
        turns = self.turns(session)
        self.assertEqual([t["role"] for t in turns], ["user"] + ["assistant", "tool"] * 3)
        self.assertEqual(turns[-1]["content"][0]["text"], '{"error":"too many rounds of calls: it was not run"}')
        self.assertEqual([t["calls"][0]["id"] for t in turns[1::2]], ["call_1", "call_2", "call_3"])

    def test_an_exchange_is_undone_and_retried_as_one(self):
        session = self.path("s.carat")
        r, _, err = self.chat(self.model(CALL), "--tools", self.tools(), "--yes", "--temp", "0", "--max-rounds", "1", "--session", session,
                              stdin=b"one\ntwo\n/undo\n/retry\n")
        self.assertEqual(r.returncode, 0, err)
        self.assertEqual([t["role"] for t in self.turns(session)], ["user"] + ["assistant", "tool"] * 2)
        self.assertEqual(self.turns(session)[0]["content"], [{"text": "one"}])
        self.assertEqual(err.count("call: "), 6)
        self.assertIn("5 messages are left", err)

    def test_several_calls_are_run_in_order(self):
        r, _, err = self.chat(self.model(TWO), "--tools", self.tools(), "--yes", "--temp", "0", "--max-rounds", "1")
        self.assertIn('call: echo {"x":1}\nresult: {"x":1}\ncall: echo {"x":2}\nresult: {"x":2}\n', err)

    @long
    def test_a_command_that_fails_or_takes_too_long_is_a_result(self):
        model, gone = self.model(CALL), self.path("gone", b"#!/nonexistent/interpreter\n")
        os.chmod(gone, 0o755)
        for command, more, says in (
            (["sh", "-c", "echo out; echo why >&2; exit 3"], {}, '{"error":"exit status 3","output":"out","stderr":"why\\n"}'),
            (["sleep", "50"], {"timeout": 0.3}, '{"error":"it was not done within 0.3 seconds and was ended"}'),
            ([gone], {}, '{"error":"%s: cannot be started: No such file or directory"}' % gone),
        ):
            r, _, err = self.chat(model, "--tools", self.tools(command, **more), "--yes", "--temp", "0", "--max-rounds", "1")
            self.assertEqual(r.returncode, 0, err)
            self.assertIn("result: " + says + "\n", err)
            self.assertNotIn("carat: %s: cannot" % gone, err)
        r, _, err = self.chat(model, "--tools", self.tools([gone]), "--yes", "-q", "--temp", "0", "--max-rounds", "1")
        self.assertEqual(err.count(f"carat: {gone}: cannot be started"), 1)  # nothing else says it

    @long
    def test_a_long_result_leaves_room_in_the_context(self):
        session = self.path("s.carat")
        r, _, err = self.chat(self.model(CALL), "--tools", self.tools(["sh", "-c", "head -c 5000 /dev/zero | tr '\\0' x"]), "--yes",
                              "--temp", "0", "--max-rounds", "1", "--session", session)
        self.assertEqual(r.returncode, 0, err)
        self.assertIn("(the result is cut to 3000 of 5000 bytes)", err)
        text = self.turns(session)[2]["content"][0]["text"]
        self.assertEqual(text, "x" * 3000 + "\n[cut: the first 3000 of 5000 bytes]")

    @long
    def test_old_exchanges_are_left_out_whole(self):
        """Never a call without its result, nor a result without its question."""
        model, tools, session = self.model(CALL), self.tools(), self.path("s.carat")
        r, _, err = self.chat(model, "--tools", tools, "--yes", "--temp", "0", "--max-rounds", "1", "--session", session, "-c", "1100",
                              "--trim", stdin=b"".join(b"message %d\n" % i for i in range(8)))
        self.assertEqual(r.returncode, 0, err)
        self.assertIn("(5 oldest messages left out", err)
        roles = [t["role"] for t in self.turns(session)]
        exchange = ["user"] + ["assistant", "tool"] * 2
        self.assertEqual(roles, exchange * (len(roles) // 5))

    def test_an_exchange_that_does_not_fit_is_taken_back(self):
        """Its own calls fill the context: nothing of it stays, and the conversation can go on."""
        session = self.path("s.carat")
        r, _, err = self.chat(self.model(CALL), "--tools", self.tools(), "--yes", "--temp", "0", "--max-rounds", "99", "-c", "800",
                              "--session", session, "--trim", stdin=b"message\n")
        self.assertEqual(r.returncode, 1)
        self.assertIn("(the message, its calls and their results are not kept)", err)
        self.assertFalse(os.path.exists(session))

    def test_what_a_terminal_would_obey_is_shown_as_signs(self):
        r, _, err = self.chat(self.model(CALL), "--tools", self.tools(["printf", "a\\033[2Jb\\000c\\377d"]), "--yes", "--temp", "0",
                              "--max-rounds", "1")
        self.assertEqual(r.returncode, 0, err)
        self.assertIn("result: a?[2Jb\ufffdc\ufffdd\n", err)

    def test_without_tools_calls_are_text(self):
        r, out, err = self.chat(self.model(CALL), "--temp", "0")
        self.assertEqual(out, CALL + "\n")
        self.assertNotIn("call:", err)


class Schemas(Case):
    def test_a_call_satisfies_its_schema(self):
        """The model wants to write 1; the schema says a text."""
        model = self.model(CALL)
        words = {"type": "object", "properties": {"x": {"enum": ["one"]}}, "required": ["x"]}
        r, out, err = self.chat(model, "--tools", self.tools(parameters=words), "--yes", "--temp", "0", "--max-rounds", "1")
        self.assertEqual(r.returncode, 0, err)
        self.assertNotIn('{"x":1}', err)

    def test_what_cannot_be_enforced_is_told_of(self):
        odd = {"type": "object", "properties": {"x": {"type": "integer", "multipleOf": 7}}, "$dynamicRef": "#x"}
        r, _, err = self.chat(self.model(CALL), "--tools", self.tools(parameters=odd), "--yes", "--temp", "0", "--max-rounds", "1")
        self.assertEqual(r.returncode, 0, err)
        self.assertIn("(arguments of echo are any JSON object, not held to its schema:", err)
        self.assertIn('result: {"x":1}', err)


class Servers(Case):
    def server(self, *how):
        return " ".join([FAKE, *how])

    def test_a_servers_tool_is_called(self):
        model = self.model(CALL)
        r, out, err = self.chat(model, "--mcp", self.server(), "--yes", "--temp", "0", "--max-rounds", "1", stdin=b"hello\n/tools\n")
        self.assertEqual(r.returncode, 0, err)
        self.assertIn('result: echo {"x": 1}\n', err)
        self.assertIn("its tool weather in is called weather_in here", err)
        self.assertIn("its tool only-task is left out: it runs as a task only", err)

    def test_shared_names_get_their_servers_in_front(self):
        r, out, err = self.chat(self.model(DONE), "--tools", self.tools(name="fails"), "--mcp", self.server("name=a"), "--mcp",
                                self.server("name='b b'"), "--yes", stdin=b"/tools\n")
        self.assertEqual(r.returncode, 0, err)
        names = [line.split()[0] for line in out.splitlines()]
        self.assertEqual(names, ["fails", "a_echo", "a_fails", "a_weather_in", "b_b_echo", "b_b_fails", "b_b_weather_in"])
        self.assertIn("(b b: its tool echo is called b_b_echo here)", err)

    def test_two_servers_of_one_name_are_told_apart(self):
        r, out, err = self.chat(self.model(DONE), "--mcp", self.server(), "--mcp", self.server(), "--yes", stdin=b"/tools\n")
        names = [line.split()[0] for line in out.splitlines()]
        self.assertEqual(names[:1] + names[3:4], ["fake_echo", "fake_echo_2"])

    def test_what_cannot_be_declared_is_left_out(self):
        r, out, err = self.chat(self.model(DONE), "--mcp", self.server("odd-schema"), "--yes", stdin=b"/tools\n")
        self.assertEqual(r.returncode, 0, err)
        self.assertIn("(fake: its tool odd is left out: ", err)
        self.assertEqual([line.split()[0] for line in out.splitlines()], ["echo"])

    def test_what_is_no_tool_is_left_out_by_its_name(self):
        r, out, err = self.chat(self.model(DONE), "--mcp", self.server("unfit"), "--yes", stdin=b"/tools\n")
        self.assertEqual(r.returncode, 0, err)
        for says in ("bare is left out: it has no inputSchema that is an object", "1 is left out: it is no object", "3 is left out: it has no name",
                     "a is left out: its name has a NUL character", "listed is left out: it is listed twice"):
            self.assertIn("(fake: its tool " + says + ")\n", err)
        self.assertIn("(fake: 18 more of its tools are left out for such reasons)", err)
        self.assertEqual([line.split()[0] for line in out.splitlines()], ["echo", "listed"])

    @long
    def test_more_tools_than_there_may_be(self):
        """The first 128 in all, and a notice for each server that has more."""
        r, out, err = self.chat(self.model(DONE), "--tools", self.tools(name="own"), "--mcp", self.server("many", "tools=100", "name=a"),
                                "--mcp", self.server("many", "tools=600", "name=b"), "--yes", stdin=b"/tools\n")
        self.assertEqual(r.returncode, 0, err)
        names = [line.split()[0] for line in out.splitlines()]
        self.assertEqual(names, ["own"] + [f"a_t{i}" for i in range(100)] + [f"b_t{i}" for i in range(27)])
        self.assertIn("(b: 573 of its tools are left out: there may be 128 in all,", err)
        self.assertNotIn("(a: ", "".join(line for line in err.splitlines() if "left out" in line))
        r, out, err = self.chat(self.model(DONE), "--mcp", self.server("big-schemas"), "--yes", stdin=b"/tools\n")
        self.assertEqual(r.returncode, 0, err)
        self.assertIn("(fake: 2 of its tools are left out: there may be 128 in all, with 1 MiB of", err)
        self.assertEqual([line.split()[0] for line in out.splitlines()], ["t0", "t1", "t2"])

    def test_changes_are_taken_up_between_messages(self):
        r, out, err = self.chat(self.model('{"name": "echo", "parameters": {"how": "changes"}}'), "--mcp", self.server(), "--yes", "--temp",
                                "0", "--max-rounds", "1", stdin=b"hello\n/tools\n")
        self.assertEqual(r.returncode, 0, err)
        self.assertIn("(fake: its tools have changed, it has 1)", err)
        self.assertEqual([line.split()[0] for line in out.splitlines() if line.startswith("  ")], ["echo"])

    def test_a_server_that_dies_is_a_result_and_then_gone(self):
        r, out, err = self.chat(self.model('{"name": "echo", "parameters": {"how": "dies"}}'), "--mcp", self.server(), "--yes", "--temp",
                                "0", "--max-rounds", "1", stdin=b"hello\n/tools\n")
        self.assertEqual(r.returncode, 0, err)
        self.assertIn('result: {"error":"fake: it has ended (exit status 3)"}', err)
        self.assertIn("  fake: the reason?[2J\n  fake: is this\n", err)
        self.assertIn("(fake: its tools are gone)", err)
        self.assertEqual(err.count("it has ended"), 1)
        self.assertIn("no tools", out)

    def test_a_server_that_does_not_start_is_named(self):
        r, out, err = self.chat(self.model(DONE), "--mcp", self.server("start=dies"), "--yes")
        self.assertEqual(r.returncode, 1)
        self.assertIn(f"  {PYTHON}: cannot start: no key\n", err)
        self.assertIn(f"carat: {PYTHON}: it has ended (exit status 1)\n", err)
        r, out, err = self.chat(self.model(DONE), "--mcp", self.server("start=quiet"), "--yes", "--tool-timeout", "0.5")
        self.assertEqual(r.returncode, 1)
        self.assertIn("no answer to initialize within 0.5 seconds", err)


class Refused(Case):
    def test_tools_need_somebody_to_ask(self):
        for tools in (["--tools", self.tools()], ["--mcp", "true"]):
            self.refused("chat", TINY, *tools, code=2, stdin=b"hello\n", says="--yes runs them without asking")

    def test_tools_need_turns(self):
        self.refused("chat", TINY, "--chat-template", "none", "--tools", self.tools(), "--yes", "-q", says="tools need a chat template")

    def test_files_and_commands(self):
        for args, says in (
            (["--tools", "/nonexistent"], "/nonexistent"),
            (["--tools", self.path("bad.json", b"[5]")], "tool 0 is an integer"),
            (["--tools", self.tools(name="two words")], ".json: tool 0: the name 'two words'"),
            (["--tools", self.tools(["no-such-program"])], ".json: tool 'echo': there is no program no-such-program in $PATH"),
            (["--tools", self.tools(parameters={"type": "string"})], "its type is not"),
            (["--mcp", "server | tee log"], "| is for a shell"),
            (["--mcp", "/nonexistent/server"], "/nonexistent/server: cannot be started: No such file"),
        ):
            self.refused("chat", TINY, *args, "--yes", "-q", says=says)
        self.refused("chat", TINY, "--max-rounds", "0", code=2, says="--max-rounds is 0")


class Asking(Case):
    def terminal(self, model, *args):
        t = Terminal(self.dir.name, "--temp", "0", "-c", "4000", *args, model=model)
        self.addCleanup(t.end)
        t.until(b">>> ")
        return t

    def written(self, t, path):
        """Waits for a tool to write a line, and returns it."""
        text, deadline = "", time.monotonic() + 20
        while not text.endswith("\n") and time.monotonic() < deadline:
            t.read(0.05)
            if os.path.exists(path):
                with open(path) as f:
                    text = f.read()
        return text

    def test_each_call_is_asked_for(self):
        t = self.terminal(self.model(CALL), "--tools", self.tools(), "--max-rounds", "3")
        t.type("hello\r")
        self.assertIn('call: echo {"x":1}', t.until(b"run echo (cat)? [y]es, [n]o, [a]lways: "))
        t.type("n\r")
        seen = t.until(b"[a]lways: ")
        self.assertIn('result: {"error":"the user did not allow this call: it was not run"}', seen)
        t.type("y\r")
        self.assertIn('result: {"x":1}', t.until(b"[a]lways: "))
        t.type("a\r")
        self.assertIn("after 3 rounds", t.until(b">>> "))
        t.type("again\r")
        self.assertNotIn("[a]lways", t.until(b">>> "))
        self.assertEqual(t.leave(), 0)

    def test_permission_ends_where_a_server_changes_its_tools(self):
        t = self.terminal(self.model('{"name": "echo", "parameters": {"how": "changes"}}'), "--mcp", FAKE, "--max-rounds",
                          "1")
        t.type("hello\r")
        t.until(b"[a]lways: ")
        t.type("a\r")
        t.until(b">>> ")
        t.type("again\r")
        self.assertIn("its tools have changed", t.until(b"run echo (fake)? [y]es, [n]o, [a]lways: "))
        t.type("n\r")
        t.until(b">>> ")
        self.assertEqual(t.leave(), 0)

    def test_an_interrupt_at_the_question_stops_the_exchange(self):
        t = self.terminal(self.model(TWO), "--tools", self.tools())
        t.type("hello\r")
        t.until(b"[a]lways: ")
        t.type("\x03")
        seen = t.until(b">>> ")
        self.assertIn("the user stopped here: it was not run", seen)
        self.assertIn("the user stopped before it: it was not run", seen)
        self.assertNotIn("leaves", seen)
        t.type("/undo\r")
        self.assertIn("0 messages are left", t.until(b">>> "))
        self.assertEqual(t.leave(), 0)

    def test_an_interrupt_ends_a_tool_and_all_it_started(self):
        pids = self.path("pids")
        t = self.terminal(self.model(CALL), "--yes", "--tools", self.tools(["sh", "-c", f"sleep 60 & echo $! $$ > {pids}; wait"]))
        t.type("hello\r")
        wrote = self.written(t, pids)
        t.type("\x03")
        self.assertIn('\nresult: {"error":"the user stopped it"}', t.until(b">>> "))  # and not behind ^C
        for pid in wrote.split():
            self.assertFalse(running(pid))
        t.type("/show\r")
        t.until(b">>> ")
        self.assertEqual(t.leave(), 0)

    def test_an_interrupt_ends_a_wait_for_a_server(self):
        t = self.terminal(self.model('{"name": "echo", "parameters": {"how": "quiet"}}'), "--yes", "--mcp", FAKE)
        t.type("hello\r")
        t.upto(b"call: echo")
        t.read(0.3)
        t.type("\x03")
        # where it comes before the tool was begun, it says so
        self.assertRegex(t.until(b">>> "), 'result: {"error":"the user stopped (it|before it: it was not run)"}')
        self.assertEqual(t.leave(), 0)

    def test_a_terminal_that_closes_ends_tools(self):
        pids = self.path("pids")
        t = self.terminal(self.model(CALL), "--yes", "--tools", self.tools(["sh", "-c", f"echo $$ > {pids}; sleep 60"]))
        t.type("hello\r")
        wrote = self.written(t, pids)
        os.kill(t.pid, signal.SIGHUP)
        self.assertEqual(t.end(), 129)
        self.assertFalse(running(wrote.strip()))


@unittest.skipUnless(REAL, "no trained model")
class Real(Case):
    """What a model makes of its tools, greedily: it calls, and its answers have what the results say."""

    CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

    def test_it_calls_and_says_what_came_of_it(self):
        tools = self.path("tools.json", json.dumps([
            {"name": "get_time", "description": "Get the local time in a city", "parameters": self.CITY,
             "command": [sys.executable, "-c", "import json, sys; print(json.dumps({'city': json.load(sys.stdin)['city'], 'time': '14:05'}))"]},
            {"name": "get_weather", "description": "Get the weather in a city", "parameters": self.CITY,
             "command": ["sh", "-c", "echo no weather today >&2; exit 3"]}]).encode())
        session = self.path("s.carat")
        ask = b"What time is it in Oslo?\nWhat is the weather in Rome?\nHello!\n"
        r, out, err = self.chat(REAL, "--tools", tools, "--yes", "--temp", "0", "--session", session, stdin=ask, timeout=250)
        self.assertEqual(r.returncode, 0, err)
        self.assertIn('call: get_time {"city":"Oslo"}\nresult: {"city": "Oslo", "time": "14:05"}\n', err)
        self.assertIn('call: get_weather {"city":"Rome"}\nresult: {"error":"exit status 3"', err)
        first, second, third = out.splitlines()
        self.assertIn("14:05", first)
        self.assertIn("did not work", second)
        self.assertEqual([t["role"] for t in self.turns(session)], ["user", "assistant", "tool", "assistant"] * 2 + ["user", "assistant"])
        r, out, err = self.chat(REAL, "--tools", tools, "--yes", "--temp", "0", "--session", session, stdin=b"And in Paris?\n", timeout=250)
        self.assertEqual(r.returncode, 0, err)
        self.assertIn('"city":"Paris"', err)


def running(pid):
    """Does it go on? One that was killed may take a while to notice; one that is dead may wait for a parent to hear of it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] in "ZX":
                    return False
        except OSError:
            return False
        time.sleep(0.05)
    return True


if __name__ == "__main__":
    if "--real" in sys.argv and not REAL:
        print("CARAT_TEST_CHAT_MODEL names no model: skipped")
        sys.exit(77)
    main(defaultTest="Real" if REAL else None)

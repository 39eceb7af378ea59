"""One question to a server that speaks OpenAI's protocol, with a function that it may call; the answer, streamed, as lines.
Usage: ask.py URL QUESTION

SPDX-License-Identifier: Apache-2.0
"""
import json
import sys
import urllib.request

url, question = sys.argv[1:3]
tools = [{"type": "function", "function": {"name": "get_weather", "description": "The weather of a city",
                                           "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
                                                          "required": ["city"]}}}]
body = {"messages": [{"role": "user", "content": question}], "tools": tools, "temperature": 0, "stream": True}
request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
for line in urllib.request.urlopen(request):
    if line.startswith(b"data: {"):
        print("  " + json.dumps(json.loads(line[6:])["choices"][0]["delta"]))

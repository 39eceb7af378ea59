#!/bin/sh
# Shows the real model at work: demo.sh BUILD MODEL CHAT_MODEL.
set -eu
build=$1 model=$2 chat=$3
say() { printf '\n%s\n\n' "$*"; }

prompt="Photosynthesis is the process by which"
say "Gemma 3 270M, a pre-trained model, continues \"$prompt\":"
"$build/carat" run "$model" --temp 0.7 --seed 7 -n 48 -p "$prompt"

sight=tests/golden/data/models/tiny-sight
picture=$sight/test/000-0.png
question="What is in this picture?"
say "

A tiny trained model with vision (tests/golden/data/models/tiny-sight) is shown $picture:"
echo "  $question"
printf '  '
"$build/carat" run "$sight" --temp 0 --image "$picture" -p "$question"

say "

The 270M with an adapter that chats and calls functions; the functions are the commands of examples/tools/tools.json:"
for line in "What time is it in Oslo?" "And what is the weather in Rome?" "What is the weather in Tokyo?" "What is the capital of Norway?"; do
    echo "$line"
done | tee -a /dev/stderr | "$build/carat" chat "$chat" --tools examples/tools/tools.json --yes --temp 0

schema='{"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}, "country": {"enum": ["Norway", "Italy"]}}, "required": ["city", "country"]}'
say "Asked for the capital of Norway, it answers as JSON of a schema, $schema:"
"$build/carat" run "$chat" --temp 0 --json-schema "$schema" "What is the capital of Norway?"

say "

How likely is each of these answers?"
"$build/carat" decide "$chat" "Is Oslo in Norway or in Italy?" --choice "Oslo is in Norway.,Oslo is in Italy."

say "

Served over HTTP, as any program that speaks OpenAI's protocol would ask it:"
log=$(mktemp)
"$build/carat" serve "$chat" --port 0 >"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; rm -f "$log"' EXIT
until grep -q 'is loaded' "$log"; do sleep 0.2; kill -0 "$server"; done
url=$(sed -n 's/^listening on \([^ ]*\).*/\1/p' "$log" | head -1)
echo "POST $url/v1/chat/completions"
python3 scripts/ask.py "$url" "What is the weather in Oslo?"
kill "$server"
wait "$server"
trap 'rm -f "$log"' EXIT

say "Try it yourself:  $build/carat chat $chat
                  $build/carat run $model \"Once upon a time\"
                  $build/carat serve          and http://127.0.0.1:8080 in a browser"

#!/bin/sh
# Clients from their registries drive `carat serve`: test_clients.sh BUILD [NAME]. They are installed in BUILD/clients, in the versions that
# tests/clients/ pins; NAME narrows the tests. Needs Python 3.11 with venv, Node 20 with npm, and the models of `make model`,
# which $CARAT_TEST_MODEL and $CARAT_TEST_CHAT_MODEL name.
set -eu
build=$(cd "$1" && pwd) name=${2:-}
cd "$(dirname "$0")/.."
from=$PWD/tests/clients data=$PWD/tests/golden/data
here=$build/clients
fail() { echo "test-clients: $*" >&2; exit 1; }
command -v npm >/dev/null || fail "npm is missing: apt-get install nodejs npm"
python3 -c 'import venv' 2>/dev/null || fail "venv is missing: apt-get install python3-venv"
for model in "${CARAT_TEST_MODEL:-}" "${CARAT_TEST_CHAT_MODEL:-}"; do
    [ -f "$model" ] || fail "CARAT_TEST_MODEL and CARAT_TEST_CHAT_MODEL must name models: make test-clients does that"
done
mkdir -p "$here"

# FROM COPY COMMAND...: runs the command unless it has succeeded for this file before.
once() {
    list=$1 done=$2
    shift 2
    cmp -s "$list" "$done" && return
    "$@" || fail "$1 failed"
    cp "$list" "$done"
}
environment() {
    [ -x "$here/$1/bin/python" ] || python3 -m venv "$here/$1"
    once "$from/$2" "$here/$1/requirements.txt" "$here/$1/bin/pip" install --quiet --disable-pip-version-check -r "$from/$2"
}
environment python requirements.txt
environment instructor requirements-instructor.txt
cp "$from"/*.mjs "$from/package.json" "$here"
once "$from/package-lock.json" "$here/package-lock.json" sh -c \
    'cp "$1/package-lock.json" "$2" && cd "$2" && npm ci --silent --no-audit --no-fund || { rm -f "$2/package-lock.json"; exit 1; }' npm "$from" "$here"

# Nothing of these tests leaves this machine.
export HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 LITELLM_LOCAL_MODEL_COST_MAP=True OPENAI_AGENTS_DISABLE_TRACING=1 DO_NOT_TRACK=1
unset OPENAI_API_KEY OPENAI_BASE_URL ANTHROPIC_API_KEY ANTHROPIC_BASE_URL OLLAMA_HOST http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY || true
passed=0 failed=
try() {
    case $1 in *"$name"*) ;; *) return 0 ;; esac
    echo "== $1"
    file=$1
    shift
    if "$@"; then passed=$((passed + 1)); else failed="$failed $file"; fi
}
for test in "$from"/test_*.py; do
    python=python
    [ "$(basename "$test")" = test_instructor.py ] && python=instructor
    try "$(basename "$test")" "$here/$python/bin/python" -W ignore::ResourceWarning -W ignore::DeprecationWarning "$test" "$build/carat" "$data"
done
for test in "$here"/*.test.mjs; do
    try "$(basename "$test")" python3 "$from/serving.py" "$build/carat" "$data" node --test --test-reporter=dot "$test"
done
[ "$passed$failed" != 0 ] || fail "no test has '$name' in its name"
set -- $failed
[ $# = 0 ] || echo "failed:$failed"
echo "$passed passed, $# failed"
[ $# = 0 ]

#!/bin/sh
# The chat page in headless Chromium: test-web.sh BUILD. Needs Node with npm, and Chromium (apt-get install chromium, or $CHROMIUM).
set -eu
carat=$(cd "$1" && pwd)/carat
cd "$(dirname "$0")/../web"
command -v npm >/dev/null || { echo "test-web: npm is missing: apt-get install nodejs npm" >&2; exit 1; }
[ -d node_modules/playwright-core ] || npm ci --silent
npm run --silent check
CARAT=$carat exec node --test test/*.test.mjs

#!/bin/sh
# Which room includes which, against the table in docs/ARCHITECTURE.md, and circles of files: scripts/map.py has the rules.
exec python3 "$(dirname "$0")/map.py" "$@"

#!/bin/sh
# Which room includes which, from the #include lines; an arrow that points to a room below itself is marked and fails.
set -eu
order="base quant kernels format tokenizer image model synth kv vision text sample chat engine weigh api"
status=0
level() { n=0; for r in $order; do n=$((n + 1)); [ "$r" = "$1" ] && { echo $n; return; }; done; echo 0; }
for room in $order; do
    [ -d "src/$room" ] || continue
    to=$(grep -rhoE '^#include "[a-z]+/' "src/$room" | sed 's/.*"//; s|/||' | sort -u | grep -vx "$room" || true)
    line=
    for t in $to; do
        if [ "$(level "$t")" -gt "$(level "$room")" ]; then
            line="$line $t(!)"
            status=1
        else
            line="$line $t"
        fi
    done
    printf '%-10s ->%s\n' "$room" "${line:- nothing}"
done
for front in cli examples; do # the public header and base alone
    to=$(grep -rhoE '^#include ["<]([a-z]+/|carat\.h)' "$front" | sed 's/.*["<]//; s|/||' | grep -vx sys | grep -vx editline | sort -u | tr '\n' ' ')
    printf '%-10s -> %s\n' "$front" "$to"
    case " $to " in *' quant '* | *' kernels '* | *' format '* | *' model '* | *' text '* | *' kv '*) status=1 ;; esac
done
[ $status = 0 ] || echo "(!) a room must not include one below it" >&2
exit $status

#!/bin/sh
# `make demo`: the fabric at work, on a real nats-server, in a folder of its own that is gone afterwards.
# Every line that starts with `$` is a command that runs as shown.
set -eu

selvedge=${SELVEDGE_BIN:-$PWD/target/release/selvedge}
folder=$(mktemp -d)
export SELVEDGE_HOME="$folder/.selvedge"
up=

finish() {
    [ -z "$up" ] || { kill "$up" 2>/dev/null && wait "$up" 2>/dev/null; } || true
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$1" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
run() {
    printf '$ selvedge %s\n' "$*"
    "$selvedge" "$@"
}
# What must be refused: the demo fails if it is not, or not with the exit code 5 of a denial.
denied() {
    printf '$ selvedge %s\n' "$*"
    code=0
    "$selvedge" "$@" || code=$?
    [ "$code" -eq 5 ] || { echo "expected a denial (exit code 5), got exit code $code" >&2; exit 1; }
    echo "(denied, as it must be: exit code $code)"
}

say "1. The fabric starts: one process and a child nats-server"
echo '$ selvedge up --port 0 &'
"$selvedge" up --port 0 >"$folder/up.out" 2>"$folder/up.err" &
up=$!
waited=0
until grep -q . "$folder/up.out" 2>/dev/null; do
    kill -0 "$up" 2>/dev/null || { cat "$folder/up.err" >&2; exit 1; }
    waited=$((waited + 1))
    [ "$waited" -lt 300 ] || { echo "not ready after 30 s" >&2; cat "$folder/up.err" >&2; exit 1; }
    sleep 0.1
done
cat "$folder/up.out"
run status

say "2. Three agents of different roles join, each with its own key and session"
run agent register pia --role planner --mission demo --owner person:olga
run agent register walt --role worker --mission demo --owner person:olga
run agent register vera --role verifier --mission demo --owner person:vic
run agent list
run session list --mission demo

say "3. An allowed call, under a session that nats-server has proved"
run call registry.whoami --as walt --mission demo
run call registry.request_open '{"title":"Make sign-in faster"}' --as pia --mission demo

say "4. What a worker may not do, nats-server itself refuses"
denied call registry.request_open '{"title":"My own idea"}' --as walt --mission demo
denied call registry.agent_retire '{"agent":"vera-00000000","reason":"in my way"}' --as walt --mission demo

say "5. An agent is retired: its live session is worth nothing from then on"
run agent retire walt --reason "end of the demo"
denied call registry.whoami --as walt --mission demo

say "6. The ledger: every change, who asked for it, under which session, signed or not"
run log

say "7. The fabric's own checks"
run doctor

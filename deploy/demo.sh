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
denied() { refused 5 "$@"; }
# The same with another exit code: 4 is a conflict.
refused() {
    expected=$1
    shift
    printf '$ selvedge %s\n' "$*"
    code=0
    "$selvedge" "$@" || code=$?
    [ "$code" -eq "$expected" ] || { echo "expected exit code $expected, got $code" >&2; exit 1; }
    echo "(refused, as it must be: exit code $code)"
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

say "5. Two agents, one file: the second is refused and told who holds it, for what, and how long"
git init -q "$folder/shop"
mkdir "$folder/shop/src"
cp "$0" "$folder/shop/src/login.rs"
cd "$folder/shop"
run lease acquire src --as walt --purpose "faster sign-in" --ttl 5m
refused 4 lease acquire src/login.rs --as vera
run lease list
run lease hold docs --as vera -- sh -c 'mkdir -p docs && echo "written under token $SELVEDGE_LEASE_TOKEN" | tee docs/notes'

say "6. What one agent hands over is exactly what the other reads: content by its digest, names with versions"
run artifact put src/login.rs --name research/login --as walt
run artifact get research/login@v1 "$folder/read" --as vera
cmp src/login.rs "$folder/read"
echo "(the same, byte for byte)"
run artifact history research/login --as vera
cd "$folder"

say "7. An agent is retired: its live session is worth nothing from then on, and its leases are free"
run agent retire walt --reason "end of the demo"
denied call registry.whoami --as walt --mission demo
cd "$folder/shop"
run lease acquire src/login.rs --as vera --wait 10s
cd "$folder"

say "8. The ledger: every change, who asked for it, under which session, signed or not"
run log

say "9. The fabric's own checks"
run doctor

#!/bin/sh
# `make demo`: the main job, on a real nats-server and a real git repository, in a folder of its own that is
# gone afterwards (KEEP=1 leaves it). Five agents of different roles change one repository at once, under
# leases, a policy and a person's approval; trouble is made on purpose; the committer is killed in the
# middle. It ends with what became of all of it, and with 0 only if the repository holds exactly what was
# approved. Every line that starts with a name and `$` is a command that runs as shown.
set -eu

selvedge=${SELVEDGE_BIN:-$PWD/target/release/selvedge}
python=${SELVEDGE_PYTHON:-$PWD/target/python/bin/python}
project=$PWD
folder=$(mktemp -d)
export SELVEDGE_HOME="$folder/.selvedge"
# An effect of a committer that died is taken over after this time.
export SELVEDGE_COMMITTER__TAKEOVER_MS=2000
# People and tools around here must not speak into the clones.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
me=olga
processes=

finish() {
    for process in $processes; do kill "$process" 2>/dev/null || true; done
    for process in $processes; do wait "$process" 2>/dev/null || true; done
    if [ -n "${KEEP:-}" ]; then echo "kept: $folder"; else rm -rf "$folder"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$1" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
run() {
    printf 'olga $ selvedge %s\n' "$*"
    "$selvedge" "$@"
}
# starts NAME COMMAND…: in the background, until its first line of output says that it is ready.
starts() {
    name=$1
    shift
    printf 'olga $ selvedge %s &\n' "$*"
    : >"$folder/$name.out"
    "$selvedge" "$@" >"$folder/$name.out" 2>>"$folder/$name.err" &
    started=$!
    processes="$processes $started"
    waited=0
    until [ -s "$folder/$name.out" ]; do
        kill -0 "$started" 2>/dev/null || { cat "$folder/$name.err" >&2; exit 1; }
        waited=$((waited + 1))
        [ "$waited" -lt 300 ] || { echo "$name: not ready after 30 s" >&2; cat "$folder/$name.err" >&2; exit 1; }
        sleep 0.1
    done
    cat "$folder/$name.out"
}
. "$project/deploy/demo/agents.sh"

say "1. The fabric: one process, a child nats-server, and a committer of its own that will be killed"
starts up up --port 0 --without committer
starts committer serve committer
committer=$started

say "2. The record: a bare clone of a real repository"
if git -C "$project" rev-parse -q --verify HEAD >/dev/null 2>&1; then
    git clone -q --bare "$project" "$folder/record.git"
else
    echo "(this is no git checkout: its files are committed as they are)"
    git init -q --bare "$folder/record.git"
    git --git-dir "$folder/record.git" --work-tree "$project" -c core.excludesFile="$project/.gitignore" add .
    git --git-dir "$folder/record.git" -c user.name=demo -c user.email=demo@localhost commit -q -m 'As it is'
fi
base=$(git -C "$folder/record.git" rev-parse HEAD)
git -C "$folder/record.git" update-ref refs/heads/main "$base"
git -C "$folder/record.git" symbolic-ref HEAD refs/heads/main
echo "$(git -C "$folder/record.git" rev-list --count main) commits, $(git -C "$folder/record.git" ls-tree -r main | wc -l) files"
run repository set record "$folder/record.git" --mission demo

say "3. Who takes part: a planner, three workers, a verifier; and Ann, who approves and answers to somebody else"
request=$("$selvedge" request open 'The front page shall say what the demo did' --mission demo --output json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
echo "the user's request: $request"
run agent register pia --role planner --mission demo --owner person:olga --request "$request"
run agent register wes --role worker --mission demo --owner person:olga --request "$request"
run agent register wim --role worker --mission demo --owner person:olga --request "$request"
run agent register sol --role worker --mission demo --owner person:sam --request "$request"
run agent register vera --role verifier --mission demo --owner person:vic --request "$request"
run agent register ann --role approver --mission demo --owner person:ann

say "4. The policy: tested, then put in force by two principals"
run policy validate "$project/deploy/demo/policy.cedar" --mission demo
run policy test "$project/deploy/demo/policy.cedar" "$project/deploy/demo/policy.cases.json" --mission demo
run policy draft "$project/deploy/demo/policy.cedar" --mission demo --note 'for the demo'
run policy activate 1 --mission demo --reason 'the demo begins'
me=ann
act policy confirm 1
me=olga

say "5. They work at once, each in a process and a clone of its own (scripts stand in for models)"
mkdir "$folder/signals" "$folder/work" "$folder/logs"
started_at=$(date +%s)
# Trouble: the committer dies by kill -9 as soon as the ledger says that it carries out what Wes wants.
mkfifo "$folder/tap"
timeout 120 "$selvedge" tap --facts --mission demo --output jsonl >"$folder/tap" 2>"$folder/tap.err" &
processes="$processes $!"
{
    while read -r fact; do
        case $fact in
        *intent.executing*'what Wes did'*) kill -9 "$committer"; exit 0 ;;
        esac
    done
    exit 1
} <"$folder/tap" &
process_chaos=$!
for me in pia wes wim sol ann; do
    (set -eu; "$me") >"$folder/logs/$me" 2>&1 &
    eval "process_$me=$!"
    processes="$processes $!"
done
me=olga
url=$("$selvedge" status --output json | python3 -c 'import json, sys; print(json.load(sys.stdin)["url"])')
"$python" "$project/deploy/demo/vera.py" "$url" "$(echo "$folder"/.selvedge/agents/main/vera-*/demo.creds)" 4 >"$folder/logs/vera" 2>&1 &
process_vera=$!
processes="$processes $!"

wait "$process_chaos" || { echo "nothing of Wes was executed"; cat "$folder"/logs/*; exit 1; }
wait "$committer" 2>/dev/null || true
echo "(the committer was killed with -9)"
starts committer serve committer

for agent in pia wes wim sol vera; do
    eval "process=\$process_$agent"
    wait "$process" || { echo "$agent failed:"; cat "$folder/logs/$agent"; tail -n 20 "$folder"/*.err; exit 1; }
done
signal over
wait "$process_ann" || { echo "ann failed:"; cat "$folder/logs/ann"; exit 1; }
took_s=$(($(date +%s) - started_at))
for agent in pia wes wim sol ann vera; do
    say "   $agent"
    cat "$folder/logs/$agent"
done

say "6. The record, and the chain of custody of every commit"
git -C "$folder/record.git" log --format='%h %an: %s' "$base..main"
for commit in $(git -C "$folder/record.git" rev-list --reverse "$base..main"); do
    intent=$(git -C "$folder/record.git" log -1 --format='%(trailers:key=Selvedge-Intent,valueonly)' "$commit")
    me=ann
    act intent show "$intent"
    me=olga
done
git clone -q "$folder/record.git" "$folder/work/blame"
cd "$folder/work/blame"
run blame "README.md:$(grep -n 'Wim came second' README.md | cut -d: -f1)" --mission demo
cd "$project"

say "7. What became of the trouble"
trouble() { printf '  %-58s %s\n' "$1" "$2"; }
of() { "$selvedge" intent list --state "$1" --as ann --output json; }
count() { python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'; }
begun=$("$selvedge" log --output jsonl | grep -c '"intent.executing/1"')
ended=$(($(of committed | count) + $(of failed | count)))
trouble "two after one file" "Wim was refused while Wes held it, queued, and built on it"
trouble "an effect above a worker's role (deploy/)" "rejected by the policy: $(of rejected | count)"
trouble "a stale base" "refused with the path: $(of failed | count)"
trouble "the same intent twice, at once" "one intent, one record"
trouble "a verifier that records an approval" "refused by nats-server"
trouble "the committer killed with -9 while executing" "$begun attempts at $ended effects, each of which came to one end"

say "8. Is the repository exactly what was approved?"
python3 "$project/deploy/demo/verify.py" "$selvedge" "$folder/record.git" main "$base" ann
commits=$(git -C "$folder/record.git" rev-list --count "$base..main")
[ "$commits" -eq 4 ] || { echo "expected 4 commits, found $commits" >&2; exit 1; }
git -C "$folder/record.git" fsck --no-dangling --no-progress
run doctor
printf '\n%s commits, each with its chain of custody, in %s s of work.\n' "$commits" "$took_s"

# The demo's agents: one function each, run as a process of its own by ../demo.sh. They are scripts that
# stand in for models, and use what any agent has: the command line, a git clone, a session.
#
# From ../demo.sh: $selvedge, $folder (clones, logs and signals below it), $base (first commit of the work).

act() {
    printf '%s $ selvedge %s\n' "$me" "$*"
    "$selvedge" "$@" --as "$me"
}
# What must end with a code of its own.
must_end() {
    expected=$1
    shift
    code=0
    act "$@" || code=$?
    [ "$code" -eq "$expected" ] || { echo "$me: expected exit code $expected, got $code"; exit 1; }
}
# Signals between agents: files, as processes of one machine have them. Bounded: an agent that waits for
# what never comes fails the demo.
signal() { : >"$folder/signals/$1"; }
await() {
    waited=0
    until [ -e "$folder/signals/$1" ]; do
        waited=$((waited + 1))
        [ "$waited" -lt 600 ] || { echo "$me: waited a minute for $1"; exit 1; }
        sleep 0.1
    done
}
clone() {
    git clone -q "$folder/record.git" "$folder/work/$me"
    cd "$folder/work/$me"
}
# field FILE NAME: of the JSON that `lease acquire` printed.
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"; }
# acquire PATH [more]: takes a lease, and leaves SPACE:LEASE=TOKEN in $held and its id in $lease.
acquire() {
    printf '%s $ selvedge lease acquire %s\n' "$me" "$*"
    "$selvedge" lease acquire "$@" --as "$me" --output json >"$folder/work/$me.lease"
    lease=$(field "$folder/work/$me.lease" id)
    held="$(field "$folder/work/$me.lease" space):$lease=$(field "$folder/work/$me.lease" token)"
}
# What they want looks alike, and they know: each proceeds.
propose() { act intent propose git --repository record --branch main --overlap proceed "$@"; }

# Pia plans: writes a document, which nobody has to approve.
pia() {
    clone
    mkdir -p docs
    printf '# Plan\n\n1. The front page says what the demo did.\n2. Nobody trips over anybody.\n' >docs/plan.md
    propose -m 'A plan for the front page' --wait 2m
    signal plan-is-there
}

# Wes takes the front page first.
wes() {
    clone
    acquire README.md --purpose 'says what the demo did' --ttl 5m
    signal wes-holds
    await wim-was-refused
    printf '\nWes was here, under a lease, with a person'"'"'s consent.\n' >>README.md
    propose -m 'The front page: what Wes did' --lease "$held" --wait 2m
    act lease release "$lease"
    signal wes-is-done
}

# Wim wants the same file at the same time: he is told who has it, queues, and builds on what Wes did.
wim() {
    clone
    await wes-holds
    must_end 4 lease acquire README.md --purpose 'wants it too'
    signal wim-was-refused
    acquire README.md --purpose 'wants it too' --ttl 5m --wait 2m
    git pull -q
    printf '\nWim came second, and lost nothing of what Wes did.\n' >>README.md
    propose -m 'The front page: what Wim did' --lease "$held" --wait 2m
    act lease release "$lease"
    signal wim-is-done
}

# Sol reaches for what is not hers, and works on a base that is not so any more.
sol() {
    clone
    printf '# mine now\n' >>deploy/selvedge.toml
    must_end 10 intent propose git --repository record --branch main --overlap proceed -m 'Settings as I like them' --wait 1m
    git checkout -q -- deploy
    await wim-is-done
    printf '\nSol did not look what the others did.\n' >>README.md
    must_end 13 intent propose git --repository record --branch main --overlap proceed --base "$base" -m 'The front page, as of yesterday' --wait 2m
    git checkout -q -- README.md
    git pull -q
    printf '\nSol looked, then wrote.\n' >>README.md
    acquire README.md --purpose 'on what is there now' --ttl 5m
    propose -m 'The front page: what Sol did' --lease "$held" --wait 2m
    act lease release "$lease"
}

# Ann approves: whatever waits for her, after she has seen what will happen.
ann() {
    granted=0
    waited=0
    until [ -e "$folder/signals/over" ]; do
        for intent in $("$selvedge" intent list --waiting-for-me --as "$me" --output json |
            python3 -c 'import json, sys; print(*[i["intent"]["id"] for i in json.load(sys.stdin)])'); do
            act approval show "$intent" --in "$folder/record.git"
            act approval grant "$intent" --yes
            granted=$((granted + 1))
        done
        waited=$((waited + 1))
        [ "$waited" -lt 1200 ] || { echo "$me: nobody said that it is over"; exit 1; }
        sleep 0.1
    done
    echo "$me: granted $granted"
}

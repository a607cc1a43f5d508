# Shared by everything under scripts/: where things live, messages, packages, processes, ports.
# Source it; it changes no setting of the calling shell.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Data of started services and the readers' venv: git-ignored, safe to delete when all is down.
SERVICES_DIR=${AFFLUENT_SERVICES_DIR:-$ROOT/.services}
# Downloads that outlive the data and the build folder: Kafka's jars, cargo-deny.
CACHE_DIR=${AFFLUENT_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/affluent}
export PATH="$PATH:$HOME/.cargo/bin"

# Only stderr: stdout is data for all scripts here, as it is for the binaries.
say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() {
  say "$*"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root, or fails when neither root nor a password-less sudo is there.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo && sudo -n true 2>/dev/null; then
    sudo -n "$@"
  else
    return 125
  fi
}

# The list of packages may be old or absent (a fresh container): fetched once per script.
apt_update() {
  local out
  [ -z "${APT_UPDATED:-}" ] || return 0
  APT_UPDATED=1
  out=$(as_root apt-get -qq update 2>&1) || say "apt-get update failed, going on without: $out"
}

# apt_has PACKAGE : true when this release offers it and we may install it.
apt_has() { have apt-get && as_root true && apt_update && [[ $(apt-cache policy "$1") == *'Candidate: '[!\(]* ]]; }

# apt_install PACKAGE... : installs Debian packages; the caller has found that something is missing.
apt_install() {
  local out
  have apt-get || die "please install the equivalent of these Debian packages, then run this again: $*"
  as_root true || die "missing packages and no root: run 'sudo apt-get install $*', then run this again"
  say "installing $*"
  apt_update
  out=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" 2>&1) ||
    die "apt-get could not install $*: $out"
}

# True while the process runs. Not `kill -0` alone: a killed child that nobody reaped still answers to it.
alive() {
  local state
  state=$(awk '/^State:/ { print $2; exit }' "/proc/$1/status" 2>/dev/null) || return 1
  [ -n "$state" ] && [ "$state" != Z ] && [ "$state" != X ]
}

# our_process PIDFILE WORD : prints the PID when it is alive and its command line holds WORD (a PID may be reused).
our_process() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  [ -n "$pid" ] && alive "$pid" && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -F -- "$2" >/dev/null && echo "$pid"
}

# stop_process PID : asks, waits 30 s, then kills.
stop_process() {
  kill "$1" 2>/dev/null || return 0
  for _ in $(seq 300); do
    alive "$1" || return 0
    sleep 0.1
  done
  say "process $1 did not stop in 30 s: killing it"
  kill -9 "$1" 2>/dev/null || true
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints who listens on a TCP port, from /proc alone (a fresh machine has neither ss nor lsof).
port_holder() {
  local hex inode link pid
  hex=$(printf ':%04X' "$1")
  inode=$(awk -v p="$hex" '$4 == "0A" && substr($2, length($2) - 4) == p { print $10; exit }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  [ -n "$inode" ] || return 1
  for link in /proc/[0-9]*/fd/*; do
    if [ "$(readlink "$link" 2>/dev/null)" = "socket:[$inode]" ]; then
      pid=${link#/proc/}
      pid=${pid%%/*}
      echo "process $pid ($(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-120))"
      return 0
    fi
  done
  echo "a process of another user"
}

# require_free PORT SETTING : an error that names the holder and the way out.
require_free() {
  local holder
  if holder=$(port_holder "$1"); then
    die "port $1 is taken by $holder; stop it or set $2 to a free port"
  fi
}

# wait_ready NAME PID PORT LOG TEXT : until the port answers and the log holds the text; shows the log's end otherwise.
wait_ready() {
  local deadline=$((SECONDS + 120))
  until grep -qE -- "$5" "$4" 2>/dev/null && port_open "$3"; do
    if ! alive "$2"; then
      tail -n 20 "$4" >&2
      die "$1 stopped while starting; its log is $4"
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      tail -n 20 "$4" >&2
      die "$1 was not ready after 120 s; its log is $4"
    fi
    sleep 0.2
  done
}

# The same services from compose.yaml, used where a Docker engine answers.

# `docker` without an engine or without the compose plugin is common: ask both once.
engine_runs() {
  if [ -z "${ENGINE:-}" ]; then
    ENGINE=no
    if [ "${AFFLUENT_NATIVE:-}" != 1 ] && have docker && docker info >/dev/null 2>&1 &&
      docker compose version >/dev/null 2>&1; then
      ENGINE=yes
    fi
  fi
  [ "$ENGINE" = yes ]
}

# compose.yaml holds MySQL itself; MariaDB stands in for it only where there is no engine.
compose_name() { [ "$1" = mariadb ] && echo mysql || echo "$1"; }

compose() { AFFLUENT_KAFKA_PORT=$KAFKA_PORT AFFLUENT_MYSQL_PORT=$MYSQL_PORT docker compose -f "$ROOT/compose.yaml" "$@"; }

compose_running() {
  engine_runs && [ -n "$(compose ps --status running -q "$(compose_name "$1")" 2>/dev/null)" ]
}

compose_up() { compose up --detach --wait --quiet-pull "$(compose_name "$1")" >&2; }

compose_down() {
  engine_runs || return 0
  if [ "${1:-}" = --wipe ]; then
    compose down --volumes >&2
  else
    compose down >&2
  fi
}

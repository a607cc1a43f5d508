# MariaDB from Debian's packages, as an unprivileged process with a folder of its own.

MYSQL_PORT=${AFFLUENT_MYSQL_PORT:-3306}
MARIADB_PASSWORD=affluent

# True when every existing parent of a folder may be entered by any user.
enterable() {
  local dir=$1 mode
  while [ "$dir" != / ]; do
    mode=$(stat -c %A "$dir" 2>/dev/null || echo x)
    case $mode in *[xt]) ;; *) return 1 ;; esac
    dir=$(dirname "$dir")
  done
}

# Root runs the server as user mysql, which cannot enter a repository below root's home: its data goes elsewhere then.
if [ "$(id -u)" != 0 ] || enterable "$SERVICES_DIR"; then
  MARIADB_DIR=$SERVICES_DIR/mariadb
else
  MARIADB_DIR=/var/tmp/affluent-$(printf %s "$SERVICES_DIR" | cksum | cut -d' ' -f1)/mariadb
fi

mariadb_pid() { our_process "$MARIADB_DIR/run/pid" "$MARIADB_DIR/data"; }

mariadb_port() { echo "$MYSQL_PORT"; }

mariadb_env() { echo "export MYSQL_URL=mysql://root:$MARIADB_PASSWORD@127.0.0.1:$MYSQL_PORT/data_warehouse"; }

# The core packages bring the programs alone: no daemon that starts itself, no user.
mariadb_install() {
  if ! have mariadbd || ! have mariadb-install-db || ! have mariadb; then
    apt_install mariadb-server-core mariadb-client-core
  fi
  # The server refuses to run as root, so root needs another user for it; anyone else runs it as they are.
  if [ "$(id -u)" = 0 ] && ! id mysql >/dev/null 2>&1; then
    useradd --system --no-create-home --shell /usr/sbin/nologin mysql
  fi
}

# Runs a command as the server's user.
as_mysql() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=mysql --regid=mysql --init-groups "$@"
  else
    "$@"
  fi
}

mariadb_prepare() {
  mkdir -p "$MARIADB_DIR/run"
  [ "$(id -u)" != 0 ] || chown -R mysql: "$MARIADB_DIR"
  [ -d "$MARIADB_DIR/data/mysql" ] && return 0
  # Built beside its place and renamed, so an interrupted start is never taken for a database.
  rm -rf "$MARIADB_DIR/new"
  # --force: a container whose own host name does not resolve is no obstacle.
  as_mysql mariadb-install-db --no-defaults --force --datadir="$MARIADB_DIR/new" --auth-root-authentication-method=normal \
    --skip-test-db --skip-name-resolve >"$MARIADB_DIR/install.log" 2>&1 ||
    die "mariadb-install-db failed; see $MARIADB_DIR/install.log"
  mv -T "$MARIADB_DIR/new" "$MARIADB_DIR/data"
}

mariadb_up() {
  if mariadb_pid >/dev/null; then
    return 0
  fi
  require_free "$MYSQL_PORT" AFFLUENT_MYSQL_PORT
  mariadb_install
  mariadb_prepare
  local log=$MARIADB_DIR/mariadb.log pid
  [ ! -f "$log" ] || mv "$log" "$log.1"
  cat >"$MARIADB_DIR/init.sql" <<SQL
ALTER USER 'root'@'localhost' IDENTIFIED BY '$MARIADB_PASSWORD';
ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '$MARIADB_PASSWORD';
CREATE DATABASE IF NOT EXISTS data_warehouse;
SQL
  # `exec` keeps the PID: of the subshell, then setpriv, then the server.
  (
    exec 9>&-
    cd /
    set -- setsid mariadbd --no-defaults --datadir="$MARIADB_DIR/data" --socket="$MARIADB_DIR/run/sock" \
      --pid-file="$MARIADB_DIR/run/server.pid" --port="$MYSQL_PORT" --bind-address=127.0.0.1 --skip-name-resolve \
      --init-file="$MARIADB_DIR/init.sql" --character-set-server=utf8mb4 --collation-server=utf8mb4_bin \
      --default-time-zone=+00:00 --max-allowed-packet=64M
    [ "$(id -u)" != 0 ] || set -- setpriv --reuid=mysql --regid=mysql --init-groups "$@"
    exec "$@"
  ) </dev/null >"$log" 2>&1 &
  pid=$!
  echo "$pid" >"$MARIADB_DIR/run/pid"
  wait_ready MariaDB "$pid" "$MYSQL_PORT" "$log" 'ready for connections'
}

mariadb_down() {
  local pid
  if pid=$(mariadb_pid); then
    stop_process "$pid"
  fi
  rm -f "$MARIADB_DIR/run/pid"
}

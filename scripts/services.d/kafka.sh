# Apache Kafka as one native process: broker and KRaft controller in one JVM, jars from Maven.

KAFKA_VERSION=4.4.0
KAFKA_PORT=${AFFLUENT_KAFKA_PORT:-9092}
KAFKA_CONTROLLER_PORT=${AFFLUENT_KAFKA_CONTROLLER_PORT:-$((KAFKA_PORT + 1))}
KAFKA_DIR=$SERVICES_DIR/kafka
KAFKA_LIBS=$CACHE_DIR/kafka-$KAFKA_VERSION

kafka_pid() { our_process "$KAFKA_DIR/pid" "$KAFKA_DIR/server.properties"; }

kafka_port() { echo "$KAFKA_PORT"; }

kafka_env() { echo "export KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:$KAFKA_PORT"; }

java_major() { java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1; }

# Java 17 or newer, and the jars. The jars are put in place by one rename, so a broken download is never used.
kafka_install() {
  if ! have java || [ "$(java_major)" -lt 17 ]; then
    apt_install default-jre-headless
    [ "$(java_major)" -ge 17 ] || die "Kafka $KAFKA_VERSION needs Java 17 or newer, found $(java_major)"
  fi
  [ -d "$KAFKA_LIBS" ] && return 0
  have mvn || apt_install maven
  say "downloading Kafka $KAFKA_VERSION (43 MB) to $KAFKA_LIBS"
  local tmp
  mkdir -p "$CACHE_DIR"
  tmp=$(mktemp -d "$CACHE_DIR/kafka.XXXXXX")
  # log4j-slf4j-impl: without it the broker logs nothing, and there would be no line to wait for.
  cat >"$tmp/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>affluent</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$KAFKA_VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.25.5</version>
    </dependency>
  </dependencies>
</project>
POM
  (cd "$tmp" && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DoutputDirectory=libs -DincludeScope=runtime) >&2 || {
    rm -rf "$tmp"
    die "Maven could not fetch Kafka's jars"
  }
  mv -T "$tmp/libs" "$KAFKA_LIBS"
  rm -rf "$tmp"
}

kafka_configure() {
  mkdir -p "$KAFKA_DIR"
  # Retention is off: records keep their event time, and a test's events may be older than Kafka's default week.
  cat >"$KAFKA_DIR/server.properties" <<CONF
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT,CONTROLLER://127.0.0.1:$KAFKA_CONTROLLER_PORT
advertised.listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
controller.quorum.voters=1@127.0.0.1:$KAFKA_CONTROLLER_PORT
log.dirs=$KAFKA_DIR/data
log.retention.ms=-1
num.partitions=6
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
CONF
  cat >"$KAFKA_DIR/log4j2.properties" <<'CONF'
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
CONF
}

kafka_up() {
  if kafka_pid >/dev/null; then
    return 0
  fi
  require_free "$KAFKA_PORT" AFFLUENT_KAFKA_PORT
  require_free "$KAFKA_CONTROLLER_PORT" AFFLUENT_KAFKA_CONTROLLER_PORT
  kafka_install
  kafka_configure
  local log=$KAFKA_DIR/kafka.log cp="$KAFKA_LIBS/*" pid id
  if [ ! -f "$KAFKA_DIR/data/meta.properties" ]; then
    id=$(java -cp "$cp" kafka.tools.StorageTool random-uuid)
    java -cp "$cp" -Dlog4j2.configurationFile="$KAFKA_DIR/log4j2.properties" kafka.tools.StorageTool \
      format -t "$id" -c "$KAFKA_DIR/server.properties" >"$KAFKA_DIR/format.log" 2>&1 ||
      die "formatting Kafka's storage failed; see $KAFKA_DIR/format.log"
  fi
  [ ! -f "$log" ] || mv "$log" "$log.1"
  # A session of its own: it must outlive this shell. The lock's descriptor (9) must not.
  setsid java -Xms256m -Xmx1g -XX:+ExitOnOutOfMemoryError -cp "$cp" \
    -Dlog4j2.configurationFile="$KAFKA_DIR/log4j2.properties" \
    kafka.Kafka "$KAFKA_DIR/server.properties" </dev/null >"$log" 2>&1 9>&- &
  pid=$!
  echo "$pid" >"$KAFKA_DIR/pid"
  wait_ready Kafka "$pid" "$KAFKA_PORT" "$log" 'Kafka Server started'
}

kafka_down() {
  local pid
  if pid=$(kafka_pid); then
    stop_process "$pid"
  fi
  rm -f "$KAFKA_DIR/pid"
}

//! What the command line says: help, missing arguments, bad settings, messages without Kafka.

#[test]
fn command_line() {
    // Help shows the values of the environment: those of the machine that runs the tests are not it.
    trycmd::TestCases::new().env("KAFKA_BOOTSTRAP_SERVERS", "").case("tests/cmd/*.trycmd");
}

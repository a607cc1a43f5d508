//! What the command line says: help, missing arguments, bad settings.

#[test]
fn command_line() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}

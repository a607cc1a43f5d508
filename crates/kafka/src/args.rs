//! Connection settings, the same for every binary that talks to Kafka.

use std::fmt;
use std::str::FromStr;

use affluent_core::env_vars;
use clap::Args;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

// Where Kafka is, and how to talk to it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaArgs {
    /// Kafka's bootstrap servers, host:port with commas
    #[arg(
        long,
        env = env_vars::BOOTSTRAP_SERVERS,
        value_name = "HOST:PORT",
        default_value = "localhost:9092"
    )]
    pub bootstrap_servers: String,
    /// Any librdkafka property, as in `-X security.protocol=SASL_SSL`; repeat it, or use commas
    // A password may be among them: help and --print-config must not show it.
    #[arg(
        long = "property",
        short = 'X',
        env = env_vars::KAFKA_PROPERTIES,
        hide_env_values = true,
        value_name = "K=V"
    )]
    pub properties: Vec<Properties>,
}

/// One word of `-X`: one property, or several with commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties(Vec<Property>);

/// A librdkafka property. Its `Debug` output hides what looks like a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Property {
    pub key: String,
    pub value: String,
}

impl Property {
    /// Does the property hold a secret?
    pub fn is_secret(&self) -> bool {
        const SECRET: &[&str] =
            &["password", "secret", "key.pem", "oauthbearer.config", "assertion.private.key"];
        SECRET.iter().any(|word| self.key.contains(word))
    }
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.is_secret() { "********" } else { &self.value };
        write!(f, "{}={value}", self.key)
    }
}

impl FromStr for Properties {
    type Err = String;

    /// A comma starts a new property only where `name=` follows, so that `debug=broker,topic` is
    /// one; `\,` is a comma that never does.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut found: Vec<String> = Vec::new();
        let mut continued = false;
        for piece in text.split(',') {
            let (piece, escaped) = match piece.strip_suffix('\\') {
                Some(start) => (start, true),
                None => (piece, false),
            };
            match found.last_mut() {
                Some(last) if continued || !starts_property(piece) => {
                    last.push(',');
                    last.push_str(piece);
                }
                _ => found.push(piece.to_owned()),
            }
            continued = escaped;
        }
        found.iter().map(|pair| property(pair)).collect::<Result<_, _>>().map(Self)
    }
}

fn starts_property(text: &str) -> bool {
    let Some((key, _)) = text.split_once('=') else { return false };
    let key = key.trim();
    !key.is_empty()
        && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_'))
}

fn property(text: &str) -> Result<Property, String> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.trim().is_empty())
        .ok_or("a property is written name=value, as in linger.ms=5")?;
    Ok(Property { key: key.trim().to_owned(), value: value.to_owned() })
}

impl KafkaArgs {
    /// The user's properties, in the order given.
    pub fn properties(&self) -> impl Iterator<Item = &Property> {
        self.properties.iter().flat_map(|word| &word.0)
    }

    /// The servers that a client will really use.
    pub fn servers(&self) -> &str {
        let own = self.properties().filter(|property| property.key == "bootstrap.servers").last();
        own.map_or(self.bootstrap_servers.as_str(), |property| &property.value)
    }
}

/// A configuration of these defaults, the servers, and the user's properties, which win.
pub fn client_config(args: &KafkaArgs, defaults: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("client.id", "affluent").set("bootstrap.servers", &args.bootstrap_servers);
    // A broker that comes back is found within a second, not within ten.
    config.set("reconnect.backoff.max.ms", "1000");
    for (key, value) in defaults {
        config.set(*key, *value);
    }
    for property in args.properties() {
        config.set(&property.key, &property.value);
    }
    let verbose = tracing::enabled!(target: "librdkafka", tracing::Level::DEBUG);
    config.set_log_level(if verbose { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
    config
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Command {
        #[command(flatten)]
        kafka: KafkaArgs,
    }

    fn args(words: &[&str]) -> KafkaArgs {
        Command::try_parse_from([&["test"], words].concat()).unwrap().kafka
    }

    fn pairs(args: &KafkaArgs) -> Vec<(&str, &str)> {
        args.properties().map(|property| (property.key.as_str(), property.value.as_str())).collect()
    }

    #[test]
    fn properties_repeat_and_take_commas() {
        let args = args(&["-X", "linger.ms=5", "--property", "acks=1,debug=broker,topic,retries=3"]);
        assert_eq!(
            pairs(&args),
            [("linger.ms", "5"), ("acks", "1"), ("debug", "broker,topic"), ("retries", "3")]
        );
    }

    #[test]
    fn an_escaped_comma_and_equals_signs_belong_to_the_value() {
        let args = args(&["-X", r"sasl.password=a\,b=c,,d=="]);
        assert_eq!(pairs(&args), [("sasl.password", "a,b=c,"), ("d", "=")]);
        let args = self::args(&["-X", r"sasl.password=a\,b=c"]);
        assert_eq!(pairs(&args), [("sasl.password", "a,b=c")]);
    }

    #[test]
    fn what_is_no_property_is_refused() {
        for word in ["linger.ms", "=5", "", " =1"] {
            let error = Command::try_parse_from(["test", "-X", word]).unwrap_err().to_string();
            assert!(error.contains("name=value") || error.contains("value is required"), "{word:?}: {error}");
        }
    }

    #[test]
    fn the_user_s_properties_win_over_defaults_and_servers() {
        let args = args(&["--bootstrap-servers", "a:1", "-X", "acks=0", "-X", "bootstrap.servers=b:2"]);
        let config = client_config(&args, &[("acks", "all"), ("linger.ms", "5")]);
        assert_eq!(config.get("acks"), Some("0"));
        assert_eq!(config.get("linger.ms"), Some("5"));
        assert_eq!(config.get("bootstrap.servers"), Some("b:2"));
        assert_eq!(args.servers(), "b:2");
    }

    #[test]
    fn debug_output_hides_secrets() {
        let args = args(&["-X", "sasl.password=hunter2,ssl.key.pem=x-key,sasl.username=me"]);
        let text = format!("{args:?}");
        assert!(
            !text.contains("hunter2") && !text.contains("x-key") && text.contains("sasl.username=me"),
            "{text}"
        );
    }
}

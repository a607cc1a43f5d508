//! What can go wrong with Kafka, by what a caller does about it.

use affluent_core::exit;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// An error of the connection, of a topic, or of one record.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A librdkafka property that is unknown or has a bad value.
    #[error("bad Kafka setting {setting}: {reason}; correct the -X or property setting")]
    Setting { setting: String, reason: String },
    /// No broker answered in time.
    #[error(
        "no Kafka broker answers at {servers} ({reason}); check --bootstrap-servers, \
         or start one with scripts/services up"
    )]
    Unreachable { servers: String, reason: String },
    /// The broker answered, but not to us.
    #[error(
        "Kafka at {servers} refused the login ({reason}); check the security.protocol, sasl.* and ssl.* settings"
    )]
    Login { servers: String, reason: String },
    /// No such topic; `hint` names near ones.
    #[error("there is no topic {topic:?}{hint}")]
    UnknownTopic { topic: String, hint: String },
    /// The broker said no.
    #[error("cannot {action} the topic {topic:?}")]
    Refused {
        action: &'static str,
        topic: String,
        #[source]
        source: KafkaError,
    },
    /// One record, or the read position that it has, cannot be dealt with.
    #[error("cannot {action} {topic}, partition {partition}, offset {offset}")]
    Record {
        action: &'static str,
        topic: String,
        partition: i32,
        offset: i64,
        #[source]
        source: Box<KafkaError>,
    },
    /// A client that librdkafka cannot make or that ended for good.
    #[error("the Kafka client failed")]
    Client(#[source] KafkaError),
}

/// What the code of a failed call means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Unreachable,
    Login,
    Refused,
}

impl Cause {
    pub(crate) fn of(code: Option<RDKafkaErrorCode>) -> Self {
        use RDKafkaErrorCode as C;
        match code {
            Some(
                C::BrokerTransportFailure
                | C::AllBrokersDown
                | C::OperationTimedOut
                | C::RequestTimedOut
                | C::TimedOutQueue
                | C::MessageTimedOut
                | C::Resolve
                | C::NetworkException
                | C::BrokerNotAvailable
                | C::LeaderNotAvailable
                | C::NotLeaderForPartition
                | C::NotController
                | C::CoordinatorNotAvailable
                | C::CoordinatorLoadInProgress,
            ) => Self::Unreachable,
            Some(
                C::Authentication
                | C::SaslAuthenticationFailed
                | C::UnsupportedSASLMechanism
                | C::IllegalSASLState
                | C::SSL,
            ) => Self::Login,
            _ => Self::Refused,
        }
    }
}

fn passing(error: &KafkaError) -> bool {
    Cause::of(error.rdkafka_error_code()) == Cause::Unreachable
}

/// A failure to make a client, told apart from one of the broker.
pub fn classify_kafka(error: KafkaError) -> Error {
    match error {
        // The value is left out: it may be a secret.
        KafkaError::ClientConfig(_, reason, setting, _) => Error::Setting { setting, reason },
        KafkaError::ClientCreation(reason) => Error::Setting { setting: "combination".to_owned(), reason },
        other => Error::Client(other),
    }
}

impl Error {
    /// May the same call work later?
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { source, .. } | Self::Client(source) => passing(source),
            Self::Record { source, .. } => passing(source),
            Self::Setting { .. } | Self::Login { .. } | Self::UnknownTopic { .. } => false,
        }
    }

    /// The error with the exit code that a binary ends with: 75 when a later try may work, 2 for a
    /// wrong setting.
    pub fn into_exit(self) -> anyhow::Error {
        let transient = self.is_transient();
        let setting = matches!(self, Self::Setting { .. });
        let error = anyhow::Error::from(self);
        match (transient, setting) {
            (true, _) => exit::try_again(format!("{error:#}")),
            (_, true) => exit::usage(format!("{error:#}")),
            _ => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_end_in_the_code_that_fits() {
        let unreachable = Error::Unreachable { servers: "a:1".to_owned(), reason: "refused".to_owned() };
        assert_eq!(exit::code_of(&unreachable.into_exit()), 75);
        let setting = Error::Setting { setting: "x".to_owned(), reason: "unknown".to_owned() };
        assert_eq!(exit::code_of(&setting.into_exit()), 2);
        let source = Box::new(KafkaError::MessageConsumption(RDKafkaErrorCode::NotLeaderForPartition));
        let record = Error::Record { action: "read", topic: "t".to_owned(), partition: 3, offset: 7, source };
        assert_eq!(record.to_string(), "cannot read t, partition 3, offset 7");
        assert_eq!(exit::code_of(&record.into_exit()), 75);
        let source = KafkaError::AdminOp(RDKafkaErrorCode::TopicAuthorizationFailed);
        let refused = Error::Refused { action: "create", topic: "t".to_owned(), source };
        assert_eq!(exit::code_of(&refused.into_exit()), 1);
    }

    #[test]
    fn a_bad_setting_is_told_without_its_value() {
        let mut config = rdkafka::ClientConfig::new();
        config.set("sasl.passwort", "hunter2");
        let error = config.create::<rdkafka::producer::BaseProducer>().err().map(classify_kafka).unwrap();
        let text = error.to_string();
        assert!(text.contains("sasl.passwort") && !text.contains("hunter2"), "{text}");
        assert!(matches!(error, Error::Setting { .. }));
    }
}

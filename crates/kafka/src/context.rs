//! librdkafka's logs and errors, as `tracing` events without secrets.

use std::sync::Mutex;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};

use crate::KafkaArgs;

/// Forwards logs and remembers the last error. Other contexts hold one and delegate to it.
#[derive(Debug)]
pub struct LogContext {
    secrets: Vec<String>,
    last: Mutex<Option<LastError>>,
}

#[derive(Debug, Clone)]
pub(crate) struct LastError {
    pub(crate) code: Option<RDKafkaErrorCode>,
    pub(crate) reason: String,
}

impl LogContext {
    pub fn new(args: &KafkaArgs) -> Self {
        let secret = args.properties().filter(|property| property.is_secret() && !property.value.is_empty());
        Self { secrets: secret.map(|property| property.value.clone()).collect(), last: Mutex::new(None) }
    }

    /// The reason of the last error that librdkafka reported, such as a refused connection.
    pub fn last_error(&self) -> Option<String> {
        self.last().map(|last| last.reason)
    }

    pub(crate) fn last(&self) -> Option<LastError> {
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn hide(&self, text: &str) -> String {
        let hidden = |text: String, secret: &String| text.replace(secret.as_str(), "********");
        self.secrets.iter().fold(text.to_owned(), hidden)
    }
}

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let message = self.hide(message);
        // Every failure is an error event too. CONFWARN says that one kind of client ignores the
        // settings of another, which is so wherever a consumer also asks for metadata. COMMITFAIL is
        // of offsets that only lag tools read, and usual in a rebalance.
        if matches!(facility, "FAIL" | "ERROR" | "CONFWARN" | "COMMITFAIL") {
            tracing::debug!(target: "librdkafka", facility, "{message}");
            return;
        }
        use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
        match level {
            Emerg | Alert | Critical => tracing::error!(target: "librdkafka", facility, "{message}"),
            // librdkafka retries by itself: what it cannot mend comes back as an error of a call.
            Error | Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
            Notice | Info => tracing::info!(target: "librdkafka", facility, "{message}"),
            Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let reason = self.hide(reason);
        let code = error.rdkafka_error_code();
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let told = last.as_ref().is_some_and(|last| last.code == code);
        if code == Some(RDKafkaErrorCode::Fatal) {
            tracing::error!(target: "librdkafka", "{reason}");
        } else if told || code == Some(RDKafkaErrorCode::AllBrokersDown) {
            tracing::debug!(target: "librdkafka", "{reason}");
        } else {
            tracing::warn!(target: "librdkafka", "{reason}");
        }
        // "1/1 brokers are down" says less than why.
        if last.is_none() || code != Some(RDKafkaErrorCode::AllBrokersDown) {
            *last = Some(LastError { code, reason });
        }
    }
}

impl ProducerContext for LogContext {
    type DeliveryOpaque = ();

    fn delivery(&self, _result: &DeliveryResult<'_>, (): ()) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> LogContext {
        LogContext { secrets: vec!["hunter2".to_owned()], last: Mutex::new(None) }
    }

    #[test]
    fn the_reason_is_kept_without_secrets() {
        let context = context();
        assert_eq!(context.last_error(), None);
        let refused = KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure);
        context.error(refused, "connect failed, password hunter2");
        context.error(KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(context.last_error().unwrap(), "connect failed, password ********");
    }
}

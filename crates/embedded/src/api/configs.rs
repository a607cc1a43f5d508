//! DescribeConfigs, AlterConfigs and IncrementalAlterConfigs, for topics and the broker.

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse as Replaced;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as Changed;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use super::{Context, text};
use crate::node::NODE_ID;
use crate::topics::settings::{Kind, SETTINGS, check, find};
use crate::wire::Code;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Where a value comes from, in the protocol's numbers.
const SOURCE_TOPIC: i8 = 1;
const SOURCE_STATIC: i8 = 4;
const SOURCE_DEFAULT: i8 = 5;

type Refusal = (Code, String);

pub(crate) fn describe(context: &Context<'_>, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|resource| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match describe_one(context, &resource, request.include_synonyms) {
            Ok(configs) => result.with_configs(configs),
            Err((code, reason)) => result.with_error_code(code.code()).with_error_message(Some(text(reason))),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn describe_one(
    context: &Context<'_>,
    resource: &DescribeConfigsResource,
    synonyms: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let keys = resource.configuration_keys.as_ref();
    let asked = |name: &str| keys.is_none_or(|keys| keys.is_empty() || keys.iter().any(|k| **k == *name));
    let typed = context.header.version >= 3;
    let entry = |name: &str, value: &str, source: i8, kind: i8| {
        let own = DescribeConfigsSynonym::default().with_name(text(name)).with_value(Some(text(value)));
        let entry = DescribeConfigsResourceResult::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
            .with_config_source(source)
            .with_read_only(source == SOURCE_STATIC)
            .with_synonyms(if synonyms { vec![own.with_source(source)] } else { Vec::new() });
        if typed { entry.with_config_type(kind) } else { entry }
    };
    match resource.resource_type {
        TOPIC => {
            let unknown = || (Code::UnknownTopicOrPartition, "there is no such topic".to_owned());
            let topic = context.node.topics.get(&resource.resource_name).ok_or_else(unknown)?;
            let overrides = topic.overrides();
            let settings = SETTINGS.iter().filter(|s| asked(s.name)).map(|s| match overrides.get(s.name) {
                Some(own) => entry(s.name, own, SOURCE_TOPIC, s.type_code()),
                None => entry(s.name, s.default, SOURCE_DEFAULT, s.type_code()),
            });
            Ok(settings.collect())
        }
        BROKER => {
            let number = NODE_ID.to_string();
            if !resource.resource_name.is_empty() && *resource.resource_name != *number {
                return Err((Code::InvalidRequest, format!("the only broker is {NODE_ID}")));
            }
            let known = broker_settings(context).into_iter().filter(|(name, _, _)| asked(name));
            Ok(known.map(|(name, value, kind)| entry(name, &value, SOURCE_STATIC, kind)).collect())
        }
        other => Err((Code::InvalidRequest, format!("resource type {other} is not known"))),
    }
}

/// What the broker was started with, under Kafka's names; the numbers are the types of the values.
fn broker_settings(context: &Context<'_>) -> Vec<(&'static str, String, i8)> {
    let config = &context.node.config;
    vec![
        ("node.id", NODE_ID.to_string(), 3),
        ("broker.id", NODE_ID.to_string(), 3),
        ("auto.create.topics.enable", config.auto_create_topics.to_string(), 1),
        ("num.partitions", config.default_partitions.to_string(), 3),
        ("default.replication.factor", "1".to_owned(), 3),
        ("message.max.bytes", config.message_max_bytes.to_string(), 3),
        ("socket.request.max.bytes", config.request_max_bytes.to_string(), 3),
        ("fetch.max.bytes", config.fetch_max_bytes.to_string(), 3),
        ("max.connections", config.max_connections.to_string(), 3),
        ("log.retention.ms", "604800000".to_owned(), 5),
        ("offsets.topic.replication.factor", "1".to_owned(), 4),
        ("transaction.state.log.min.isr", "1".to_owned(), 3),
    ]
}

/// AlterConfigs: the given values replace all that were set before.
pub(crate) fn replace(context: &Context<'_>, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let responses = request.resources.into_iter().map(|resource| {
        let given =
            resource.configs.iter().filter_map(|c| Some((c.name.to_string(), c.value.as_ref()?.to_string())));
        let overrides = given.collect();
        let (kind, name) = (resource.resource_type, resource.resource_name.clone());
        let result = configure(context, kind, &name, request.validate_only, |_| Ok(overrides));
        let (code, reason) = parts(result);
        Replaced::default()
            .with_resource_type(kind)
            .with_resource_name(name)
            .with_error_code(code)
            .with_error_message(reason.map(text))
    });
    AlterConfigsResponse::default().with_responses(responses.collect())
}

/// IncrementalAlterConfigs: single values are set, removed, or changed as lists.
pub(crate) fn change(
    context: &Context<'_>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let responses = request.resources.into_iter().map(|resource| {
        let (kind, name) = (resource.resource_type, resource.resource_name.clone());
        let result = configure(context, kind, &name, request.validate_only, |mut overrides| {
            for config in &resource.configs {
                apply(&mut overrides, config)?;
            }
            Ok(overrides)
        });
        let (code, reason) = parts(result);
        Changed::default()
            .with_resource_type(kind)
            .with_resource_name(name)
            .with_error_code(code)
            .with_error_message(reason.map(text))
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

fn parts(result: Result<(), Refusal>) -> (i16, Option<String>) {
    match result {
        Ok(()) => (0, None),
        Err((code, reason)) => (code.code(), Some(reason)),
    }
}

fn configure(
    context: &Context<'_>,
    kind: i8,
    name: &str,
    dry: bool,
    change: impl FnOnce(BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Refusal>,
) -> Result<(), Refusal> {
    if kind != TOPIC {
        let reason = "only topics can be configured while the broker runs".to_owned();
        return Err((Code::InvalidRequest, reason));
    }
    let unknown = || (Code::UnknownTopicOrPartition, "there is no such topic".to_owned());
    let topic = context.node.topics.get(name).ok_or_else(unknown)?;
    let overrides = change(topic.overrides())?;
    check(&overrides).map_err(|reason| (Code::InvalidConfig, reason))?;
    if dry {
        return Ok(());
    }
    context.node.topics.configure(&topic, overrides).map_err(|code| (code, code.to_string()))
}

fn apply(overrides: &mut BTreeMap<String, String>, config: &AlterableConfig) -> Result<(), Refusal> {
    let name = config.name.to_string();
    let value = || {
        let missing = || (Code::InvalidRequest, format!("{name} needs a value"));
        config.value.as_ref().map(ToString::to_string).ok_or_else(missing)
    };
    let known =
        find(&name).ok_or_else(|| (Code::InvalidConfig, format!("unknown topic config name: {name}")))?;
    let current = || overrides.get(&name).map_or(known.default, String::as_str).to_owned();
    let list = |text: String| {
        text.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect::<Vec<_>>()
    };
    let is_list = matches!(known.kind, Kind::List(_));
    let next = match config.config_operation {
        0 => Some(value()?),
        1 => None,
        2 if is_list => {
            let mut words = list(current());
            words.extend(list(value()?).into_iter().filter(|w| !current().split(',').any(|c| c == w)));
            Some(words.join(","))
        }
        3 if is_list => {
            let gone = list(value()?);
            Some(list(current()).into_iter().filter(|w| !gone.contains(w)).collect::<Vec<_>>().join(","))
        }
        _ => return Err((Code::InvalidRequest, format!("this operation does not go with {name}"))),
    };
    match next {
        Some(value) => overrides.insert(name, value),
        None => overrides.remove(&name),
    };
    Ok(())
}

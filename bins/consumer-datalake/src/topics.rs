//! Which topics are landed, and under which feeds.

use affluent_core::cli::Context;
use affluent_core::exit;
use affluent_core::feeds::{Feed, Feeds, Kind};
use affluent_core::layout;
use affluent_core::schema::{Schema, Type};
use affluent_kafka::Admin;
use affluent_lake::Engine;
use affluent_lake::commit::Table;

use crate::args::Args;

/// A topic to land.
pub(crate) struct Target {
    pub(crate) topic: String,
    pub(crate) feed: Feed,
    /// The table, unless its columns have yet to be inferred from records.
    pub(crate) table: Option<Table>,
    /// The next offset of each partition when the run began.
    pub(crate) ends: Vec<i64>,
}

/// Finds the feed of each topic, makes those that are missing, and opens their tables.
pub(crate) fn resolve(args: &Args, context: &Context, engine: &Engine) -> anyhow::Result<Vec<Target>> {
    let mut feeds = engine.block_on(Feeds::load(engine.lake()))?;
    let admin = Admin::open(&args.kafka).map_err(affluent_kafka::Error::into_exit)?;
    let known = admin.topics().map_err(affluent_kafka::Error::into_exit)?;
    let mut topics: Vec<String> = Vec::new();
    if args.all {
        for feed in feeds.enabled() {
            if known.contains(&feed.source) {
                topics.push(feed.source.clone());
            } else {
                tracing::warn!(
                    feed = feed.name,
                    topic = feed.source,
                    "the feed's topic does not exist and is left out"
                );
            }
        }
        if topics.is_empty() {
            anyhow::bail!("none of the enabled feeds has a topic at {}", args.kafka.servers());
        }
    }
    for topic in &args.topics {
        if !known.contains(topic) {
            return Err(admin.unknown(topic).map_err(affluent_kafka::Error::into_exit)?.into_exit());
        }
        if !topics.contains(topic) {
            topics.push(topic.clone());
        }
    }
    let mut targets: Vec<Target> = Vec::new();
    for topic in topics {
        let feed = feed_for(args, context, engine, &mut feeds, &topic)?;
        if let Some(other) = targets.iter().find(|target| target.feed.name == feed.name) {
            return Err(exit::usage(format!(
                "the topics {} and {topic} land under the same feed {}; add a feed with its own name and --source {topic}",
                other.topic, feed.name
            )));
        }
        let table = open(engine, &feed)?;
        let watermarks = admin.watermarks(&topic).map_err(affluent_kafka::Error::into_exit)?;
        let ends = watermarks.iter().map(|watermarks| watermarks.high).collect();
        targets.push(Target { topic, feed, table, ends });
    }
    Ok(targets)
}

fn feed_for(
    args: &Args,
    context: &Context,
    engine: &Engine,
    feeds: &mut Feeds,
    topic: &str,
) -> anyhow::Result<Feed> {
    if let Some(feed) = feeds.for_topic(topic)? {
        return Ok(feed.clone());
    }
    let name = Feed::name_for_topic(topic);
    if args.strict {
        return Err(exit::usage(format!(
            "there is no feed for the topic {topic:?}; run feeds add --name {name} --type stream --source {topic}, \
             or leave --strict out"
        )));
    }
    let feed = Feed::new(&name, Kind::Stream, topic, "made by consumer-datalake", context.clock.now());
    if !engine.block_on(feeds.add(engine.lake(), feed.clone()))? {
        // Another process was faster, or the name is another topic's.
        *feeds = engine.block_on(Feeds::load(engine.lake()))?;
        return feeds.for_topic(topic)?.cloned().ok_or_else(|| {
            exit::usage(format!(
                "the topic {topic:?} has no feed, and the name {name} is taken by one for another source; \
                 run feeds add with another name and --source {topic}"
            ))
        });
    }
    tracing::info!(feed = name, topic, file = layout::active_feed(&name), "made a feed for the topic");
    Ok(feed)
}

/// Opens a feed's table: its declared columns are made sure of, inferred ones are those it has.
fn open(engine: &Engine, feed: &Feed) -> anyhow::Result<Option<Table>> {
    match &feed.schema {
        Some(schema) => Ok(Some(Table::open_or_create(engine, feed.kind, &feed.name, schema)?.table)),
        None => Ok(Table::open(engine, feed.kind, &feed.name)?),
    }
}

/// The columns that a feed's table starts with, given those inferred: its event time is an instant.
pub(crate) fn first_schema(feed: &Feed, mut inferred: Schema) -> Schema {
    inferred.fields.retain(|field| !affluent_core::feeds::is_reserved_column(&field.name));
    if let Some(position) = feed.event_time.as_deref().and_then(|name| inferred.position(name))
        && inferred.fields[position].ty == Type::String
    {
        inferred.fields[position].ty = Type::Timestamp;
    }
    inferred
}

//! Fills a topic with messages, at a steady rate or as fast as it goes, and waits until each is acknowledged.
//!
//! `message` makes message `i` of a plan, `pace` says when it is due, `send` hands it to librdkafka
//! and `deliveries` counts what came of it.

mod args;
mod deliveries;
mod dry_run;
pub mod message;
mod pace;
mod resolve;
mod send;
mod summary;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use affluent_core::cli::Context;
use affluent_core::exit;
use affluent_core::stop::Stop;
use affluent_core::units::show_count;
use affluent_kafka::rdkafka::producer::BaseProducer;
use affluent_kafka::{Admin, Ensured};
use indicatif::ProgressBar;

pub use args::{Acks, Args, Compression};
pub use deliveries::Failure;
use deliveries::{Deliveries, Tally};
use message::{Plan, Source};
use pace::Schedule;
pub use resolve::{plan, source};
use send::Job;
pub use summary::Summary;

/// Sends, prints the summary, and fails when a message was not delivered.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let plan = plan(&args, context.clock.now());
    if args.dry_run {
        let count = args.messages.unwrap_or(10);
        return dry_run::print(&mut source(&args, &plan)?, &plan, count, context.output());
    }
    let stop = Stop::on_signals()?;
    let (summary, sent) = produce(&args, &plan, context, &stop)?;
    context.print(&summary)?;
    sent?;
    if summary.failed > 0 {
        let count = show_count(summary.failed);
        return Err(exit::incomplete(format!("{count} messages were not delivered: {}", summary.reasons())));
    }
    if summary.interrupted {
        return Err(exit::incomplete(format!("stopped after {} messages", show_count(summary.sent))));
    }
    Ok(())
}

/// Sends the messages of a plan. A failure to go on comes beside the summary of what was done.
pub fn produce(
    args: &Args,
    plan: &Plan,
    context: &Context,
    stop: &Stop,
) -> anyhow::Result<(Summary, anyhow::Result<()>)> {
    let threads = args.delivery.threads;
    let sources: Vec<Source> = (0..threads).map(|_| source(args, plan)).collect::<anyhow::Result<_>>()?;
    let admin = Admin::open(&args.kafka).map_err(affluent_kafka::Error::into_exit)?;
    let partitions = usize::try_from(args.delivery.partitions)?;
    let ensured = admin.ensure_topic(&args.topic, partitions).map_err(affluent_kafka::Error::into_exit)?;
    drop(admin);
    let clients = send::clients(&args.kafka, &args.delivery, &args.topic)?;
    let job = Job {
        topic: &args.topic,
        plan,
        messages: resolve::default_messages(args),
        schedule: Schedule::new(args.rate),
        threads,
        start: Instant::now(),
        stop,
        reported: AtomicU64::new(0),
    };
    let (tally, sent) = send_all(&job, sources, clients, context);
    let done = tally.acked + tally.failed();
    let interrupted = stop.is_requested() && job.messages.is_none_or(|messages| done < messages);
    let created = ensured == Ensured::Created;
    let summary = Summary::new(&args.topic, created, interrupted && sent.is_ok(), plan, &tally);
    Ok((if args.content.from.is_some() { summary.without_seed() } else { summary }, sent))
}

fn send_all(
    job: &Job<'_>,
    sources: Vec<Source>,
    clients: Vec<BaseProducer<Deliveries>>,
    context: &Context,
) -> (Tally, anyhow::Result<()>) {
    let bar = job.messages.map_or_else(|| context.spinner(), |messages| context.bar(messages));
    let mut total = Tally::new();
    let mut result = Ok(());
    std::thread::scope(|scope| {
        let (done, ends) = mpsc::channel();
        for ((thread, mut source), client) in (0..job.threads).zip(sources).zip(clients) {
            let done = done.clone();
            scope.spawn(move || {
                let end = job.run(thread, client, &mut source);
                // The receiver outlives the threads.
                let _ = done.send(end);
            });
        }
        drop(done);
        let mut progress = Progress { bar: &bar, context, said: Instant::now() };
        loop {
            match ends.recv_timeout(Duration::from_millis(200)) {
                Ok((tally, sent)) => {
                    total.add(&tally);
                    result = std::mem::replace(&mut result, Ok(())).and(sent);
                }
                Err(RecvTimeoutError::Timeout) => progress.show(job),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    bar.finish_and_clear();
    (total, result)
}

/// Tells how far the run is: a bar on a terminal, a log line now and then otherwise.
struct Progress<'a> {
    bar: &'a ProgressBar,
    context: &'a Context,
    said: Instant,
}

impl Progress<'_> {
    fn show(&mut self, job: &Job<'_>) {
        let reported = job.reported.load(Ordering::Relaxed);
        let rate = (reported as f64 / job.start.elapsed().as_secs_f64()).round() as u64;
        self.bar.set_position(reported);
        let total = if job.messages.is_none() {
            format!("{} messages, ", show_count(reported))
        } else {
            String::new()
        };
        self.bar.set_message(format!("{total}{} msg/s", show_count(rate)));
        if !self.context.is_interactive() && self.said.elapsed() > Duration::from_secs(10) {
            self.said = Instant::now();
            tracing::info!(topic = job.topic, reported, rate, "sending");
        }
    }
}

//! Makes a lake: its folders and the files of the feeds that exist from the start.

use std::fmt;

use affluent_core::cli::{Context, LakeArgs};
use affluent_core::error::Error;
use affluent_core::feeds::{Feeds, builtin};
use affluent_core::lake::Lake;
use affluent_core::layout;
use clap::Parser;
use serde::Serialize;

/// Makes a lake: its folders and the files of the eight feeds that exist from the start.
///
/// Run it as often as you like: what exists is never touched. On an object store, which has no
/// folders, only the feed files are made.
#[derive(Debug, Parser)]
#[command(name = "init-datalake", after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    pub lake: LakeArgs,
}

const EXAMPLES: &str = "Examples:
  init-datalake
  init-datalake --lake-root /data/lake --output json
  init-datalake --lake-root s3://bucket/lake   (credentials from AWS_ACCESS_KEY_ID and the like)

Exit codes: 0 done, 1 failed, 2 wrong usage, 75 try again.";

/// What was made, and what was there before.
#[derive(Debug, Serialize)]
pub struct Report {
    pub lake_root: String,
    pub folders_created: Vec<String>,
    pub feeds_created: Vec<String>,
    pub feeds_existing: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "lake at {}", self.lake_root)?;
        for folder in &self.folders_created {
            writeln!(f, "  created  {folder}/")?;
        }
        for feed in &self.feeds_created {
            writeln!(f, "  created  {}", layout::active_feed(feed))?;
        }
        for feed in &self.feeds_existing {
            writeln!(f, "  exists   {feed}")?;
        }
        if self.folders_created.is_empty() && self.feeds_created.is_empty() {
            writeln!(f, "nothing to do")?;
        }
        Ok(())
    }
}

pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(init(&args.lake.lake_root, context))?;
    context.print(&report)
}

/// Makes what is missing of a lake.
pub async fn init(root: &str, context: &Context) -> anyhow::Result<Report> {
    let lake = Lake::create(root)?;
    let mut report = Report {
        lake_root: root.to_owned(),
        folders_created: Vec::new(),
        feeds_created: Vec::new(),
        feeds_existing: Vec::new(),
    };
    if let Some(local) = lake.local_folder() {
        for folder in layout::FOLDERS {
            let path = local.join(folder);
            if !path.is_dir() {
                std::fs::create_dir_all(&path).map_err(|error| Error::Root {
                    root: root.to_owned(),
                    reason: format!("{folder}: {error}"),
                })?;
                report.folders_created.push((*folder).to_owned());
            }
        }
    }
    let mut feeds = Feeds::default();
    for feed in builtin(context.clock.now()) {
        let name = feed.name.clone();
        // A feed that was archived is there too: it is not made a second time.
        if lake.read(&layout::archived_feed(&name)).await?.is_some() || !feeds.add(&lake, feed).await? {
            report.feeds_existing.push(name);
        } else {
            report.feeds_created.push(name);
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_run_touches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("lake");
        let root = root.to_str().unwrap();
        let context = Context::silent("init-datalake");
        let first = init(root, &context).await.unwrap();
        assert_eq!(first.folders_created, layout::FOLDERS);
        assert_eq!(first.feeds_created.len(), 8);
        let file = format!("{root}/feeds/active/payment_method_totals.json");
        std::fs::write(&file, "changed by hand").unwrap();
        std::fs::rename(format!("{root}/logs"), format!("{root}/elsewhere")).unwrap();
        std::fs::rename(
            format!("{root}/feeds/active/transaction_stream.json"),
            format!("{root}/feeds/archived/transaction_stream.json"),
        )
        .unwrap();
        let second = init(root, &context).await.unwrap();
        assert_eq!(second.folders_created, ["logs"]);
        assert!(second.feeds_created.is_empty());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "changed by hand");
        assert!(!std::fs::exists(format!("{root}/feeds/active/transaction_stream.json")).unwrap());
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("lake");
        std::fs::write(&root, "in the way").unwrap();
        let error = init(root.to_str().unwrap(), &Context::silent("init-datalake")).await.unwrap_err();
        assert!(error.to_string().contains("cannot use"), "{error}");
    }
}

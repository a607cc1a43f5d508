//! Partitions that come and go. What was buffered of them is committed or dropped, never half.

use affluent_kafka::consumer::{Member, TopicPartition};

use crate::ingest::Ingest;
use crate::landing::Work;

impl Ingest<'_> {
    /// Takes partitions over: what dead members left is cleared, and each starts where the lake ends.
    pub(crate) fn assigned(
        &mut self,
        member: &Member,
        partitions: Vec<TopicPartition>,
    ) -> anyhow::Result<()> {
        tracing::info!(partitions = partitions.len(), "took over partitions");
        self.landing.send(Work::Sweep)?;
        let mut starts = Vec::new();
        for index in 0..self.intakes.len() {
            let topic = self.intakes[index].topic.clone();
            let own: Vec<i32> =
                partitions.iter().filter(|(name, _)| *name == topic).map(|(_, p)| *p).collect();
            if own.is_empty() {
                continue;
            }
            for (partition, next) in self.positions(index, own)? {
                let start = self.checked_start(member, &topic, partition, next)?;
                self.intakes[index].assign(partition, start);
                starts.push(((topic.clone(), partition), start));
            }
        }
        self.size_chunks();
        member.assign(&starts).map_err(affluent_kafka::Error::into_exit)
    }

    /// Where the lake ends for partitions of a topic. A table that does not exist yet has none.
    fn positions(&mut self, index: usize, partitions: Vec<i32>) -> anyhow::Result<Vec<(i32, Option<i64>)>> {
        if self.intakes[index].is_sampling() {
            return Ok(partitions.into_iter().map(|partition| (partition, None)).collect());
        }
        Ok(self.landing.assign(index, partitions)?)
    }

    /// Gives partitions up: first what is buffered of them is committed, unless the group has given
    /// them to others already; then the log decides, and drops it.
    pub(crate) fn revoked(&mut self, member: &Member, partitions: Vec<TopicPartition>) -> anyhow::Result<()> {
        let lost = member.is_lost();
        tracing::info!(partitions = partitions.len(), lost, "gave up partitions");
        for index in 0..self.intakes.len() {
            let topic = self.intakes[index].topic.clone();
            let own: Vec<i32> =
                partitions.iter().filter(|(name, _)| *name == topic).map(|(_, p)| *p).collect();
            if own.is_empty() {
                continue;
            }
            if !lost {
                self.commit(index)?;
            }
            self.landing.send(Work::Drop { topic: index, partitions: own.clone() })?;
            for partition in own {
                self.intakes[index].drop_partition(partition);
            }
        }
        // The next owner reads the log as soon as the group knows: it must hold our commit.
        self.landing.finish()?;
        self.reports(member)?;
        self.size_chunks();
        member.unassign(&partitions).map_err(affluent_kafka::Error::into_exit)
    }

    /// Another process has landed more of these partitions than we have: we go on from there.
    pub(crate) fn fenced(&mut self, member: &Member, index: usize, partitions: &[i32]) -> anyhow::Result<()> {
        let topic = self.intakes[index].topic.clone();
        tracing::warn!(
            topic,
            ?partitions,
            "another process has landed these partitions further; what was buffered is dropped"
        );
        let still: Vec<i32> = partitions.iter().copied().filter(|p| self.intakes[index].has(*p)).collect();
        for partition in partitions {
            self.intakes[index].drop_partition(*partition);
        }
        for (partition, next) in self.landing.assign(index, still)? {
            self.intakes[index].assign(partition, next);
            if let Err(error) = member.seek(&topic, partition, next) {
                // Not ours any more: the rebalance that says so is on its way.
                tracing::debug!(%error, "cannot go back in a partition that was taken away");
                self.intakes[index].drop_partition(partition);
            }
        }
        Ok(())
    }
}

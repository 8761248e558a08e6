//! commonware-storage: its contiguous journal of items of any length, set up as in its own benches.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use commonware_codec::RangeCfg;
use commonware_runtime::buffer::paged::{CacheRef, page_size};
use commonware_runtime::tokio::{self, Context};
use commonware_runtime::{BLOB_PAGE_SIZE, ReadOptions, Runner as _};
use commonware_storage::journal::contiguous::variable::{Config, Journal};
use commonware_storage::journal::contiguous::{Contiguous as _, Many};
use futures::StreamExt as _;
use workload::{Load, Outcome, Peer, Sync, versioned};

const BUFFER: NonZeroUsize = NonZeroUsize::new(1 << 20).unwrap();
const PAGES: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
const ITEMS: NonZeroU64 = NonZeroU64::new(100_000).unwrap();
/// How many go in at once.
const BATCH: usize = 1_000;

struct Commonware;

fn runner(dir: &Path) -> tokio::Runner {
    tokio::Runner::new(tokio::Config::default().with_storage_directory(dir))
}

async fn open(context: Context) -> Outcome<Journal<Context, Bytes>> {
    let config = Config {
        partition: "log".to_owned(),
        items_per_section: ITEMS,
        compression: None,
        codec_config: RangeCfg::from(..),
        page_cache: CacheRef::new(page_size(BLOB_PAGE_SIZE), PAGES),
        write_buffer: BUFFER,
        replay_buffer: BUFFER,
    };
    Ok(Journal::init(context, config).await?)
}

impl Peer for Commonware {
    fn subject(&self) -> String {
        versioned("commonware-storage")
    }

    fn note(&self) -> &'static str {
        "a second journal of offsets, so that each event can be found by its number at once; a CRC-32C for each page; \
         asynchronous: a sync goes over to another thread and back; a sync is commit(), which opens after a crash by \
         replaying what the offsets lack"
    }

    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration> {
        let items: Vec<Bytes> = load.payloads.iter().map(|payload| Bytes::copy_from_slice(payload)).collect();
        runner(dir).start(|context| async move {
            let mut journal = open(context).await?;
            let start = Instant::now();
            for group in sync.groups(&items) {
                for some in group.chunks(BATCH) {
                    (journal, _) = journal.append_many(Many::Flat(some)).await?;
                }
                journal = journal.commit().await?;
            }
            let time = start.elapsed();
            journal.sync().await?;
            Ok(time)
        })
    }

    fn read(&self, dir: &Path, load: &Arc<Load>) -> Outcome<()> {
        runner(dir).start(|context| async move {
            let (_journal, reader) = open(context).await?.snapshot().await?;
            let mut batches = pin!(reader.replay(reader.bounds(), BUFFER, ReadOptions::default()).await?);
            let mut check = load.check();
            while let Some(batch) = batches.next().await {
                for (_, item) in batch? {
                    check.next(&item)?;
                }
            }
            check.done()
        })
    }
}

fn main() -> ExitCode {
    workload::main(&[&Commonware])
}

//! A prefix in an object store, by the crate `object_store`.

use std::env;
use std::error::Error as StdError;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    ClientConfigKey, Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    RetryConfig,
};
use tokio::runtime::{Builder, Runtime};

use super::bucket::{Bucket, Created, Listed};
use super::error::{Error, Result};
use crate::codec::len_u64;
use crate::model::time::Timestamp;
use crate::policy::remote::{Address, Scheme};

/// A request that got no answer by then is over: a part must fit through a slow line.
const REQUEST_TIMEOUT: &str = "300 seconds";
/// No attempt begins this long after the first one.
const RETRY_FOR: Duration = Duration::from_mins(2);
const MAX_RETRIES: usize = 10;
/// How long is waited before a request whose answer broke off is sent again: from this on, four times as long each time …
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// … to this.
const LAST_PAUSE: Duration = Duration::from_secs(4);

/// Objects under a prefix of S3 and what speaks its protocol, Google Cloud Storage, Azure, or a directory.
pub struct ObjectBucket {
    store: Box<dyn ObjectStore>,
    runtime: Arc<Runtime>,
    prefix: Path,
    /// As it is shown: without a slash at its end.
    url: String,
}

impl fmt::Debug for ObjectBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectBucket").field("url", &self.url).finish_non_exhaustive()
    }
}

impl ObjectBucket {
    /// The prefix that `url` names: `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`,
    /// `file:///DIRECTORY`. Credentials, region and endpoint come from the environment, by the names that the vendors' own
    /// tools read. Nothing is asked of the store yet.
    ///
    /// # Errors
    /// [`Error::Address`] for what is none, or a configuration that cannot be used.
    pub fn open(url: &str) -> Result<Self> {
        let wrong = |reason: String| Error::Address { url: url.to_owned(), reason };
        let address = Address::parse(url).map_err(|reason| wrong(reason.to_owned()))?;
        let prefix = Path::parse(address.prefix).map_err(|e| wrong(e.to_string()))?;
        let store = open_store(&address).map_err(|e| wrong(e.to_string()))?;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|e| wrong(format!("no threads for it: {e}")))?;
        Ok(Self { store, runtime: Arc::new(runtime), prefix, url: url.trim_end_matches('/').to_owned() })
    }

    /// Runs a request, again if its answer broke off in the middle: that one case the store's client does not retry itself.
    fn run<T, F>(&self, request: impl Fn() -> F) -> object_store::Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            let outcome = self.runtime.block_on(request());
            match outcome {
                Err(error) if pause <= LAST_PAUSE && broke_off(&error) => {
                    // Half of it by chance, so that many clients do not come back at once.
                    let chance = RandomState::new().build_hasher().finish() % 1000;
                    std::thread::sleep(
                        pause.mul_f64(0.5 + f64::from(u16::try_from(chance).unwrap_or(0)) / 2000.0),
                    );
                    pause = pause.saturating_mul(4);
                }
                outcome => return outcome,
            }
        }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), Path::join)
    }

    /// The name below the prefix.
    fn name(&self, path: &Path) -> Option<String> {
        let parts: Vec<_> = path.prefix_match(&self.prefix)?.map(|part| part.as_ref().to_owned()).collect();
        Some(parts.join("/"))
    }
}

fn open_store(address: &Address<'_>) -> object_store::Result<Box<dyn ObjectStore>> {
    let retry = RetryConfig { max_retries: MAX_RETRIES, retry_timeout: RETRY_FOR, ..RetryConfig::default() };
    Ok(match address.scheme {
        Scheme::S3 => {
            // As the vendor's tools: an endpoint that is given with http is meant so.
            let plain = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
                .iter()
                .any(|name| env::var(name).is_ok_and(|url| url.starts_with("http://")));
            let mut builder = AmazonS3Builder::from_env()
                .with_bucket_name(address.bucket)
                .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT)
                .with_retry(retry);
            if let Ok(endpoint) = env::var("AWS_ENDPOINT_URL_S3") {
                builder = builder.with_endpoint(endpoint);
            }
            Box::new(if plain { builder.with_allow_http(true) } else { builder }.build()?)
        }
        Scheme::Gcs => Box::new(
            GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(address.bucket)
                .with_config(GoogleConfigKey::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT)
                .with_retry(retry)
                .build()?,
        ),
        Scheme::Azure => Box::new(
            MicrosoftAzureBuilder::from_env()
                .with_container_name(address.bucket)
                .with_config(AzureConfigKey::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT)
                .with_retry(retry)
                .build()?,
        ),
        Scheme::File => Box::new(LocalFileSystem::new().with_fsync(true)),
    })
}

/// The causes of an error, from the outside in.
fn causes(error: &StoreError) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let outermost: &(dyn StdError + 'static) = error;
    std::iter::successors(Some(outermost), |error| (*error).source())
}

/// Whether an answer ended before it was whole.
fn broke_off(error: &StoreError) -> bool {
    let kinds = [
        ErrorKind::UnexpectedEof,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::BrokenPipe,
    ];
    causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|io| kinds.contains(&io.kind()))
}

/// What a store says, in a sentence: the innermost cause, without the layers that it came through.
fn told(error: StoreError) -> io::Error {
    let mut kind = match &error {
        StoreError::NotFound { .. } => ErrorKind::NotFound,
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            ErrorKind::PermissionDenied
        }
        StoreError::AlreadyExists { .. } => ErrorKind::AlreadyExists,
        _ => ErrorKind::Other,
    };
    let io = causes(&error).find_map(|cause| cause.downcast_ref::<io::Error>());
    if let Some(io) = io.filter(|_| kind == ErrorKind::Other) {
        kind = io.kind();
    }
    let said = causes(&error).last().map(ToString::to_string).unwrap_or_default();
    // What S3 answers is XML, which says it in two elements.
    let element = |name: &str| {
        let (_, rest) = said.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text.to_owned())
    };
    let code = element("Code");
    kind = match code.as_deref() {
        Some("NoSuchBucket") => ErrorKind::NotFound,
        Some(
            "AccessDenied"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "RequestTimeTooSkewed"
            | "ExpiredToken"
            | "InvalidToken",
        ) => ErrorKind::PermissionDenied,
        _ => kind,
    };
    let message = match (code, element("Message")) {
        (Some(code), Some(message)) => format!("the store says {code}: {message}"),
        (Some(code), None) => format!("the store says {code}"),
        (None, _) => said,
    };
    io::Error::new(kind, message)
}

impl Bucket for ObjectBucket {
    fn create(&self, name: &str, bytes: Vec<u8>) -> io::Result<Created> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let (path, bytes) = (self.path(name), PutPayload::from(bytes));
        match self.run(|| self.store.put_opts(&path, bytes.clone(), options.clone())) {
            Ok(_) => Ok(Created::New),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Ok(Created::Exists),
            Err(error) => Err(told(error)),
        }
    }

    fn get(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        let path = self.path(name);
        let found = self.run(|| async {
            let found = self.store.get(&path).await?;
            let size = found.meta.size;
            // What is too large is not read.
            if size > max { Ok(Err(size)) } else { Ok(Ok(found.bytes().await?)) }
        });
        found.map_err(told)?.map(Vec::from).map_err(|size| {
            let message = format!("the object has {size} bytes, at most {max} are allowed here");
            io::Error::new(ErrorKind::FileTooLarge, message)
        })
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let path = self.path(name);
        let range = offset..offset.saturating_add(length);
        let bytes = self.run(|| self.store.get_range(&path, range.clone())).map_err(told)?;
        if len_u64(bytes.len()) != length {
            let message = format!("the object gives {} bytes where {length} are wanted", bytes.len());
            return Err(io::Error::new(ErrorKind::UnexpectedEof, message));
        }
        Ok(bytes.into())
    }

    fn list(&self, directory: &str, after: Option<&str>) -> io::Result<Vec<Listed>> {
        let (within, after) = (self.path(directory), after.map(|after| self.path(after)));
        let listing = || match &after {
            Some(after) => self.store.list_with_offset(Some(&within), after),
            None => self.store.list(Some(&within)),
        };
        let found: Vec<_> = self.run(|| listing().try_collect()).map_err(told)?;
        let mut listed: Vec<_> = found
            .into_iter()
            .filter_map(|meta| {
                let (name, modified) =
                    (self.name(&meta.location)?, Timestamp::from_chrono(&meta.last_modified));
                Some(Listed { name, size: meta.size, modified })
            })
            .collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        match self.run(|| self.store.delete(&path)) {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(told(error)),
        }
    }

    fn location(&self, name: &str) -> String {
        if name.is_empty() { self.url.clone() } else { format!("{}/{name}", self.url) }
    }
}

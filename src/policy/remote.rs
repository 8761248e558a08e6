//! Where remote copies are, and how they are kept up: what `[remote]` in snaplog.toml says.

use std::time::Duration;

/// Remote copies of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remotes {
    /// Their addresses, in the order of the file; each can be read as an [`Address`].
    pub urls: Vec<String>,
    /// How far behind they may be while a collector runs; `None`: they are brought up by a push alone.
    pub follow: Option<Duration>,
    /// Bytes a second that are sent to each copy at most; `None`: as fast as it goes.
    pub limit: Option<u64>,
    /// After a push, what no push of this long needs is removed from a copy; `None`: nothing is.
    pub grace: Option<Duration>,
}

/// What kind of store an address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// S3, or what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
    /// A directory.
    File,
}

/// An address of a remote copy, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    /// The kind of store.
    pub scheme: Scheme,
    /// The bucket or container; empty for a directory.
    pub bucket: &'a str,
    /// What all names in it begin with, without a slash at either end.
    pub prefix: &'a str,
}

impl<'a> Address<'a> {
    /// Reads `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX` or `file:///DIRECTORY`.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(url: &'a str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("it has no `://`")?;
        let scheme = match scheme {
            "s3" => Scheme::S3,
            "gs" => Scheme::Gcs,
            "az" => Scheme::Azure,
            "file" => Scheme::File,
            _ => return Err("the part before `://` is not s3, gs, az or file"),
        };
        let rest = rest.trim_end_matches('/');
        if scheme == Scheme::File {
            return match rest.strip_prefix('/') {
                Some(prefix) if !prefix.is_empty() => Ok(Self { scheme, bucket: "", prefix }),
                _ => Err("a directory is given from the root on, after three slashes"),
            };
        }
        if rest.contains(['@', '?', '#']) {
            return Err("it has `@`, `?` or `#` in it; credentials come from the environment");
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("it names no bucket");
        }
        Ok(Self { scheme, bucket, prefix })
    }

    /// Whether a text is meant as an address, and not as a directory.
    pub fn is_meant(text: &str) -> bool {
        ["s3://", "gs://", "az://", "file://"].iter().any(|scheme| text.starts_with(scheme))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let address = |scheme, bucket, prefix| Ok(Address { scheme, bucket, prefix });
        assert_eq!(Address::parse("s3://crawls/freesound/a"), address(Scheme::S3, "crawls", "freesound/a"));
        assert_eq!(Address::parse("gs://crawls/"), address(Scheme::Gcs, "crawls", ""));
        assert_eq!(Address::parse("file:///backup/crawl/"), address(Scheme::File, "", "backup/crawl"));
        for wrong in
            ["crawls", "s3://", "s3:///a", "ftp://a/b", "file://", "file:///", "file://a/b", "s3://key@a/b"]
        {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}

//! `keys.json`: the data keys of an encrypted log, wrapped for its recipients. FORMAT.md, section 20.5.

use std::io::{Read, Write};
use std::iter;
use std::str::FromStr;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::{ExposeSecret, SecretString};
use age::{scrypt, x25519};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::key_error::KeyError;
use crate::codec;
use crate::format::seal::{DataKey, Keyring, SealHead, Sealed};
use crate::model::position::LogId;

/// Version of the key file.
const FORMAT: u32 = 1;
/// log2 of the work that it takes to try a passphrase, as age itself has it: about a second, and 256 MiB.
const WORK: u8 = 18;
/// The most recipients: each that has a passphrase costs the work to try it.
const MAX_RECIPIENTS: usize = 64;
/// The most work that a key file may ask for: 1 GiB.
const MAX_WORK: u8 = 20;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFile {
    format: u32,
    /// The log, in hexadecimal.
    log: String,
    pub(super) recipients: Vec<Recipient>,
    /// An age file, armored: [`Wrapped`], for all recipients.
    keys: String,
    /// [`Sealed`], of nothing, with the newest key and bound to the recipients: in hexadecimal.
    proof: String,
}

/// Somebody who can open the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipient {
    /// As age writes it: `age1…`.
    pub(super) recipient: String,
    /// Its identity, wrapped with a passphrase: an age file, armored. Empty if whoever holds the identity keeps it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) passphrase: String,
}

/// What is in the age file.
#[derive(Serialize, Deserialize)]
struct Wrapped {
    log: String,
    keys: Vec<WrappedKey>,
}

#[derive(Serialize, Deserialize)]
struct WrappedKey {
    number: u32,
    /// In hexadecimal.
    key: Zeroizing<String>,
}

impl Recipient {
    /// One whose identity is kept by somebody.
    pub(super) fn public(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        match x25519::Recipient::from_str(text) {
            Ok(_) => Ok(Self { recipient: text.to_owned(), passphrase: String::new() }),
            Err(_) => Err(KeyError::BadRecipient { text: text.to_owned() }),
        }
    }

    /// One whose identity is made here, and wrapped with a passphrase.
    pub(super) fn with_passphrase(passphrase: &SecretString) -> Result<Self, KeyError> {
        let identity = x25519::Identity::generate();
        let mut lock = scrypt::Recipient::new(passphrase.clone());
        lock.set_work_factor(WORK);
        let wrapped = wrap(&[&lock], identity.to_string().expose_secret().as_bytes())?;
        Ok(Self { recipient: identity.to_public().to_string(), passphrase: wrapped })
    }
}

/// As age takes them.
fn as_recipient(one: &x25519::Recipient) -> &dyn age::Recipient {
    one
}

/// As age takes them.
pub(super) fn as_identity<I: age::Identity>(one: &I) -> &dyn age::Identity {
    one
}

fn trouble(what: impl ToString) -> KeyError {
    KeyError::KeyFile { path: crate::format::names::KEYS.to_owned(), what: what.to_string() }
}

fn wrap(recipients: &[&dyn age::Recipient], secret: &[u8]) -> Result<String, KeyError> {
    let wrap = || -> Result<Vec<u8>, String> {
        let encryptor =
            age::Encryptor::with_recipients(recipients.iter().copied()).map_err(|e| e.to_string())?;
        let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).map_err(|e| e.to_string())?;
        let mut to = encryptor.wrap_output(armor).map_err(|e| e.to_string())?;
        to.write_all(secret).map_err(|e| e.to_string())?;
        to.finish().and_then(ArmoredWriter::finish).map_err(|e| e.to_string())
    };
    String::from_utf8(wrap().map_err(trouble)?).map_err(trouble)
}

/// `Ok(None)`: none of the identities opens it.
fn unwrap<'a>(
    armored: &str,
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
    let decryptor = age::Decryptor::new(ArmoredReader::new(armored.as_bytes())).map_err(trouble)?;
    let mut reader = match decryptor.decrypt(identities) {
        Err(age::DecryptError::NoMatchingKeys | age::DecryptError::DecryptionFailed) => return Ok(None),
        decrypted => decrypted.map_err(trouble)?,
    };
    let mut secret = Zeroizing::new(Vec::new());
    reader.read_to_end(&mut secret).map_err(trouble)?;
    Ok(Some(secret))
}

impl KeyFile {
    /// A file with the keys of a log, for these recipients. `salt`: random.
    pub(super) fn new(keys: &Keyring, recipients: Vec<Recipient>, salt: [u8; 32]) -> Result<Self, KeyError> {
        if recipients.is_empty() {
            return Err(KeyError::NoRecipient);
        }
        if recipients.len() > MAX_RECIPIENTS {
            return Err(trouble(format!("a log has at most {MAX_RECIPIENTS} recipients")));
        }
        let log = keys.log_id().to_string();
        let wrapped = Wrapped {
            log: log.clone(),
            keys: keys
                .keys()
                .map(|key| WrappedKey { number: key.number(), key: Zeroizing::new(to_hex(key.secret())) })
                .collect(),
        };
        let secret = Zeroizing::new(serde_json::to_vec(&wrapped).map_err(trouble)?);
        let public: Vec<x25519::Recipient> = recipients
            .iter()
            .map(|one| {
                let text = one.recipient.clone();
                x25519::Recipient::from_str(&text).map_err(|_why| KeyError::BadRecipient { text })
            })
            .collect::<Result<_, _>>()?;
        let public: Vec<&dyn age::Recipient> = public.iter().map(as_recipient).collect();
        let head = keys.begin(salt);
        let mut bytes = Vec::new();
        let seal = keys.seal(&head, &bound(&recipients)).map_err(trouble)?;
        seal.seal(0, &[], &[], &mut bytes).map_err(trouble)?;
        let proof = codec::to_bytes(&Sealed { head, bytes }).map_err(trouble)?;
        Ok(Self { format: FORMAT, log, keys: wrap(&public, &secret)?, proof: to_hex(&proof), recipients })
    }

    /// Reads the file.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        let file: Self = serde_json::from_slice(bytes).map_err(trouble)?;
        if file.format != FORMAT {
            return Err(trouble("a newer snaplog made it"));
        }
        if file.recipients.len() > MAX_RECIPIENTS {
            return Err(trouble("it lists more recipients than any has"));
        }
        Ok(file)
    }

    /// The log that it says it is of.
    pub(super) fn log_id(&self) -> Result<LogId, KeyError> {
        let id = from_hex(&self.log).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        id.map(LogId).ok_or_else(|| trouble("it names no log"))
    }

    /// The file's bytes.
    pub(super) fn encode(&self) -> Result<Vec<u8>, KeyError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(trouble)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The identities that are kept in the file, and that `passphrase` opens.
    pub(super) fn identities(&self, passphrase: &SecretString) -> Result<Vec<x25519::Identity>, KeyError> {
        let mut lock = scrypt::Identity::new(passphrase.clone());
        lock.set_max_work_factor(MAX_WORK);
        let mut found = Vec::new();
        for one in self.recipients.iter().filter(|one| !one.passphrase.is_empty()) {
            if let Some(secret) = unwrap(&one.passphrase, iter::once(as_identity(&lock)))? {
                let text = std::str::from_utf8(&secret).map_err(trouble)?;
                found.push(x25519::Identity::from_str(text).map_err(trouble)?);
            }
        }
        Ok(found)
    }

    /// The data keys, if one of the identities opens them.
    pub(super) fn open<'a>(
        &self,
        log_id: LogId,
        identities: impl Iterator<Item = &'a dyn age::Identity>,
    ) -> Result<Option<Keyring>, KeyError> {
        let Some(secret) = unwrap(&self.keys, identities)? else { return Ok(None) };
        let wrapped: Wrapped =
            serde_json::from_slice(&secret).map_err(|_secret| trouble("what is in it is no list of keys"))?;
        if wrapped.log != log_id.to_string() || self.log != wrapped.log {
            return Err(trouble(format!("it is that of the log {}", self.log)));
        }
        let key = |one: WrappedKey| -> Result<DataKey, KeyError> {
            let mut bytes = from_hex(&one.key).ok_or_else(|| trouble("a key in it is none"))?;
            let secret = <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new);
            bytes.zeroize();
            let secret = secret.map_err(|_secret| trouble("a key in it is none"))?;
            Ok(DataKey::new(one.number, secret))
        };
        let keys = wrapped.keys.into_iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let keys = Keyring::new(log_id, keys).ok_or_else(|| trouble("there is no key in it"))?;
        let proof = from_hex(&self.proof).ok_or_else(|| trouble("its proof is none"))?;
        let Sealed { head, bytes } = codec::from_bytes(&proof).map_err(trouble)?;
        let head = SealHead { key: keys.newest(), ..head };
        // Who can write the file could name himself as a recipient, and wait until the keys are wrapped anew.
        keys.seal(&head, &bound(&self.recipients))
            .and_then(|seal| seal.open("the list of recipients", 0, &[], &bytes))
            .map_err(|_fault| {
                trouble("its list of recipients was changed by somebody who does not have the key")
            })?;
        Ok(Some(keys))
    }
}

/// The recipients, as the proof is bound to them.
fn bound(recipients: &[Recipient]) -> Vec<u8> {
    let lines = recipients.iter().flat_map(|one| [&one.recipient, "\0", &one.passphrase, "\0"]);
    lines.collect::<String>().into_bytes()
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(high)? << 4 | digit(low)?);
    pairs.iter().map(byte).collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty())
}

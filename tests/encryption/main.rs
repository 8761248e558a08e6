//! Encrypted logs: nothing of them in the clear, nothing in them changed unseen, and who can open them.
#![cfg(feature = "encryption")]

#[cfg(test)]
mod damage;
#[cfg(test)]
mod golden;
#[cfg(test)]
#[path = "../support/identity.rs"]
mod identity;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod spy;
#[cfg(test)]
mod whole;
#[cfg(test)]
mod world;

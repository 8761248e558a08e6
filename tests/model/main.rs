//! The in-memory graph, tested from outside: against a naive model of NetworkX, through the bytes of a payload,
//! through savepoints, with hostile input, and in its corner cases by name.

#[cfg(test)]
mod corners;
#[cfg(test)]
mod events;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod picture;
#[cfg(test)]
mod random;
#[cfg(test)]
mod rig;

//! The service, the network and what lies between them fail, lie or want too much: the mirror keeps
//! what it has, shows the key to nobody else, and converges when the fault ends.

mod hostile;
mod lies;
mod reach;
mod service;
mod unproved;
mod uploads;
mod wire;

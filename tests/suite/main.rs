//! The public surface, over a socket, against the real program. A file per feature; the providers
//! are played by `double`.

mod client;
mod double;
mod money;

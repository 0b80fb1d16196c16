//! Load generator with raw NATS beside it.

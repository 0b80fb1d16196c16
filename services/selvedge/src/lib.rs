//! The selvedge binary: up, serve, init and the command line.

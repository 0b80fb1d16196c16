//! Harness, calls, stories and faults, against a real nats-server.

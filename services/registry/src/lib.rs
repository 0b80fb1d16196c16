//! Agents, sessions, credentials, missions, user requests and payload contracts.

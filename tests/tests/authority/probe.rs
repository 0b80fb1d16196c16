//! A client that knows what it was denied.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_nats::{Client, Event, ServerError};
use selvedge_kit::authority::{Credential, push::connect_options};
use selvedge_tests::{Bus, wait};

/// A connection whose events are kept.
pub(crate) struct Probe {
    pub(crate) client: Client,
    events: Arc<Mutex<Vec<String>>>,
}

impl Probe {
    pub(crate) async fn connect(bus: &Bus, credential: &Credential) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&events);
        let options = connect_options(credential).unwrap().event_callback(move |event| {
            kept.lock().unwrap().push(match event {
                Event::ServerError(ServerError::Other(message)) => message,
                other => other.to_string(),
            });
            async {}
        });
        let client = options.connect(bus.addresses()).await.unwrap();
        Self { client, events }
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    fn denials(&self) -> Vec<String> {
        let mut events = self.events();
        events.retain(|event| event.to_lowercase().contains("permissions violation"));
        events
    }

    /// Publishes to each subject; gives those that nats-server refused.
    pub(crate) async fn refused_publishes(&self, subjects: &[String]) -> Vec<String> {
        for subject in subjects {
            self.client.publish(subject.clone(), "{}".into()).await.unwrap();
        }
        self.settled().await;
        let denials = self.denials();
        let refused =
            |subject: &&String| denials.iter().any(|denial| denial.contains(&format!("\"{subject}\"")));
        subjects.iter().filter(refused).cloned().collect()
    }

    /// Subscribes to each `subject` or `subject group`; gives those that nats-server refused.
    pub(crate) async fn refused_subscriptions(&self, subjects: &[&str]) -> Vec<String> {
        let mut open = Vec::new();
        for subject in subjects {
            open.push(match subject.split_once(' ') {
                Some((subject, group)) => {
                    self.client.queue_subscribe(subject.to_owned(), group.to_owned()).await.unwrap()
                }
                None => self.client.subscribe((*subject).to_owned()).await.unwrap(),
            });
        }
        self.settled().await;
        let denials = self.denials();
        let said = |subject: &str| match subject.split_once(' ') {
            Some((subject, group)) => format!("\"{subject}\" using queue \"{group}\""),
            None => format!("Subscription to \"{subject}\""),
        };
        let refused = |subject: &&&str| {
            let said = said(subject).to_lowercase();
            denials.iter().any(|denial| denial.to_lowercase().trim_end_matches('\'').ends_with(&said))
        };
        subjects.iter().filter(refused).map(|subject| (*subject).to_owned()).collect()
    }

    /// Waits until nats-server has answered all that was sent before: it refuses in order, so the refusal
    /// of a subject nobody may publish comes last.
    async fn settled(&self) {
        let mark = format!("nobody.may.publish.{}", self.events().len());
        self.client.publish(mark.clone(), "".into()).await.unwrap();
        self.client.flush().await.unwrap();
        wait::until("the refusal of the mark", async || {
            let events = self.events();
            if events.iter().any(|event| event.to_lowercase().contains(&mark)) { Ok(()) } else { Err(events) }
        })
        .await;
    }

    /// Waits until an event whose text holds `wanted` has come.
    pub(crate) async fn event(&self, within: Duration, wanted: &str) {
        wait::until_within(within, wanted, async || {
            let events = self.events();
            let came = events.iter().any(|event| event.to_lowercase().contains(wanted));
            if came { Ok(()) } else { Err(events) }
        })
        .await;
    }
}

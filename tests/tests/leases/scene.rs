//! A fabric with the service `leases`, and agents that ask it.

use selvedge_contracts::{
    call,
    fault::Fault,
    id::SpaceId,
    payload::{
        claim::{Claim, Mode},
        lease::{Acquire, AcquireReply, Before, Check, Checked, Lease, LeaseList, Release, Renew, Standing},
    },
    role::Role,
};
use selvedge_kit::{
    client::{Client, Options},
    service::Running,
};
use selvedge_tests::fabric::{Agent, Fabric, Working, plain_session};

/// The space of all tests.
pub(crate) const SPACE: &str = "shop";

/// A fabric with one replica of `leases`.
pub(crate) struct Scene {
    pub(crate) fabric: Fabric,
    pub(crate) leases: Vec<Running>,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::start_with(selvedge_tests::Options::LAZY, 1).await
    }

    pub(crate) async fn start_with(options: selvedge_tests::Options, replicas: usize) -> Self {
        let fabric = Fabric::start_with(options).await;
        let mut leases = Vec::new();
        for index in 0..replicas {
            leases.push(fabric.leases_replica(&format!("l{index}")).await);
        }
        Self { fabric, leases }
    }

    pub(crate) async fn worker(&self, name: &str) -> Worker {
        let (agent, session) = self.fabric.worker(name).await;
        Worker { client: session.client.clone(), session, agent }
    }

    pub(crate) async fn planner(&self, name: &str) -> Client {
        let agent = self.fabric.agent(name, Role::Planner).await;
        self.fabric.session(&agent, plain_session()).await.expect("a session").client
    }
}

/// An agent in a session.
pub(crate) struct Worker {
    pub(crate) agent: Agent,
    pub(crate) session: Working,
    pub(crate) client: Client,
}

pub(crate) fn space() -> SpaceId {
    SpaceId::new(SPACE).unwrap()
}

/// An exclusive claim on a path.
pub(crate) fn path(path: &str) -> Claim {
    Claim::Path { path: path.to_owned(), mode: Mode::Exclusive }
}

pub(crate) fn wanted(claims: Vec<Claim>) -> Acquire {
    Acquire { space: space(), claims, purpose: "a test".to_owned(), ttl_ms: None, wait_ms: None }
}

impl Worker {
    pub(crate) fn id(&self) -> &str {
        self.agent.record.id.as_str()
    }

    pub(crate) async fn acquire(&self, request: &Acquire) -> Result<AcquireReply, Fault> {
        self.client.call::<call::LeaseAcquire>(request).await.map(|answered| answered.reply)
    }

    pub(crate) async fn keyed(&self, key: &str, request: &Acquire) -> Result<AcquireReply, Fault> {
        self.keyed_within(key, request, 20_000).await
    }

    pub(crate) async fn keyed_within(
        &self,
        key: &str,
        request: &Acquire,
        timeout_ms: u64,
    ) -> Result<AcquireReply, Fault> {
        let options = Options {
            idempotency_key: Some(key.to_owned()),
            timeout_ms: Some(timeout_ms),
            ..Options::default()
        };
        self.client.call_with::<call::LeaseAcquire>(request, &options).await.map(|answered| answered.reply)
    }

    /// Takes an exclusive lease on a path.
    pub(crate) async fn take(&self, claimed: &str) -> Lease {
        self.acquire(&wanted(vec![path(claimed)])).await.expect("a lease").lease
    }

    pub(crate) async fn release(&self, lease: &Lease) -> Result<Before, Fault> {
        let release = Release { space: lease.space.clone(), lease: lease.id.clone() };
        self.client.call::<call::LeaseRelease>(&release).await.map(|answered| answered.reply.was)
    }

    pub(crate) async fn renew(&self, lease: &Lease, ttl_ms: Option<u64>) -> Result<Lease, Fault> {
        let token = lease.token.expect("a token");
        let renew = Renew { space: lease.space.clone(), lease: lease.id.clone(), token, ttl_ms };
        self.client.call::<call::LeaseRenew>(&renew).await.map(|answered| answered.reply.lease)
    }

    pub(crate) async fn standing(&self, lease: &Lease) -> Standing {
        self.try_standing(lease).await.expect("a verdict")
    }

    pub(crate) async fn try_standing(&self, lease: &Lease) -> Result<Standing, Fault> {
        let token = Checked { lease: lease.id.clone(), token: lease.token.expect("a token") };
        let check = Check { space: lease.space.clone(), tokens: vec![token] };
        self.client.call::<call::LeaseCheck>(&check).await.map(|answered| answered.reply.verdicts[0].standing)
    }

    pub(crate) async fn list(&self) -> Vec<Lease> {
        let list = LeaseList { space: Some(space()), ..LeaseList::default() };
        self.client.call::<call::LeaseList>(&list).await.expect("a list").reply.leases
    }
}

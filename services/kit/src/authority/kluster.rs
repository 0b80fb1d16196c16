//! One kluster's keys.
//!
//! ```text
//! klusters/<name>/account.nk         the account
//! klusters/<name>/account.jwt        its token: limits, signing keys, templates, revocations
//! klusters/<name>/account.lock       locked by whoever writes that token or makes a role's key
//! klusters/<name>/revoked.json       when the credentials of revoked keys end, where that is soon
//! klusters/<name>/roles/<role>.nk    one scoped signing key for each role
//! klusters/<name>/registry/          what the registry gets: account.pub and the keys of the roles it
//!                                    may sign for (copies)
//! ```

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    path::{Path, PathBuf},
};

use nkeys::KeyPair;
use selvedge_contracts::{
    id::{Caller, EffectorName, KlusterName, Mission, PublicKey, ScopeId},
    role::{Role, Service},
};

use super::{
    Credential, Error, LONGEST_LIFE_MS, RoleSigner, files,
    jwt::{self, JetStream, Life, Tags},
    key::{self, Sort},
    signer::ACCOUNT_FILE,
};

const ENDS_FILE: &str = "revoked.json";

/// What came of taking keys back until they end by themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revoked {
    /// Keys that are newly revoked.
    pub taken: usize,
    /// Keys that the account's token had no room for: nats-server goes on to trust them.
    pub left_out: usize,
}

/// One kluster of the key folder.
pub struct Kluster {
    folder: PathBuf,
    name: KlusterName,
    account: KeyPair,
}

impl fmt::Debug for Kluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kluster").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Kluster {
    pub(super) fn open(folder: &Path, name: KlusterName) -> Result<Self, Error> {
        let account = key::read(&folder.join("account.nk"), Sort::Account)?;
        Ok(Self { folder: folder.to_owned(), name, account })
    }

    /// Its name.
    pub fn name(&self) -> &KlusterName {
        &self.name
    }

    /// Public key of its account.
    pub fn account(&self) -> String {
        self.account.public_key()
    }

    /// The account's token.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read.
    pub fn jwt(&self) -> Result<String, Error> {
        Ok(files::read(&self.folder.join("account.jwt"))?.trim().to_owned())
    }

    /// Folder with what the registry needs to sign; see [`RoleSigner::load_folder`].
    pub fn registry_folder(&self) -> PathBuf {
        self.folder.join("registry")
    }

    /// The signing key of a role.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Key`].
    pub fn signer(&self, role: Role) -> Result<RoleSigner, Error> {
        let key = key::read(&role_file(&self.folder, role), Sort::Account)?;
        Ok(RoleSigner::new(role, self.account(), key))
    }

    /// A credential for one instance of a service, good for a year.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Key`].
    pub fn service_credential(
        &self,
        service: Service,
        instance: ScopeId,
        now_ms: u64,
    ) -> Result<Credential, Error> {
        let tags = Tags { mission: Mission::kluster(), agent: Caller::new(service.name())?, scope: instance };
        self.signer(service.role())?.credential(&tags, year_from(now_ms))
    }

    /// A credential for an effector, good for a year: it hears the orders to this name, and answers.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Key`].
    pub fn effector_credential(&self, name: &EffectorName, now_ms: u64) -> Result<Credential, Error> {
        let (mission, agent) = (Mission::kluster(), Caller::new(name.as_str())?);
        let tags = Tags { mission, agent, scope: ScopeId::new("effector")? };
        self.signer(Role::Effector)?.credential(&tags, year_from(now_ms))
    }

    /// A credential for a person at the command line, good for a year. Its names derive from its fresh
    /// key: `operator-<8 hex>`, `session_<16 hex>`.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Key`].
    pub fn operator_credential(&self, now_ms: u64) -> Result<Credential, Error> {
        let user = KeyPair::new_user();
        let public = key::public(&user)?;
        let hex = blake3::hash(public.as_str().as_bytes()).to_hex();
        let (short, rest) = hex.split_at(8);
        let tags = Tags {
            mission: Mission::kluster(),
            agent: Caller::new(&format!("operator-{short}"))?,
            scope: ScopeId::new(&format!("session_{}", rest.split_at(16).0))?,
        };
        let token = self.signer(Role::Operator)?.mint(&tags, &public, year_from(now_ms))?;
        Credential::new(token, &user)
    }

    /// A credential that may do everything in this kluster: for making streams, and for nothing that
    /// runs on.
    ///
    /// # Errors
    /// [`Error::Signing`] if the account's key cannot be used.
    pub fn provision_credential(&self, life: Life) -> Result<Credential, Error> {
        let user = KeyPair::new_user();
        let tags = Tags {
            mission: Mission::kluster(),
            agent: Caller::new("provision")?,
            scope: ScopeId::new("key")?,
        };
        Credential::new(jwt::full_user(&self.account, &tags, &key::public(&user)?, life)?, &user)
    }

    pub(super) fn refresh(&self, operator: &KeyPair, now_ms: u64) -> Result<String, Error> {
        let _lock = self.lock()?;
        let token = self.jwt()?;
        let claims = jwt::decode(&token)?;
        let revocations = self.revocations(&claims, now_ms);
        let (account, signing_keys) = (self.account(), signing_keys(&self.folder)?);
        let wanted = account_token(&self.name, &account, signing_keys, revocations.clone());
        if claims.nats == wanted.claims() { Ok(token) } else { self.store(operator, revocations, now_ms) }
    }

    pub(super) fn revoke(
        &self,
        operator: &KeyPair,
        keys: &[PublicKey],
        now_ms: u64,
    ) -> Result<String, Error> {
        let _lock = self.lock()?;
        let mut revocations = self.revocations(&jwt::decode(&self.jwt()?)?, now_ms);
        revocations.extend(keys.iter().map(|key| (key.to_string(), jwt::seconds(now_ms))));
        self.store(operator, revocations, now_ms)
    }

    pub(super) fn revoke_until(
        &self,
        operator: &KeyPair,
        keys: &BTreeMap<PublicKey, u64>,
        most: usize,
        now_ms: u64,
    ) -> Result<Revoked, Error> {
        let _lock = self.lock()?;
        let mut revocations = self.revocations(&jwt::decode(&self.jwt()?)?, now_ms);
        let is_new = |(key, ends_at_ms): &(&PublicKey, &u64)| {
            **ends_at_ms > now_ms && !revocations.contains_key(key.as_str())
        };
        let new: Vec<_> = keys.iter().filter(is_new).collect();
        let taken = new.len().min(most.saturating_sub(revocations.len()));
        let revoked = Revoked { taken, left_out: new.len() - taken };
        let new: BTreeMap<String, u64> =
            new.into_iter().take(taken).map(|(key, at)| (key.to_string(), *at)).collect();
        if new.is_empty() {
            return Ok(revoked);
        }
        revocations.extend(new.keys().map(|key| (key.clone(), jwt::seconds(now_ms))));
        let mut ends = self.ends();
        ends.retain(|_, at| *at > now_ms);
        ends.extend(new);
        // First: a key without an end here is only kept for longer.
        files::write(&self.folder.join(ENDS_FILE), &serde_json::json!(ends).to_string())?;
        self.store(operator, revocations, now_ms)?;
        Ok(revoked)
    }

    /// How many keys the account's token holds as revoked whose credentials may still last.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Token`].
    pub fn revoked_keys(&self, now_ms: u64) -> Result<usize, Error> {
        Ok(self.revocations(&jwt::decode(&self.jwt()?)?, now_ms).len())
    }

    /// The revocations in a token, without those whose credentials have ended.
    fn revocations(&self, claims: &jwt::Claims, now_ms: u64) -> BTreeMap<String, u64> {
        let ends = self.ends();
        let mut revocations = revocations(claims, now_ms);
        revocations.retain(|key, _| ends.get(key).is_none_or(|at| *at > now_ms));
        revocations
    }

    /// When the credentials of revoked keys end, where that is known. Without the file all are kept for
    /// as long as any credential may last.
    fn ends(&self) -> BTreeMap<String, u64> {
        let text = files::read(&self.folder.join(ENDS_FILE)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// From reading the token to writing the next: of two who did it at once, one would undo what the
    /// other took back. Held for a few file writes, and freed by the system if its holder dies.
    fn lock(&self) -> Result<File, Error> {
        files::lock(&self.folder.join("account.lock"))
    }

    /// Signs and writes the next token; the lock must be held.
    fn store(
        &self,
        operator: &KeyPair,
        revocations: BTreeMap<String, u64>,
        now_ms: u64,
    ) -> Result<String, Error> {
        // nats-server keeps the token signed last and knows seconds only: two in one second must differ.
        let iat = jwt::seconds(now_ms).max(jwt::decode(&self.jwt()?)?.iat.saturating_add(1));
        let account = self.account();
        let token = account_token(&self.name, &account, signing_keys(&self.folder)?, revocations)
            .sign(operator, iat)?;
        files::write(&self.folder.join("account.jwt"), &token)?;
        Ok(token)
    }
}

/// Makes a kluster's folder.
pub(super) fn create(
    folder: &Path,
    name: &KlusterName,
    operator: &KeyPair,
    now_ms: u64,
) -> Result<(), Error> {
    let account = KeyPair::new_account();
    files::make_folder(folder)?;
    key::write(&folder.join("account.nk"), &account)?;
    files::make_folder(&folder.join("registry"))?;
    files::write(&folder.join("registry").join(ACCOUNT_FILE), &account.public_key())?;
    let signing_keys = signing_keys(folder)?;
    let public = account.public_key();
    let token =
        account_token(name, &public, signing_keys, BTreeMap::new()).sign(operator, jwt::seconds(now_ms))?;
    files::write(&folder.join("account.jwt"), &token)
}

fn account_token<'a>(
    name: &'a KlusterName,
    account: &'a str,
    signing_keys: BTreeMap<Role, String>,
    revocations: BTreeMap<String, u64>,
) -> jwt::Account<'a> {
    jwt::Account {
        name: name.as_str(),
        key: account,
        jetstream: JetStream::Unlimited,
        signing_keys,
        revocations,
    }
}

/// The public signing key of every role; makes those that are missing.
fn signing_keys(folder: &Path) -> Result<BTreeMap<Role, String>, Error> {
    files::make_folder(&folder.join("roles"))?;
    Role::ALL.iter().map(|role| Ok((*role, signing_key(folder, *role)?.public_key()))).collect()
}

fn signing_key(folder: &Path, role: Role) -> Result<KeyPair, Error> {
    let path = role_file(folder, role);
    if !path.exists() {
        key::write(&path, &KeyPair::new_account())?;
    }
    let key = key::read(&path, Sort::Account)?;
    let copy = folder.join("registry").join(format!("{role}.nk"));
    if role.is_signed_by_registry() && !copy.exists() {
        key::write(&copy, &key)?;
    }
    Ok(key)
}

fn role_file(folder: &Path, role: Role) -> PathBuf {
    folder.join("roles").join(format!("{role}.nk"))
}

/// The revocations in a token, without those that outlived every credential they were for.
fn revocations(claims: &jwt::Claims, now_ms: u64) -> BTreeMap<String, u64> {
    let revocations = claims.nats.get("revocations").cloned().unwrap_or_default();
    let mut revocations: BTreeMap<String, u64> = serde_json::from_value(revocations).unwrap_or_default();
    revocations.retain(|_, at| at.saturating_mul(1_000).saturating_add(LONGEST_LIFE_MS) >= now_ms);
    revocations
}

const fn year_from(now_ms: u64) -> Life {
    Life { now_ms, expires_at_ms: now_ms.saturating_add(LONGEST_LIFE_MS) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::authority::Keyring;

    const NOW_MS: u64 = 1_700_000_000_000;

    fn with_kluster(test: impl FnOnce(&Path, &Keyring, &Kluster)) {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::open_or_create(folder.path(), NOW_MS).unwrap();
        let kluster = keyring.create_kluster(&KlusterName::new("main").unwrap(), NOW_MS).unwrap();
        test(folder.path(), &keyring, &kluster);
    }

    fn fresh_key() -> PublicKey {
        key::public(&KeyPair::new_user()).unwrap()
    }

    fn modes(folder: &Path, found: &mut Vec<(bool, u32)>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let is_folder = entry.file_type().unwrap().is_dir();
            found.push((is_folder, entry.metadata().unwrap().permissions().mode() & 0o777));
            if is_folder {
                modes(&entry.path(), found);
            }
        }
    }

    #[test]
    fn every_file_and_folder_is_private() {
        with_kluster(|folder, _, _| {
            let mut found = Vec::new();
            modes(folder, &mut found);
            assert!(found.len() > Role::ALL.len(), "{found:?}");
            for (is_folder, mode) in found {
                assert_eq!(mode, if is_folder { FOLDER_MODE } else { FILE_MODE });
            }
        });
    }
    const FILE_MODE: u32 = 0o600;
    const FOLDER_MODE: u32 = 0o700;

    #[test]
    fn an_effectors_credential_is_its_own_in_role_and_name() {
        with_kluster(|_, _, kluster| {
            let name = EffectorName::new("mailer").unwrap();
            let made = kluster.effector_credential(&name, NOW_MS).unwrap().identity().unwrap();
            assert_eq!((made.agent.as_str(), made.scope.role), ("mailer", Role::Effector));
            assert!(made.mission.is_kluster());
        });
    }

    #[test]
    fn a_folder_is_made_once_and_opened_ever_after() {
        with_kluster(|folder, keyring, kluster| {
            let again = Keyring::open_or_create(folder, NOW_MS + 1).unwrap();
            assert_eq!(again.system_account(), keyring.system_account());
            assert_eq!(again.klusters().unwrap(), [kluster.name().clone()]);
            assert_eq!(again.kluster(kluster.name()).unwrap().account(), kluster.account());
        });
    }

    #[test]
    fn two_tokens_of_one_second_have_an_order() {
        with_kluster(|_, keyring, kluster| {
            let first = jwt::decode(&keyring.revoke(kluster, &[fresh_key()], NOW_MS).unwrap()).unwrap();
            let second = jwt::decode(&keyring.revoke(kluster, &[fresh_key()], NOW_MS).unwrap()).unwrap();
            assert!(second.iat > first.iat, "{} after {}", second.iat, first.iat);
            assert_eq!(revocations(&second, NOW_MS).len(), 2);
        });
    }

    #[test]
    fn a_revocation_is_forgotten_once_no_credential_can_be_that_old() {
        with_kluster(|_, keyring, kluster| {
            keyring.revoke(kluster, &[fresh_key()], NOW_MS).unwrap();
            let at_last = NOW_MS + LONGEST_LIFE_MS;
            let kept = jwt::decode(&keyring.refresh(kluster, at_last).unwrap()).unwrap();
            assert_eq!(revocations(&kept, at_last).len(), 1);
            let after = jwt::decode(&keyring.refresh(kluster, at_last + 1_000).unwrap()).unwrap();
            assert_eq!(after.nats["revocations"], serde_json::json!({}));
        });
    }

    #[test]
    fn a_role_that_is_new_gets_its_key_and_the_others_keep_theirs() {
        with_kluster(|folder, keyring, kluster| {
            let before = kluster.jwt().unwrap();
            assert_eq!(keyring.refresh(kluster, NOW_MS + 5_000).unwrap(), before, "nothing differs");
            let roles = folder.join("klusters/main/roles");
            std::fs::remove_file(roles.join("approver.nk")).unwrap();
            let worker = std::fs::read_to_string(roles.join("worker.nk")).unwrap();
            assert_ne!(keyring.refresh(kluster, NOW_MS + 5_000).unwrap(), before);
            assert!(roles.join("approver.nk").exists());
            assert_eq!(std::fs::read_to_string(roles.join("worker.nk")).unwrap(), worker);
        });
    }

    #[test]
    fn a_passing_revocation_is_made_once_and_forgotten_with_its_credential() {
        with_kluster(|folder, keyring, kluster| {
            let (soon, past) = (fresh_key(), fresh_key());
            let keys = [(soon, NOW_MS + 10_000), (past, NOW_MS)].into();
            let revoke = || keyring.revoke_until(kluster, &keys, 100, NOW_MS).unwrap();
            assert_eq!(revoke(), Revoked { taken: 1, left_out: 0 });
            assert_eq!(revoke(), Revoked::default(), "it is known");
            keyring.revoke(kluster, &[fresh_key()], NOW_MS).unwrap();
            let count = |at_ms| {
                let token = keyring.refresh(kluster, at_ms).unwrap();
                revocations(&jwt::decode(&token).unwrap(), at_ms).len()
            };
            assert_eq!((count(NOW_MS + 9_999), count(NOW_MS + 10_000)), (2, 1));
            std::fs::remove_file(folder.join("klusters/main/revoked.json")).unwrap();
            assert_eq!(count(NOW_MS + 20_000), 1);
        });
    }

    #[test]
    fn what_the_token_has_no_room_for_is_counted_and_taken_when_there_is_room() {
        with_kluster(|_, keyring, kluster| {
            keyring.revoke(kluster, &[fresh_key()], NOW_MS).unwrap();
            let keys: BTreeMap<_, _> = (1..=3).map(|n| (fresh_key(), NOW_MS + n * 10_000)).collect();
            let revoke = |at_ms| keyring.revoke_until(kluster, &keys, 3, at_ms).unwrap();
            assert_eq!(revoke(NOW_MS), Revoked { taken: 2, left_out: 1 });
            assert_eq!(kluster.revoked_keys(NOW_MS).unwrap(), 3);
            let full = kluster.jwt().unwrap();
            assert_eq!(revoke(NOW_MS + 1), Revoked { taken: 0, left_out: 1 });
            assert_eq!(kluster.jwt().unwrap(), full, "no token is made for nothing");
            let ended = keys.values().filter(|at| **at <= NOW_MS + 20_000).count();
            assert_eq!(ended, 2);
            let Revoked { taken, left_out } = revoke(NOW_MS + 20_000);
            assert_eq!(left_out, 0);
            assert_eq!(kluster.revoked_keys(NOW_MS + 20_000).unwrap(), 2, "{taken} taken");
            // The operator's own command knows no bound: what is compromised goes first.
            keyring.revoke(kluster, &[fresh_key(), fresh_key(), fresh_key()], NOW_MS).unwrap();
        });
    }

    #[test]
    fn revocations_made_at_once_all_hold() {
        with_kluster(|folder, _, kluster| {
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let keyring = Keyring::open(folder).unwrap();
                        let kluster = keyring.kluster(kluster.name()).unwrap();
                        keyring.revoke(&kluster, &[fresh_key()], NOW_MS).unwrap();
                    });
                }
            });
            let now = jwt::decode(&kluster.jwt().unwrap()).unwrap();
            assert_eq!(revocations(&now, NOW_MS).len(), 8, "a revoked key is good again");
        });
    }
}

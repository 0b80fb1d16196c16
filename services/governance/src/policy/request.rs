//! An effect as Cedar sees it: principal, action, resource, context.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression};
use selvedge_contracts::payload::intent::{
    Effect, ExternalEffect, FileChange, FileMode, GitEffect, HttpEffect, MemoryEffect, Method,
};

use super::{
    Question,
    address::Address,
    paths::Paths,
    vocabulary::{Action, Vocabulary},
};

/// One request that rules are held against.
pub(super) struct Asked {
    pub(super) action: Action,
    pub(super) request: Request,
    pub(super) entities: Entities,
}

/// What an action is done to.
struct Resource {
    action: Action,
    id: String,
    attributes: Attributes,
}

type Attributes = HashMap<String, RestrictedExpression>;

/// All that a policy is asked about an effect: the effect itself, and the probe of an HTTP request.
///
/// # Errors
/// Says what about the effect cannot be judged: then it may not be done.
pub(super) fn asked(vocabulary: &Vocabulary, question: &Question<'_>) -> Result<Vec<Asked>, String> {
    let resources = match question.effect {
        Effect::Git(git) => vec![commit(git)?],
        Effect::Http(http) => targets(vocabulary, http)?,
        Effect::Memory(memory) => vec![record(memory)],
        Effect::External(external) => vec![operation(external)],
    };
    resources.into_iter().map(|resource| one(vocabulary, question, resource)).collect()
}

fn one(vocabulary: &Vocabulary, question: &Question<'_>, resource: Resource) -> Result<Asked, String> {
    let Resource { action, id, attributes } = resource;
    let principal = vocabulary.agent(question.agent.as_str());
    let target = vocabulary.resource(action, &id);
    let context = Context::from_pairs(about(question)?).map_err(|error| error.to_string())?;
    let entities =
        [entity(principal.clone(), agent(vocabulary, question))?, entity(target.clone(), attributes)?];
    // What is made here fits the schema, which tests hold; so only the request is checked against it.
    let entities = Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
    let request =
        Request::new(principal, vocabulary.action(action), target, context, Some(vocabulary.schema()))
            .map_err(|error| error.to_string())?;
    Ok(Asked { action, request, entities })
}

fn entity(uid: EntityUid, attributes: Attributes) -> Result<Entity, String> {
    Entity::new(uid, attributes, HashSet::new()).map_err(|error| error.to_string())
}

fn agent(vocabulary: &Vocabulary, question: &Question<'_>) -> Attributes {
    named([
        ("id", text(question.agent.as_str())),
        ("role", vocabulary.role(question.role.name())),
        ("owner", text(question.owner.as_str())),
        ("mission", text(question.mission.as_str())),
    ])
}

fn about(question: &Question<'_>) -> Result<Attributes, String> {
    let json = serde_json::to_vec(question.effect).map_err(|error| error.to_string())?;
    let mut about = named([
        ("has_undo", RestrictedExpression::new_bool(question.has_undo)),
        ("irreversible", RestrictedExpression::new_bool(question.effect.is_irreversible())),
        ("size_bytes", count(json.len())),
    ]);
    about.extend(question.task.map(|task| ("task".to_owned(), text(task.as_str()))));
    Ok(about)
}

fn commit(git: &GitEffect) -> Result<Resource, String> {
    let paths = Paths::of(git.changes.iter().flat_map(FileChange::paths))?;
    let changes =
        |keep: fn(&FileChange) -> bool| count(git.changes.iter().filter(|change| keep(change)).count());
    let attributes = named([
        ("repository", text(git.repository.as_str())),
        ("branch", text(&git.branch)),
        ("paths", set(&paths.paths)),
        ("folders", set(&paths.folders)),
        ("common_folder", text(&paths.common_folder)),
        ("names", set(&paths.names)),
        ("changes", count(git.changes.len())),
        ("deletes", changes(|change| matches!(change, FileChange::Delete { .. }))),
        ("renames", changes(|change| matches!(change, FileChange::Rename { .. }))),
        ("symlinks", changes(|change| matches!(change, FileChange::Put { mode: FileMode::Symlink, .. }))),
        (
            "executables",
            changes(|change| matches!(change, FileChange::Put { mode: FileMode::Executable, .. })),
        ),
        ("not_utf8", count(paths.not_utf8)),
    ]);
    Ok(Resource { action: Action::Commit, id: format!("{}/{}", git.repository, git.branch), attributes })
}

fn targets(vocabulary: &Vocabulary, http: &HttpEffect) -> Result<Vec<Resource>, String> {
    let request = target(vocabulary, http.method, &http.url, "url", false);
    let probe =
        http.probe.as_ref().map(|probe| target(vocabulary, Method::Get, &probe.url, "probe's url", true));
    std::iter::once(request).chain(probe).collect()
}

fn target(
    vocabulary: &Vocabulary,
    method: Method,
    url: &str,
    what: &str,
    is_probe: bool,
) -> Result<Resource, String> {
    let address = Address::read(url).map_err(|reason| format!("the {what} {reason}"))?;
    let attributes = named([
        ("method", vocabulary.method(method.name())),
        ("scheme", vocabulary.scheme(&address.scheme)),
        ("host", text(&address.host)),
        ("port", RestrictedExpression::new_long(address.port.into())),
        ("path", text(&address.path)),
        ("query", text(&address.query)),
        ("probe", RestrictedExpression::new_bool(is_probe)),
    ]);
    let Address { scheme, host, port, path, .. } = address;
    Ok(Resource { action: Action::Request, id: format!("{scheme}://{host}:{port}{path}"), attributes })
}

fn record(memory: &MemoryEffect) -> Resource {
    let attributes = named([
        ("key", text(memory.key.as_str())),
        ("delete", RestrictedExpression::new_bool(memory.value.is_none())),
    ]);
    Resource { action: Action::Put, id: memory.key.to_string(), attributes }
}

fn operation(external: &ExternalEffect) -> Resource {
    let attributes =
        named([("effector", text(external.effector.as_str())), ("operation", text(&external.operation))]);
    let id = format!("{}/{}", external.effector, external.operation);
    Resource { action: Action::Run, id, attributes }
}

fn named<const N: usize>(attributes: [(&str, RestrictedExpression); N]) -> Attributes {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn set<'a>(values: impl IntoIterator<Item = &'a String>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.into_iter().map(|value| text(value)))
}

fn count(of: usize) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(of).unwrap_or(i64::MAX))
}

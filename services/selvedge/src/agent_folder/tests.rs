use super::*;

fn kluster() -> KlusterName {
    KlusterName::new("main").unwrap()
}

fn keep(home: &Home, id: &str) -> AgentFolder {
    let (name, _) = id.rsplit_once('-').unwrap();
    let record = Record {
        id: AgentId::new(id).unwrap(),
        name: AgentName::new(name).unwrap(),
        url: "nats://127.0.0.1:4222".to_owned(),
        about: About::default(),
    };
    AgentFolder::keep(home, &kluster(), record, &UserKey::generate()).unwrap()
}

fn found(home: &Home, text: &str) -> Result<String, String> {
    let found = AgentFolder::find(home, &kluster(), text);
    found.map(|folder| folder.record.id.to_string()).map_err(|error| error.to_string())
}

#[test]
fn an_agent_is_found_by_id_and_by_a_name_that_only_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::find(Some(folder.path()), folder.path());
    assert!(found(&home, "ada").unwrap_err().contains("selvedge agent register"));
    keep(&home, "ada-1a2b3c4d");
    keep(&home, "bob-1a2b3c4d");
    keep(&home, "bob-2a2b3c4d");
    assert_eq!(found(&home, "ada").unwrap(), "ada-1a2b3c4d");
    assert_eq!(found(&home, "bob-2a2b3c4d").unwrap(), "bob-2a2b3c4d");
    assert!(found(&home, "bob").unwrap_err().contains("say which by its id"));
}

#[test]
fn an_id_from_elsewhere_stands_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::find(Some(folder.path()), folder.path());
    let id = |text| AgentFolder::id_meant(&home, &kluster(), text);
    assert_eq!(id("eve-1a2b3c4d").unwrap().as_str(), "eve-1a2b3c4d");
    id("eve").unwrap_err();
}

#[test]
fn the_mission_is_the_only_one_unless_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::find(Some(folder.path()), folder.path());
    let agent = keep(&home, "ada-1a2b3c4d");
    let (demo, other) = (Mission::new("demo").unwrap(), Mission::new("other").unwrap());
    let open = |mission| files::write(&home.door(&kluster(), &agent.record.id, mission), "x").unwrap();
    open(&demo);
    files::write(&agent.creds_path(&other), "no door").unwrap();
    assert_eq!(agent.mission(None).unwrap(), demo);
    assert!(agent.mission(Some(&other)).unwrap_err().to_string().contains("only to: demo"));
    open(&other);
    assert!(agent.mission(None).unwrap_err().to_string().contains("demo, other"));
}

#[test]
fn a_promoted_key_leaves_nothing_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::find(Some(folder.path()), folder.path());
    let agent = keep(&home, "ada-1a2b3c4d");
    let next = UserKey::read_or_create(&agent.next_identity_path()).unwrap().public().unwrap();
    agent.promote_next_identity().unwrap();
    assert_eq!(agent.identity().unwrap().public().unwrap(), next);
    assert_eq!(files::names(&agent.path()).unwrap(), ["agent.json", "identity.nk"]);
}

//! Plans with their tasks: each task is a creation of its own, proposed and checked with its plan.

use selvedge_contracts::{
    fault::Code,
    id::{CreationId, KindName},
    payload::overlap::{Answer, CreationState, Level, Part, PartReply, Propose, ProposeReply, Text, Verdict},
};
use selvedge_tests::overlap::{behalf, decide, note, propose, replica, show};

use crate::{
    racing::topic,
    scene::{Scene, check, refused},
};

fn part(name: &str, title: &str) -> Part {
    Part { name: name.to_owned(), text: Text { title: title.to_owned(), ..Text::default() } }
}

/// A plan of an agent with these tasks, each with its name.
fn plan(agent: &str, id: &str, title: &str, tasks: &[(&str, &str)]) -> Propose {
    Propose {
        what: KindName::plan(),
        parts: tasks.iter().map(|(name, title)| part(name, title)).collect(),
        on_behalf: Some(behalf(agent, "person:olga")),
        ..note(id, title)
    }
}

const HARBOUR: &[(&str, &str)] =
    &[("tides", "Print the almanac of the tides"), ("login", "Fix the login form that loses the password")];

fn harbour(id: &str) -> Propose {
    plan("bob-00000002", id, "Renew the harbour office", HARBOUR)
}

fn of<'a>(reply: &'a ProposeReply, name: &str) -> &'a PartReply {
    reply.parts.iter().find(|part| part.name == name).unwrap_or_else(|| panic!("no {name}: {reply:#?}"))
}

fn verdicts(reply: &ProposeReply) -> (&Verdict, Vec<&Verdict>) {
    (&reply.verdict, reply.parts.iter().map(|part| &part.verdict).collect())
}

async fn there(scene: &Scene) -> CreationId {
    let login = scene.task("ada-00000001", "t1", "Fix the login form which loses passwords").await;
    assert_eq!(login.verdict, Verdict::Clear);
    login.creation
}

#[tokio::test(flavor = "multi_thread")]
async fn one_task_that_is_there_is_found_in_a_plan_that_is_otherwise_another() {
    let scene = Scene::start().await;
    let login = there(&scene).await;
    let asked = propose(&scene.dispatcher, &harbour("p1")).await.unwrap();
    assert_eq!(verdicts(&asked), (&Verdict::Clear, vec![&Verdict::Clear, &Verdict::Asked]), "{asked:#?}");
    assert_eq!(of(&asked, "login").candidates[0].creation, login);
    let shown = show(scene.ada.client(), &of(&asked, "login").creation).await.unwrap();
    assert_eq!((shown.state, shown.creation.part_of), (CreationState::Asked, Some(asked.creation.clone())));
    assert_eq!(
        shown.creation.checked.unwrap().candidates[0].creation,
        login,
        "the fact holds what was shown"
    );
    let again = propose(&scene.dispatcher, &harbour("p1")).await.unwrap();
    assert_eq!(verdicts(&again), verdicts(&asked), "asked again, it is the same question");
    assert_eq!(scene.count("proposed").await, 4, "a retry proposes nothing anew");
    // One answer about the whole is one about each of its tasks.
    decide(scene.ada.client(), &asked.creation, Answer::Proceed).await.unwrap();
    let cleared = propose(&scene.dispatcher, &harbour("p1")).await.unwrap();
    assert_eq!(verdicts(&cleared), (&Verdict::Clear, vec![&Verdict::Clear; 2]), "{cleared:#?}");
    assert_eq!(scene.count("decided").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_later_finds_a_task_by_itself_and_sees_whose_it_is() {
    let scene = Scene::start().await;
    let plan = propose(&scene.dispatcher, &harbour("p1")).await.unwrap();
    assert_eq!(verdicts(&plan), (&Verdict::Clear, vec![&Verdict::Clear; 2]), "{plan:#?}");
    let late = scene.task("ada-00000001", "t1", "Fix the login form which loses passwords").await;
    assert_eq!(late.verdict, Verdict::Asked, "{late:#?}");
    let first = &late.checked.candidates[0];
    assert_eq!(
        (&first.creation, &first.part_of),
        (&of(&plan, "login").creation, &Some(plan.creation.clone()))
    );
    assert_eq!((first.id.as_str(), first.what.as_str()), ("p1/login", "task"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_one_task_lets_the_plan_go_on() {
    let scene = Scene::start().await;
    there(&scene).await;
    let asked = propose(&scene.dispatcher, &harbour("p1")).await.unwrap();
    decide(scene.ada.client(), &of(&asked, "login").creation, Answer::Proceed).await.unwrap();
    let cleared = propose(&scene.dispatcher, &harbour("p1")).await.unwrap();
    assert_eq!(verdicts(&cleared), (&Verdict::Clear, vec![&Verdict::Clear; 2]), "{cleared:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_which_a_task_is_merged_is_not_created_and_without_it_it_is() {
    let scene = Scene::start().await;
    let login = there(&scene).await;
    let asked = propose(&scene.dispatcher, &harbour("p1")).await.unwrap();
    let merged = of(&asked, "login").creation.clone();
    decide(scene.ada.client(), &merged, Answer::Merge(login.clone())).await.unwrap();
    let over = propose(&scene.dispatcher, &harbour("p1")).await.unwrap();
    assert!(
        matches!(&over.verdict, Verdict::Discarded { reason: Some(why) } if why.contains("leave that out"))
    );
    let into = Verdict::Merged { into: login.clone(), root: login.clone() };
    assert_eq!((over.parts.len(), &of(&over, "login").verdict), (1, &into));
    scene.comes_to(&of(&asked, "tides").creation, CreationState::Expired).await;
    scene.comes_to(&asked.creation, CreationState::Expired).await;
    let found = check(scene.ada.client(), "Print the almanac of the tides").await;
    assert!(found.candidates.is_empty(), "the others went with it: {found:#?}");
    let rest = plan("bob-00000002", "p2", "Renew the harbour office", &HARBOUR[..1]);
    let rest = propose(&scene.dispatcher, &rest).await.unwrap();
    assert_eq!(verdicts(&rest), (&Verdict::Clear, vec![&Verdict::Clear]), "{rest:#?}");
    // What it was merged into ends: whoever merged into it is told, as of any other.
    decide(scene.ada.client(), &login, Answer::Discard).await.unwrap();
    scene.comes_to(&merged, CreationState::Cleared).await;
    assert_eq!(scene.count("reopened").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_the_plan_becomes_of_its_tasks_and_it_can_be_proposed_anew() {
    let scene = Scene::start().await;
    let first = propose(&scene.dispatcher, &harbour("p1")).await.unwrap();
    decide(scene.ada.client(), &first.creation, Answer::Discard).await.unwrap();
    for part in &first.parts {
        scene.comes_to(&part.creation, CreationState::Expired).await;
    }
    assert_eq!(scene.count("*").await, 4, "three proposals and one decision");
    let over = propose(&scene.dispatcher, &harbour("p1")).await.unwrap();
    assert!(matches!(over.verdict, Verdict::Discarded { .. }) && over.parts.is_empty(), "{over:#?}");
    let other = Propose { on_behalf: Some(behalf("cid-00000003", "person:olga")), ..harbour("p1") };
    let anew = propose(&scene.dispatcher, &other).await.unwrap();
    assert_eq!(verdicts(&anew), (&Verdict::Clear, vec![&Verdict::Clear; 2]), "{anew:#?}");
    assert!(anew.place > first.place);
    scene.comes_to(&first.parts[0].creation, CreationState::Pending).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_one_plan_are_told_of_each_other_only_as_near_duplicates() {
    let scene = Scene::start().await;
    let tasks = [
        ("parse", "Parse the timetable of the ferries"),
        ("print", "Print the timetable of the ferries"),
        ("twin", "parse timetable of the ferries"),
    ];
    let wanted = plan("bob-00000002", "p1", "Parse and print the timetable of the ferries", &tasks);
    let reply = propose(&scene.dispatcher, &wanted).await.unwrap();
    assert_eq!((&reply.verdict, &of(&reply, "parse").verdict), (&Verdict::Clear, &Verdict::Clear));
    assert_eq!(of(&reply, "print").verdict, Verdict::Clear, "{reply:#?}");
    let twin = of(&reply, "twin");
    let [found] = &twin.candidates[..] else { panic!("{twin:#?}") };
    assert_eq!((&twin.verdict, found.level), (&Verdict::Asked, Some(Level::Strong)));
    assert_eq!(
        (&found.creation, &found.part_of),
        (&of(&reply, "parse").creation, &Some(reply.creation.clone()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn among_many_tasks_that_look_alike_what_was_there_before_is_found() {
    let scene = Scene::start().await;
    let login = there(&scene).await;
    let names: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
    let titles: Vec<String> =
        (0..40).map(|n| format!("Fix the login form which loses password {n}")).collect();
    let mut tasks: Vec<(&str, &str)> =
        names.iter().zip(&titles).map(|(name, title)| (name.as_str(), title.as_str())).collect();
    tasks.push(("login", "fix the login form which loses passwords"));
    let wanted = plan("bob-00000002", "p1", "Go through all forms", &tasks);
    let reply = propose(&scene.dispatcher, &wanted).await.unwrap();
    let found = of(&reply, "login");
    assert!(found.candidates.iter().any(|found| found.creation == login), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_plans_with_one_task_in_common_at_once_one_sees_the_other() {
    let mut scene = Scene::start_with(2, |config| config).await;
    for round in 0..12_u64 {
        let task = format!("Repair the {}", topic(round));
        let wanted = ["ada-00000001", "bob-00000002"].map(|agent| {
            let id = format!("{agent}-{round}");
            plan(agent, &id, &format!("Season of {id}"), &[("a", task.as_str())])
        });
        let (one, other) =
            tokio::join!(propose(&scene.dispatcher, &wanted[0]), propose(&scene.dispatcher, &wanted[1]));
        let (one, other) = (one.unwrap(), other.unwrap());
        let (first, second) = if one.place < other.place { (one, other) } else { (other, one) };
        assert_eq!(first.parts[0].verdict, Verdict::Clear, "{first:#?}");
        assert_eq!(second.parts[0].verdict, Verdict::Asked, "{second:#?}");
        let seen = second.parts[0].candidates.iter().any(|found| found.creation == first.parts[0].creation);
        assert!(seen, "{second:#?}");
    }
    // The same plan at once is one family, whoever records it.
    let same = harbour("same");
    let found = futures::future::join_all((0..8).map(|_| propose(&scene.dispatcher, &same))).await;
    for reply in found {
        let reply = reply.unwrap();
        assert_eq!(verdicts(&reply), (&Verdict::Clear, vec![&Verdict::Clear; 2]), "{reply:#?}");
    }
    let whole = CreationId::of(&"demo".parse().unwrap(), &KindName::plan(), "same");
    let before = show(scene.ada.client(), &whole).await.unwrap();
    scene.replicas.pop().unwrap().drain().await;
    scene.replicas.push(replica(&scene.fabric.bus, "again").await);
    let again = propose(&scene.dispatcher, &same).await.unwrap();
    assert_eq!((again.place, before.revision), (before.revision, again.place), "a retry finds itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_cannot_be_are_refused_with_their_place() {
    let scene = Scene::start().await;
    let twice = plan("bob-00000002", "p1", "Two", &[("a", "One"), ("a", "Other")]);
    refused(propose(&scene.dispatcher, &twice).await, Code::Invalid, "/parts/1/name");
    let blank = plan("bob-00000002", "p1", "One", &[("a", " \u{200b}")]);
    refused(propose(&scene.dispatcher, &blank).await, Code::Invalid, "/parts/0/text/title");
    let of_a_note = Propose { parts: vec![part("a", "One")], ..note("n1", "A note") };
    refused(propose(scene.ada.client(), &of_a_note).await, Code::Invalid, "/parts");
    let many = Propose { parts: (0..201).map(|n| part(&format!("t{n}"), "One")).collect(), ..harbour("p2") };
    refused(propose(&scene.dispatcher, &many).await, Code::Invalid, "parts");
    assert_eq!(scene.count("*").await, 0);
}

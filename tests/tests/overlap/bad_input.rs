//! Texts that are none, too long, or of no language that the model knows.

use selvedge_contracts::{
    call,
    fault::Code,
    payload::overlap::{Check, CheckAll, Propose, Text, Verdict},
};
use selvedge_tests::overlap::{note, propose};

use crate::scene::{Scene, check, found, refused};

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_or_too_much_is_refused_with_its_place() {
    let scene = Scene::start().await;
    let ada = scene.ada.client();
    let titled = |title: &str| Check { title: title.to_owned(), ..Check::default() };
    let ask = async |wanted: Check| ada.call::<call::OverlapCheck>(&wanted).await;
    for blank in
        ["", " ", "\n\t", "\0\u{1}\u{2}", "\u{200b}\u{feff}", "\u{2060}", "\u{2800}", "\u{3164}", "\u{ad}"]
    {
        refused(ask(titled(blank)).await, Code::Invalid, "/title");
        refused(propose(ada, &note("n", blank)).await, Code::Invalid, "/title");
    }
    refused(ask(titled(&"x".repeat(501))).await, Code::Invalid, "/title");
    let long = Check { description: "x".repeat(100_001), ..titled("a") };
    refused(ask(long).await, Code::Invalid, "/description");
    let megabyte = Check { description: "é".repeat(1 << 20), ..titled("a") };
    refused(ask(megabyte).await, Code::Invalid, "");
    let paths = Check { paths: vec!["p".to_owned(); 1_001], ..titled("a") };
    refused(ask(paths).await, Code::Invalid, "/paths");
    let path = Check { paths: vec![String::new()], ..titled("a") };
    refused(ask(path).await, Code::Invalid, "/paths/0");
    let none = ada.call::<call::OverlapCheckAll>(&CheckAll::default()).await;
    refused(none, Code::Invalid, "/texts");
    let one_blank = CheckAll {
        texts: ["a", " "].map(|title| Text { title: title.to_owned(), ..Text::default() }).into(),
        ..CheckAll::default()
    };
    refused(ada.call::<call::OverlapCheckAll>(&one_blank).await, Code::Invalid, "/texts/1/title");
    refused(propose(ada, &note(" ", "a")).await, Code::Invalid, "/id");
    assert_eq!(scene.count("*").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_that_says_something_is_compared_and_weak_meaning_is_said() {
    let scene = Scene::start().await;
    let ada = scene.ada.client();
    let texts = [
        ("letter", "x", None),
        ("emoji", "🚀🔥🚀", Some(true)),
        ("hebrew", "לתקן את דף הכניסה", Some(true)),
        ("arabic", "إصلاح صفحة تسجيل الدخول", Some(true)),
        ("code", "fn main() { let x = a[i] + (b << 3); }", None),
        ("binary", "\u{1}\u{2}\u{fffd}PNG\u{1a}\u{0}IHDR\u{7f}", None),
        ("chinese", "修复登录页面的错误", Some(true)),
        ("english", "Fix the error on the login page", Some(false)),
    ];
    for (id, title, is_weak) in texts {
        let first = propose(ada, &note(id, title)).await.unwrap();
        assert_eq!(first.verdict, Verdict::Clear, "{id}: {first:#?}");
        if let Some(is_weak) = is_weak {
            assert_eq!(first.checked.weak_meaning, is_weak, "{id}");
        }
        let known = check(ada, title).await;
        assert!(found(&known).contains(&&first.creation), "{id}: {known:#?}");
    }
    let largest = Propose { description: "lorem ipsum ".repeat(8_000), ..note("large", "A very long story") };
    let large = propose(ada, &largest).await.unwrap();
    let shown = selvedge_tests::overlap::show(ada, &large.creation).await.unwrap().creation;
    assert_eq!(shown.description.len(), 2_048, "of a long text its front is kept");
    let edited = Propose { description: format!("{}end", largest.description), ..largest };
    assert!(
        propose(ada, &edited).await.unwrap().place > large.place,
        "its end counts as an edit all the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_compared_with_itself_too() {
    let scene = Scene::start().await;
    let ada = scene.ada.client();
    let there = propose(ada, &note("n1", "Measure the rainfall every morning")).await.unwrap();
    let titles = [
        "measure rainfall in the morning",
        "Cut the hedge",
        "Bake bread",
        "cut the hedges",
        "Bake 12 loaves",
    ];
    let texts = titles.map(|title| Text { title: title.to_owned(), ..Text::default() }).into();
    let all = CheckAll { texts, ..CheckAll::default() };
    let reply = ada.call::<call::OverlapCheckAll>(&all).await.unwrap().reply;
    assert_eq!(reply.checked.len(), 5);
    assert_eq!(found(&reply.checked[0]), [&there.creation]);
    let pairs: Vec<_> = reply.pairs.iter().map(|pair| (pair.one, pair.other)).collect();
    assert_eq!(pairs.first(), Some(&(1, 3)), "{reply:#?}");
    assert_eq!(scene.count("*").await, 2, "a check writes nothing");
}

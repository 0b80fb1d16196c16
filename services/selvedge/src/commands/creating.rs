//! Creating what looks like something that is there: the candidates are shown, and whoever wants it says what is
//! to become of it.

use std::io::{self, IsTerminal as _};

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::CreationId,
    payload::overlap::{Answer, Candidate, CreationShow, Decide},
};
use selvedge_kit::{
    client::Client,
    creation::{asked_about, decided_against, is_asked_about_itself, parts_asked_about},
};

use super::overlap::{id::Named, shown::share};
use crate::{
    exit::{ALIKE, Failure},
    output::{hint, table, visible_line},
};

/// What is to become of it if it looks like something that is there.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Creating {
    /// If it looks like something that is there: proceed, discard, or merge=ID. Asked on a terminal if absent. With
    /// proceed, what was decided against before is created all the same.
    #[arg(long = "overlap", value_name = "ANSWER", value_parser = answer)]
    answer: Option<Typed>,
}

/// An answer as people type it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Typed {
    Proceed,
    Discard,
    Merge(Named),
}

fn answer(text: &str) -> Result<Typed, String> {
    match text.split_once('=') {
        None if text == "proceed" => Ok(Typed::Proceed),
        None if text == "discard" => Ok(Typed::Discard),
        Some(("merge", id)) => {
            id.parse().map(Typed::Merge).map_err(|error| format!("merge into what? {error}"))
        }
        _ => Err("expected proceed, discard or merge=ID".to_owned()),
    }
}

impl Typed {
    /// What is meant by it: of those that were found, if one is meant.
    ///
    /// # Errors
    /// Those of [`Named::find`].
    async fn meant(&self, client: &Client, candidates: &[Candidate]) -> Result<Answer, Failure> {
        let Self::Merge(named) = self else {
            return Ok(if *self == Self::Proceed { Answer::Proceed } else { Answer::Discard });
        };
        let mut fitting = candidates.iter().filter(|candidate| named.fits(&candidate.creation));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(Answer::Merge(only.creation.clone())),
            _ => named.find(client).await.map(Answer::Merge),
        }
    }
}

impl Creating {
    /// Creates, and has it decided what looks like something else; nothing if it is not to be created.
    ///
    /// # Errors
    /// Those of `create`; [`ALIKE`] where nobody can be asked.
    pub(super) async fn run<T>(
        &self,
        client: &Client,
        create: impl AsyncFn() -> Result<T, Fault>,
    ) -> Result<Option<T>, Failure> {
        let fault = match create().await {
            Ok(created) => return Ok(Some(created)),
            Err(fault) => fault,
        };
        let withdrawn = || decided_against(&fault).filter(|_| self.answer == Some(Typed::Proceed));
        let Some(creation) = asked_about(&fault).or_else(withdrawn) else { return Err(fault.into()) };
        let parts = parts_asked_about(&fault);
        if self.answer.is_none() && !parts.is_empty() {
            return match of_parts(client, &creation, parts, is_asked_about_itself(&fault)).await? {
                Answer::Proceed => Ok(Some(create().await?)),
                Answer::Merge(_) | Answer::Discard => Ok(None),
            };
        }
        let candidates = candidates_of(client, &creation).await?;
        let answer = match &self.answer {
            Some(answer) => answer.meant(client, &candidates).await?,
            None => ask(&creation, &candidates)?,
        };
        decide(client, creation, answer.clone()).await?;
        match answer {
            Answer::Proceed => Ok(Some(create().await?)),
            Answer::Discard => {
                hint("discarded; nothing was created");
                Ok(None)
            }
            Answer::Merge(into) => {
                hint(&format!("merged into {into}; nothing was created"));
                Ok(None)
            }
        }
    }
}

async fn decide(client: &Client, creation: CreationId, answer: Answer) -> Result<(), Failure> {
    client.call::<call::OverlapDecide>(&Decide { creation, answer, reason: None }).await?;
    Ok(())
}

async fn candidates_of(client: &Client, creation: &CreationId) -> Result<Vec<Candidate>, Failure> {
    let show = CreationShow { creation: creation.clone() };
    let found = client.call::<call::OverlapShow>(&show).await?.reply.creation;
    Ok(found.checked.map(|checked| checked.candidates).unwrap_or_default())
}

/// Shows what each part looks like, and the whole if it looks like something itself, has each decided, and answers
/// with what becomes of the whole.
async fn of_parts(
    client: &Client,
    whole: &CreationId,
    parts: Vec<(String, CreationId)>,
    is_asked_itself: bool,
) -> Result<Answer, Failure> {
    let itself = is_asked_itself.then(|| ("the plan itself".to_owned(), whole.clone()));
    let parts = parts.into_iter().map(|(name, part)| (format!("task {name}"), part));
    let mut asked = Vec::new();
    for (name, creation) in itself.into_iter().chain(parts) {
        let candidates = candidates_of(client, &creation).await?;
        hint(&format!("{name} looks like something that is there ({creation}):\n{}", shown(&candidates)));
        asked.push((name, creation, candidates));
    }
    if !io::stdin().is_terminal() {
        hint(
            "nothing was created: say --overlap proceed or --overlap discard for the whole plan, or decide for each by \
             `selvedge overlap decide CREATION --proceed|--merge ID|--discard`",
        );
        return Err(Failure::Ended(ALIKE));
    }
    let answers = answers(io::stdin().lock(), &mut io::stderr().lock(), &asked)?;
    let dropped: Vec<_> =
        asked.into_iter().zip(answers).filter(|(_, answer)| *answer != Answer::Proceed).collect();
    let Some((first, _)) = dropped.first() else {
        decide(client, whole.clone(), Answer::Proceed).await?;
        return Ok(Answer::Proceed);
    };
    let is_whole = first.1 == *whole;
    let names: Vec<_> = dropped.iter().map(|((name, ..), _)| name.clone()).collect();
    for ((_, creation, _), answer) in dropped {
        decide(client, creation, answer).await?;
        if is_whole {
            hint("nothing was created");
            return Ok(Answer::Discard); // its tasks go with it
        }
    }
    hint(&format!(
        "nothing was created: leave {} out of the plan, and what needs them, and submit the rest",
        names.join(", ")
    ));
    Ok(Answer::Discard)
}

/// Asks about each; `a` goes on with it and all that are left.
fn answers(
    mut input: impl io::BufRead,
    output: &mut impl io::Write,
    asked_about: &[(String, CreationId, Vec<Candidate>)],
) -> Result<Vec<Answer>, Failure> {
    let mut answers = Vec::new();
    for (name, _, candidates) in asked_about {
        let question = format!(
            "{name}: [p]roceed, [a]ll others too, [d]iscard, or the number of what to merge it into? "
        );
        match one_of(&mut input, output, &question, candidates)? {
            Said::All => break,
            Said::Answer(answer) => answers.push(answer),
        }
    }
    answers.resize(asked_about.len(), Answer::Proceed);
    Ok(answers)
}

/// Shows what it looks like, and asks where there is a terminal.
fn ask(creation: &CreationId, candidates: &[Candidate]) -> Result<Answer, Failure> {
    let shown = shown(candidates);
    hint(&format!("this looks like something that is there:\n{shown}"));
    if !io::stdin().is_terminal() {
        hint(&format!(
            "nothing was created: say --overlap proceed, --overlap discard or --overlap merge=ID (this is {creation})"
        ));
        return Err(Failure::Ended(ALIKE));
    }
    let stdin = io::stdin().lock();
    asked(stdin, &mut io::stderr().lock(), candidates)
}

/// Asks until it is answered; the end of the input is no answer.
fn asked(
    mut input: impl io::BufRead,
    output: &mut impl io::Write,
    candidates: &[Candidate],
) -> Result<Answer, Failure> {
    let question = "[p]roceed, [d]iscard, or the number of what to merge it into? ";
    match one_of(&mut input, output, question, candidates)? {
        Said::All => Ok(Answer::Proceed),
        Said::Answer(answer) => Ok(answer),
    }
}

/// What was typed.
enum Said {
    /// It goes on, and all others.
    All,
    Answer(Answer),
}

fn one_of(
    input: &mut impl io::BufRead,
    output: &mut impl io::Write,
    question: &str,
    candidates: &[Candidate],
) -> Result<Said, Failure> {
    loop {
        write!(output, "{question}")?;
        output.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(Failure::Ended(ALIKE));
        }
        match line.trim() {
            "p" | "proceed" => return Ok(Said::Answer(Answer::Proceed)),
            "a" | "all" => return Ok(Said::All),
            "d" | "discard" => return Ok(Said::Answer(Answer::Discard)),
            number => {
                let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                if let Some(candidate) = place.and_then(|place| candidates.get(place)) {
                    return Ok(Said::Answer(Answer::Merge(candidate.creation.clone())));
                }
            }
        }
    }
}

fn shown(candidates: &[Candidate]) -> String {
    let rows: Vec<[String; 7]> = candidates
        .iter()
        .zip(1..)
        .map(|(candidate, number)| {
            let Candidate { creation, what, title, state, proposer, score, level, .. } = candidate;
            [
                number.to_string(),
                level.map_or_else(String::new, |level| level.to_string()),
                share(*score),
                visible_line(&format!("{what}: {title}")),
                state.to_string(),
                proposer.to_string(),
                creation.to_string(),
            ]
        })
        .collect();
    table(["", "LIKE", "SCORE", "WHAT", "STATE", "OF", "CREATION"], &rows, "nothing is known of it any more")
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{
        id::{Caller, KindName, Mission},
        payload::overlap::{CreationState, Level},
    };

    use super::*;

    fn candidate(number: u128) -> Candidate {
        Candidate {
            creation: CreationId::from_number(number),
            mission: Mission::new("demo").unwrap(),
            what: KindName::intent(),
            id: "x".into(),
            part_of: None,
            title: "Fix\u{1b}[2K the login".into(),
            state: CreationState::Existing,
            proposer: Caller::new("bob-1a2b3c4d").unwrap(),
            owner: None,
            place: 4,
            score: 910,
            level: Some(Level::Strong),
            second: None,
            reasons: Vec::new(),
        }
    }

    #[test]
    fn an_answer_is_typed_ahead_or_refused() {
        assert_eq!(answer("proceed").unwrap(), Typed::Proceed);
        assert_eq!(answer("discard").unwrap(), Typed::Discard);
        let id = CreationId::from_number(7 << 100);
        let short: String = id.as_str().chars().skip("creation_".len()).take(12).collect();
        for named in [id.as_str(), &short] {
            let Typed::Merge(named) = answer(&format!("merge={named}")).unwrap() else { panic!("{named}") };
            assert!(named.fits(&id) && !named.fits(&CreationId::from_number(7)));
        }
        for wrong in ["merge", "merge=7", "yes", ""] {
            assert!(answer(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_terminal_is_asked_until_it_answers() {
        let candidates = [candidate(1), candidate(2)];
        let answered = |typed: &str| asked(typed.as_bytes(), &mut Vec::new(), &candidates);
        assert_eq!(answered("what\n0\n3\n2\n").unwrap(), Answer::Merge(CreationId::from_number(2)));
        assert_eq!(answered("p\n").unwrap(), Answer::Proceed);
        assert_eq!(answered("discard\n").unwrap(), Answer::Discard);
        assert!(matches!(answered("what\n"), Err(Failure::Ended(ALIKE))), "no answer is none");
    }

    #[test]
    fn of_a_plan_each_task_is_asked_about_until_all_are_let_go_on() {
        let asked_about =
            ["a", "b", "c"].map(|name| (name.to_owned(), CreationId::from_number(9), vec![candidate(1)]));
        let answered = |typed: &str| answers(typed.as_bytes(), &mut Vec::new(), &asked_about);
        let merge = Answer::Merge(CreationId::from_number(1));
        assert_eq!(answered("1\nd\np\n").unwrap(), [merge.clone(), Answer::Discard, Answer::Proceed]);
        assert_eq!(answered("1\na\n").unwrap(), [merge, Answer::Proceed, Answer::Proceed]);
        assert!(matches!(answered("p\nd\n"), Err(Failure::Ended(ALIKE))), "each is answered, or all");
    }

    #[test]
    fn candidates_stand_in_a_table_that_no_terminal_obeys() {
        let text = shown(&[candidate(1)]);
        for part in ["1 ", "strong", "0.910", "existing", "bob-1a2b3c4d", "creation_0000"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\u{1b}'));
    }
}

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
    creation::{asked_about, decided_against},
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
        let show = CreationShow { creation: creation.clone() };
        let found = client.call::<call::OverlapShow>(&show).await?.reply.creation;
        let candidates = found.checked.map(|checked| checked.candidates).unwrap_or_default();
        let answer = match &self.answer {
            Some(answer) => answer.meant(client, &candidates).await?,
            None => ask(&creation, &candidates)?,
        };
        let decide = Decide { creation, answer: answer.clone(), reason: None };
        client.call::<call::OverlapDecide>(&decide).await?;
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
    loop {
        write!(output, "[p]roceed, [d]iscard, or the number of what to merge it into? ")?;
        output.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(Failure::Ended(ALIKE));
        }
        match line.trim() {
            "p" | "proceed" => return Ok(Answer::Proceed),
            "d" | "discard" => return Ok(Answer::Discard),
            number => {
                let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                if let Some(candidate) = place.and_then(|place| candidates.get(place)) {
                    return Ok(Answer::Merge(candidate.creation.clone()));
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
    fn candidates_stand_in_a_table_that_no_terminal_obeys() {
        let text = shown(&[candidate(1)]);
        for part in ["1 ", "strong", "0.910", "existing", "bob-1a2b3c4d", "creation_0000"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\u{1b}'));
    }
}

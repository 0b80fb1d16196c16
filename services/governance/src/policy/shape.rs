//! The shape of a policy text, before anything reads it: where its statements and their annotations begin,
//! and whether they are small enough to be read at all. Parsing and checking Cedar goes as deep as the text
//! is nested, and any member may have a text checked: so nesting is bounded first.

use std::{iter::Peekable, str::CharIndices};

/// Deepest nesting of brackets.
const MAX_BRACKETS: u32 = 32;
/// Most words and signs of one statement, strings, commas and colons not counted: its syntax tree is not
/// deeper. A rule with more is better written as several.
const MAX_TOKENS: u32 = 1_000;

/// One statement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Statement {
    /// Where it begins, in bytes.
    pub(super) start: usize,
    /// Names of its annotations, and where they begin.
    pub(super) annotations: Vec<(String, usize)>,
}

/// Why a text is not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misshapen {
    /// Where, in bytes.
    pub(super) at: usize,
    /// Why.
    pub(super) reason: String,
}

/// The statements of a text, in order.
pub(super) fn statements(text: &str) -> Result<Vec<Statement>, Misshapen> {
    let mut scan = Scan { characters: text.char_indices().peekable(), ..Scan::new(text) };
    while let Some((at, character)) = scan.characters.next() {
        scan.take(at, character)?;
    }
    Ok(scan.found)
}

struct Scan<'a> {
    characters: Peekable<CharIndices<'a>>,
    found: Vec<Statement>,
    open: Option<Statement>,
    brackets: u32,
    tokens: u32,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        let characters = text.char_indices().peekable();
        Self { characters, found: Vec::new(), open: None, brackets: 0, tokens: 0 }
    }

    fn take(&mut self, at: usize, character: char) -> Result<(), Misshapen> {
        match character {
            '\n' | '\r' | '\t' => return Ok(()),
            control if control.is_control() => return Err(control_character(at, control)),
            space if space.is_whitespace() => return Ok(()),
            '/' if self.next_is('/') => return self.skip_comment(),
            _ => {}
        }
        self.open.get_or_insert_with(|| Statement { start: at, ..Statement::default() });
        match character {
            '"' => return self.skip_string(),
            '(' | '[' | '{' => self.brackets += 1,
            ')' | ']' | '}' => self.brackets = self.brackets.saturating_sub(1),
            ';' if self.brackets == 0 => {
                self.found.extend(self.open.take());
                self.tokens = 0;
                return Ok(());
            }
            '@' if self.brackets == 0 => self.annotation(at),
            ',' | ':' => return Ok(()),
            word if is_word(word) => drop(self.word()),
            _ => {}
        }
        self.tokens += 1;
        self.within_bounds(at)
    }

    fn within_bounds(&self, at: usize) -> Result<(), Misshapen> {
        if self.brackets > MAX_BRACKETS {
            let reason = format!("brackets are nested more than {MAX_BRACKETS} deep; split the rule");
            return Err(Misshapen { at, reason });
        }
        if self.tokens > MAX_TOKENS {
            let reason =
                format!("the rule has more than {MAX_TOKENS} words and signs; split it into several rules");
            return Err(Misshapen { at, reason });
        }
        Ok(())
    }

    fn next_is(&mut self, wanted: char) -> bool {
        self.characters.peek().is_some_and(|(_, character)| *character == wanted)
    }

    fn skip_comment(&mut self) -> Result<(), Misshapen> {
        for (at, character) in self.characters.by_ref() {
            match character {
                '\n' => break,
                '\r' | '\t' => {}
                control if control.is_control() => return Err(control_character(at, control)),
                _ => {}
            }
        }
        Ok(())
    }

    fn skip_string(&mut self) -> Result<(), Misshapen> {
        while let Some((at, character)) = self.characters.next() {
            match character {
                '"' => break,
                '\\' => drop(self.characters.next()),
                '\n' | '\r' | '\t' => {}
                control if control.is_control() => return Err(control_character(at, control)),
                _ => {}
            }
        }
        Ok(())
    }

    fn annotation(&mut self, at: usize) {
        let name = self.word();
        if let Some(open) = &mut self.open {
            open.annotations.push((name, at));
        }
    }

    /// What follows of a word.
    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some((_, character)) = self.characters.next_if(|(_, character)| is_word(*character)) {
            word.push(character);
        }
        word
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn control_character(at: usize, control: char) -> Misshapen {
    let reason = format!(
        "U+{:04X} is a control character: a policy is text; expected Cedar, in UTF-8",
        u32::from(control)
    );
    Misshapen { at, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        statements(text).unwrap_err().reason
    }

    #[test]
    fn statements_and_annotations_are_found_whatever_strings_and_comments_hold() {
        let text =
            "// ; @id\n@id(\"a;\\\"@x\")\n@approvals(\"2\") permit(principal, action, resource); forbid(;);";
        let found = statements(text).unwrap();
        let names = |statement: &Statement| {
            statement.annotations.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(found.iter().map(names).collect::<Vec<_>>(), [vec!["id", "approvals"], vec![]]);
        assert_eq!(found.first().unwrap().start, 9);
        assert!(
            text.get(found.first().unwrap().annotations.last().unwrap().1..).unwrap().starts_with("@app")
        );
    }

    #[test]
    fn what_is_nested_too_deep_or_too_long_is_not_read() {
        assert!(reason(&"(".repeat(262_144)).contains("nested"));
        assert!(reason(&"!".repeat(262_144)).contains("words and signs"));
        assert!(reason(&"if ".repeat(80_000)).contains("words and signs"));
        assert!(reason(&"a.".repeat(80_000)).contains("words and signs"));
        let list = format!("permit(principal, action, resource) when {{ [{}] }};", "\"x\",".repeat(50_000));
        assert_eq!(statements(&list).unwrap().len(), 1, "a long list is not deep");
    }

    #[test]
    fn control_characters_are_named_wherever_they_stand() {
        for text in ["\u{0}", "// \u{1}", "@id(\"\u{7f}\")", "permit \u{1b}"] {
            assert!(reason(text).starts_with("U+00"), "{text:?}");
        }
        assert_eq!(statements("// a\r\n\t\"x\ty\"").unwrap(), []);
    }
}

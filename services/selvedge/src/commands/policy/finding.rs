//! Findings about a policy text, for people: place, what is wrong, and the line it stands in.

use selvedge_contracts::payload::policy::Finding;

/// Most characters of a line that are shown.
const SHOWN_CHARS: usize = 160;

/// One finding as compilers show them: `name:line:column: error: …`, the line, and a caret under the place.
pub(super) fn shown(name: &str, text: &str, finding: &Finding) -> String {
    let severity = if finding.error { "error" } else { "warning" };
    let (Some(line), Some(column)) = (finding.line, finding.column) else {
        return format!("{name}: {severity}: {}\n", finding.message);
    };
    let head = format!("{name}:{line}:{column}: {severity}: {}\n", finding.message);
    let source = text.split('\n').nth(line.saturating_sub(1) as usize).unwrap_or_default();
    head + &pointed(source, line, column.saturating_sub(1) as usize)
}

/// The part of the line around a place, and a caret under it. What would move the terminal is a space.
fn pointed(source: &str, line: u32, place: usize) -> String {
    let from = place.saturating_sub(SHOWN_CHARS / 2);
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    let cut: String = source.chars().skip(from).take(SHOWN_CHARS).map(plain).collect();
    let margin = format!("{line:>5} | ");
    let indent = " ".repeat(margin.len() - 2) + "| " + &" ".repeat(place.saturating_sub(from));
    format!("{margin}{}\n{indent}^\n", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, column: u32) -> Finding {
        Finding { error: true, line: Some(line), column: Some(column), message: "odd".to_owned() }
    }

    #[test]
    fn the_caret_stands_under_the_character() {
        let text = "permit(\n\té, ünd x);\n";
        assert_eq!(
            shown("a.cedar", text, &at(2, 5)),
            "a.cedar:2:5: error: odd\n    2 |  é, ünd x);\n      |     ^\n"
        );
        let long = "a".repeat(1_000) + "!";
        let shown = shown("-", &long, &at(1, 1_001));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1].chars().position(|c| c == '!'), lines[2].chars().position(|c| c == '^'));
        assert!(lines[1].len() < 200);
    }

    #[test]
    fn a_place_that_is_not_there_or_none_at_all_is_no_trouble() {
        assert!(shown("-", "a", &at(9, 9)).contains("9:9"));
        let whole = Finding { error: false, line: None, column: None, message: "odd".to_owned() };
        assert_eq!(shown("-", "a", &whole), "-: warning: odd\n");
    }
}

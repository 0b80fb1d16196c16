"""What a worker of the demo runs for each task: a script that stands in for a model.

`selvedge worker … -- python3 agent.py RECORD` starts it in the task's workspace. It reads the task
($SELVEDGE_TASK_FILE) and what the tasks before handed in ($SELVEDGE_INPUTS), changes files of the workspace,
and writes its output ($SELVEDGE_OUTPUT): what any command-line agent does. Trouble that belongs to an agent
is made here, on first attempts: an output that fails its contract, a long thought in which the worker is
killed, a base that grows old, a reach above the role.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import time

REFERENCE = pathlib.Path("docs/reference")
TOOL = pathlib.Path("tools/reference")
PATIENCE_S = 60


def main():
    claimed = json.loads(pathlib.Path(os.environ["SELVEDGE_TASK_FILE"]).read_text())
    name, attempt = claimed["task"]["name"], claimed["task"]["attempt"]
    output = TASKS[name](attempt) or {}
    pathlib.Path(os.environ["SELVEDGE_OUTPUT"]).write_text(json.dumps(output))
    say(f"{name}: done")


def say(text):
    print(text, file=sys.stderr, flush=True)


def input_of(task):
    return json.loads((pathlib.Path(os.environ["SELVEDGE_INPUTS"]) / f"{task}.json").read_text())


# Surveys: what is there, as rows.


def survey_calls(_attempt):
    text = pathlib.Path("contracts/src/call.rs").read_text()
    row = re.compile(r"/// (.+)\n    \w+ = (\w+)\.(\w+), (Read|Write), \w+, ([\d_]+) ms, (\w+),")
    return {
        "rows": [
            {
                "name": f"{service.lower()}.{call}",
                "about": about,
                "access": access.lower(),
                "deadline_ms": int(deadline.replace("_", "")),
                "roles": roles.lower(),
            }
            for about, service, call, access, deadline, roles in row.findall(text)
        ]
    }


def survey_facts(attempt):
    text = pathlib.Path("contracts/src/fact.rs").read_text()
    row = re.compile(
        r"/// (.+)\npub const \w+: FactType<[^=]+>\s*=\s*"
        r"FactType::(?:of\(Service::(\w+), |new\()EntityName::(\w+), \"(\w+)\"\)"
    )
    rows = [
        {"name": f"{entity.lower()}.{kind}", "about": about, "service": (service or "Registry").lower()}
        for about, service, entity, kind in row.findall(text)
    ]
    if attempt == 1:
        # Trouble: what its contract asks for is not in it.
        rows = [{"fact": row["name"]} for row in rows]
    return {"rows": rows}


def survey_settings(_attempt):
    rows, section, about = [], "", []
    for line in pathlib.Path("deploy/selvedge.toml").read_text().splitlines():
        if found := re.fullmatch(r"\[([\w.]+)\]", line):
            section, about = found[1], []
        elif found := re.match(r"(\w+) = (.+)", line):
            rows.append(
                {"name": f"{section}.{found[1]}", "about": " ".join(about) or "(as above)", "default": found[2]}
            )
            about = []
        elif line.startswith("#"):
            about.append(line.lstrip("# "))
        else:
            about = []
    return {"rows": rows}


# Pages: the rows, for people.


def cell(value):
    return str(value).replace("|", "\\|")


def page(file, title, columns, rows):
    REFERENCE.mkdir(parents=True, exist_ok=True)
    lines = [f"# {title}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell(row[column]) for column in columns) + " |" for row in rows]
    (REFERENCE / file).write_text("\n".join(lines) + "\n")


def sorted_rows(task):
    return sorted(input_of(task)["rows"], key=lambda row: row["name"])


def page_calls(_attempt):
    rows = sorted_rows("survey-calls")
    page("calls.md", "Calls", ["name", "access", "deadline_ms", "about"], rows)
    return {"rows": len(rows)}


def page_facts(_attempt):
    rows = sorted_rows("survey-facts")
    page("facts.md", "Facts", ["name", "service", "about"], rows)
    # Trouble: it reaches above its role, twice.
    refused = [reach_above("registry.mission_create", {"name": "mine"}), reach_above("registry.agent_retire", {"agent": "ann-00000000", "reason": "in my way"})]
    return {"rows": len(rows), "refused": refused}


def reach_above(call, body):
    tried = subprocess.run(
        ["selvedge", "call", call, json.dumps(body), "--output", "json"], capture_output=True, text=True, timeout=PATIENCE_S
    )
    return {"call": call, "exit": tried.returncode, "said": tried.stderr.strip()[:300]}


def page_settings(_attempt):
    rows = sorted_rows("survey-settings")
    page("settings.md", "Settings", ["name", "default", "about"], rows)
    return {"rows": len(rows)}


def section(file, title, lines):
    """Adds a section to a page that is there."""
    with (REFERENCE / file).open("a") as page:
        page.write("\n".join(["", f"## {title}", "", *lines]) + "\n")


def calls_by_service(_attempt):
    count = {}
    for row in sorted_rows("survey-calls"):
        service = row["name"].split(".")[0]
        count[service] = count.get(service, 0) + 1
    section("calls.md", "How many, by service", [f"- {service}: {n}" for service, n in sorted(count.items())])
    return {"services": count}


def calls_by_deadline(_attempt):
    slow = [row for row in sorted_rows("survey-calls") if row["deadline_ms"] > 10_000]
    section("calls.md", "Which may take longer than 10 s", [f"- `{row['name']}`: {row['deadline_ms']} ms" for row in slow])
    return {"slow": len(slow)}


def contents(_attempt):
    pages = {file.name: file.read_text().splitlines()[0].lstrip("# ") for file in sorted(REFERENCE.glob("*.md"))}
    pages.pop("README.md", None)
    lines = ["# Reference", ""] + [f"- [{title}]({name})" for name, title in pages.items()]
    (REFERENCE / "README.md").write_text("\n".join(lines) + "\n")
    return {"pages": len(pages)}


# The tool: a crate without dependencies that holds the pages against themselves.


def tool_crate(attempt):
    if attempt == 1:
        say("thinking for long…")  # Trouble: its worker is killed meanwhile.
        time.sleep(PATIENCE_S)
        raise SystemExit("nobody killed the worker")
    (TOOL / "src").mkdir(parents=True, exist_ok=True)
    (TOOL / "Cargo.toml").write_text(
        '[package]\nname = "reference"\nversion = "0.1.0"\nedition = "2024"\npublish = false\n\n[workspace]\n'
    )
    (TOOL / ".gitignore").write_text("/target\n/Cargo.lock\n")
    (TOOL / "src/lib.rs").write_text("//! Holds the pages of the reference against themselves.\n")
    return {}


def tool_rows(_attempt):
    (TOOL / "src/lib.rs").write_text(LIB)
    return {}


def tool_command(_attempt):
    (TOOL / "src/main.rs").write_text(MAIN)
    return {}


LIB = textwrap.dedent('''\
    //! Holds the pages of the reference against themselves.

    /// Names in the first column of a page's table.
    pub fn names(page: &str) -> Vec<&str> {
        let rows = page.lines().filter(|line| line.starts_with("| "));
        rows.skip(1).filter_map(|row| row.split('|').nth(1).map(str::trim)).collect()
    }

    /// What is wrong with a page: names that come twice, or out of order.
    pub fn faults(page: &str) -> Vec<String> {
        let names = names(page);
        let pairs = names.iter().zip(names.iter().skip(1));
        pairs.filter(|(one, next)| one >= next).map(|(one, next)| format!("{next} after {one}")).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn names_are_those_of_the_table() {
            assert_eq!(names("# T\\n\\n| name | about |\\n|---|---|\\n| a | x |\\n| b | y |\\n"), ["a", "b"]);
        }

        #[test]
        fn what_is_twice_or_out_of_order_is_found() {
            assert!(faults("| name |\\n| a |\\n| b |").is_empty());
            assert_eq!(faults("| name |\\n| b |\\n| a |\\n| a |"), ["a after b", "a after a"]);
        }
    }
''')

MAIN = textwrap.dedent('''\
    //! `reference FOLDER`: rows of each page, a line each; ends with 1 if a page is wrong.

    use std::{env, error::Error, fs, process::ExitCode};

    fn main() -> Result<ExitCode, Box<dyn Error>> {
        let folder = env::args().nth(1).ok_or("which folder?")?;
        let mut pages: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
        pages.sort_by_key(|page| page.file_name());
        let mut wrong = 0;
        for page in pages {
            let text = fs::read_to_string(page.path())?;
            println!("{} {}", page.file_name().to_string_lossy(), reference::names(&text).len());
            for fault in reference::faults(&text) {
                eprintln!("{}: {fault}", page.file_name().to_string_lossy());
                wrong += 1;
            }
        }
        Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
''')


# What brings it together.


def audit(_attempt):
    """Runs the tool over the pages, and holds its count against what was surveyed."""
    ran = subprocess.run(
        ["cargo", "run", "--quiet", "--offline", "--manifest-path", str(TOOL / "Cargo.toml"), "--", str(REFERENCE)],
        capture_output=True, text=True, timeout=PATIENCE_S, env={**os.environ, "CARGO_TARGET_DIR": os.environ["TMPDIR"] + "/target"},
    )
    if ran.returncode != 0:
        raise SystemExit(f"the tool says: {ran.stderr}")
    counted = {name: int(rows) for name, rows in (line.split() for line in ran.stdout.splitlines())}
    surveyed = {kind: len(input_of(f"survey-{kind}")["rows"]) for kind in ("calls", "facts", "settings")}
    agree = all(counted.get(f"{kind}.md") == rows for kind, rows in surveyed.items())
    return {"agree": agree, "counted": counted, "surveyed": surveyed}


def changelog(attempt):
    if attempt == 1:
        await_change("CHANGELOG.md")  # Trouble: what it works on changes meanwhile.
    file = pathlib.Path("CHANGELOG.md")
    line = "- A reference of calls, facts and settings in `docs/reference`, and a tool that checks it.\n"
    file.write_text(file.read_text().replace("### Added\n", "### Added\n" + line, 1))
    return {}


def await_change(path):
    """Waits until somebody else's change of a path is on the record."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        subprocess.run(["git", "fetch", "-q", sys.argv[1], "main"], check=True, timeout=PATIENCE_S)
        if subprocess.run(["git", "diff", "--quiet", "HEAD", "FETCH_HEAD", "--", path]).returncode == 1:
            return
        time.sleep(0.2)
    raise SystemExit(f"nobody changed {path}")


def front_page(_attempt):
    file = pathlib.Path("README.md")
    file.write_text(file.read_text().rstrip("\n") + "\n\nWhat there is to call, hear and set: [docs/reference](docs/reference/README.md).\n")
    return {}


def announcement(_attempt):
    audited = input_of("audit")
    lines = [f"- {kind}: {rows}" for kind, rows in audited["surveyed"].items()]
    (REFERENCE / "NOTES.md").write_text("\n".join(["# Notes", "", "Counted twice, by two programs:", "", *lines]) + "\n")
    return {}


TASKS = {function.__name__.replace("_", "-"): function for function in (
    survey_calls, survey_facts, survey_settings, page_calls, page_facts, page_settings, calls_by_service,
    calls_by_deadline, contents, tool_crate, tool_rows, tool_command, audit, changelog, front_page, announcement,
)}

if __name__ == "__main__":
    main()

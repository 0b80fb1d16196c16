"""Holds a record repository against the ledger: every commit since BASE is one committed intent, holds
exactly what was approved, and every committed intent is one commit. Nothing but the Python library.

    python3 verify.py SELVEDGE RECORD BRANCH BASE AGENT

Prints one line a commit, and ends with 1 if anything differs.
"""

import json
import subprocess
import sys

MODES = {"regular": "100644", "executable": "100755", "symlink": "120000"}


def run(*command, text=True, env=None):
    return subprocess.run(command, check=True, capture_output=True, text=text, env=env).stdout


class Record:
    def __init__(self, folder):
        self.folder = folder

    def git(self, *arguments, text=True):
        return run("git", "-C", self.folder, *arguments, text=text)

    def commits(self, base, branch):
        return self.git("rev-list", "--reverse", f"{base}..refs/heads/{branch}").split()

    def trailer(self, commit, name):
        shown = self.git("log", "-1", f"--format=%(trailers:key={name},valueonly)", commit)
        return shown.strip()

    def changes(self, commit):
        """What the commit changed against its parent: path -> (mode, content), None where it is gone."""
        raw = self.git("diff-tree", "-r", "-z", "--no-renames", "--no-commit-id", f"{commit}^", commit)
        fields = raw.rstrip("\0").split("\0")
        changed = {}
        for meta, path in zip(fields[::2], fields[1::2]):
            _, mode, _, _, status = meta.lstrip(":").split()
            content = None if status == "D" else self.git("show", f"{commit}:{path}", text=False)
            changed[path] = None if status == "D" else (mode, content)
        return changed


class Fabric:
    def __init__(self, binary, agent, env):
        self.binary, self.agent, self.env = binary, agent, env

    def json(self, *arguments):
        return json.loads(run(self.binary, *arguments, "--as", self.agent, "--output", "json", env=self.env))

    def committed(self):
        listed = self.json("intent", "list", "--state", "committed")
        return [entry["intent"] for entry in listed]

    def content(self, digest):
        return run(self.binary, "artifact", "get", digest, "-", "--as", self.agent, text=False, env=self.env)


def approved(fabric, effect):
    """What the approved change set says, in the form of Record.changes."""
    wanted = {}
    for change in effect["changes"]:
        if change["op"] == "delete":
            wanted[change["path"]] = None
        elif change["op"] == "put":
            mode = MODES[change.get("mode", "regular")]
            wanted[change["path"]] = (mode, fabric.content(change["content"]))
        else:
            raise SystemExit(f"this check knows no {change['op']}: {change}")
    return wanted


def faults_of(record, fabric, intent):
    commit = intent["receipt"]["commit"]
    if record.trailer(commit, "Selvedge-Intent") != intent["id"]:
        yield "its trailer names another intent"
    if record.changes(commit) != approved(fabric, intent["effect"]):
        yield "it does not hold what was approved"
    needed = intent["decision"]["requirement"]["approvals"]
    owners = {grant["owner"] for grant in intent.get("grants", [])}
    if intent["owner"] in owners or len(owners) < needed:
        yield f"it has approvals of {sorted(owners)}, and needs {needed} by others than {intent['owner']}"


def main(binary, folder, branch, base, agent, env=None):
    record, fabric = Record(folder), Fabric(binary, agent, env)
    commits = record.commits(base, branch)
    intents = {
        intent["receipt"]["commit"]: intent
        for intent in fabric.committed()
        if intent["receipt"]["kind"] == "git"
    }
    wrong = [f"{commit}: no intent led to it" for commit in commits if commit not in intents]
    wrong += [f"{commit}: on the record of {i['id']}, not on the branch" for commit, i in intents.items() if commit not in commits]
    for commit in commits:
        intent = intents.get(commit)
        found = list(faults_of(record, fabric, intent)) if intent else []
        wrong += [f"{commit}: {fault}" for fault in found]
        print(f"{'differs' if found or not intent else 'matches'}  {commit[:12]}  {intent['title'] if intent else ''}")
    if not commits:
        wrong.append("there is no commit at all")
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

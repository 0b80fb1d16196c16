"""Trouble, made on purpose while the fleet works, and what the fabric did about each."""

import json
import os
import pathlib
import signal
import subprocess
import threading

from fabric import Failed, say


class Trouble:
    """Hears every fact, and strikes when its time has come. One thread each, so that no fact waits."""

    def __init__(self, demo):
        self.demo, self.lock, self.threads, self.failed = demo, threading.Lock(), [], []
        self.struck = set()

    def hears(self, fact):
        if fact.kind == "task.claimed" and fact.state["attempt"] == 1:
            if fact.state["name"] == "tool-crate":
                self.strike("kill the worker", self.kill_the_worker)
            if fact.state["name"] == "changelog":
                self.strike("change what it rests on", self.change_the_base)
        if fact.kind == "intent.executing" and fact.state["title"] == FRONT_PAGE:
            self.strike("kill the committer", self.kill_the_committer)
        if fact.kind == "intent.verified" and needs_consent(fact.state):
            self.strike(f"approve {fact.state['id']}", lambda: self.demo.approve(fact.state["id"]))

    def strike(self, name, what):
        with self.lock:
            if name in self.struck:
                return
            self.struck.add(name)
        thread = threading.Thread(target=self.guarded, args=(name, what), daemon=True)
        self.threads.append(thread)
        thread.start()

    def guarded(self, name, what):
        try:
            what()
        except Exception as error:
            say(f"!!! {name}: {error}")
            self.failed.append(f"{name}: {error}")

    def end(self):
        for thread in self.threads:
            thread.join(timeout=60)
        if self.failed:
            raise Failed("; ".join(self.failed))

    def kill_the_worker(self):
        """kill -9 of the worker and of nothing else: what it started must die with it."""
        self.demo.until_running("tool-crate")
        worker = self.demo.processes["sol"]
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        say("!!! sol's worker was killed with -9, in the middle of tool-crate; another is started")
        self.demo.start_worker("sol", "code")

    def kill_the_committer(self):
        committer = self.demo.processes["committer"]
        os.kill(committer.pid, signal.SIGKILL)
        committer.wait()
        say("!!! the committer was killed with -9 while it executed; another is started")
        self.demo.start_committer()

    def change_the_base(self):
        """Pia changes the file that a worker is working on, by the book."""
        self.demo.until_running("changelog")
        clone = self.demo.clone("pia")
        file = clone / "CHANGELOG.md"
        file.write_text(file.read_text().replace("### Added\n", "### Added\n- What Pia added meanwhile.\n", 1))
        self.demo.fabric.run(
            "intent", "propose", "git", "--repository", "record", "--branch", "main", "--overlap", "proceed",
            "-m", "Changelog: what Pia added meanwhile", "--wait", "1m", me="pia", cwd=clone,
        )


def needs_consent(intent):
    return intent.get("decision", {}).get("requirement", {}).get("approvals", 0) > 0


FRONT_PAGE = "Name the reference on the front page"


def planner_twice(demo, plan):
    """The same plan, sent by two planners' processes at once: one plan."""
    command = [demo.fabric.binary, "plan", "submit", str(plan), "--as", "pia", "--output", "json"]
    say(f"pia $ selvedge plan submit {plan.name}   (twice, at once)")
    sent = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=demo.fabric.env)
        for _ in range(2)
    ]
    answers = []
    for process in sent:
        out, err = process.communicate(timeout=60)
        if process.returncode != 0:
            raise Failed(f"plan submit ended with {process.returncode}: {err}")
        answers.append(json.loads(out)["plan"]["id"])
    return answers


def near_duplicate(demo, plan):
    """Pip plans what is planned already, in other words; he is told, and lets it be."""
    demo.fabric.run("plan", "submit", plan, me="pip", ends=17)
    demo.fabric.run("plan", "submit", plan, "--overlap", "discard", me="pip", ends=(0, 17))
    asked = demo.fabric.json("overlap", "list", me="pip")
    return [creation for creation in asked if creation.get("state") == "discarded"]

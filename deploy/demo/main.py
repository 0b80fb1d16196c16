"""The main job, on a real nats-server and a real git repository: a fleet of agents takes a committed plan of
sixteen tasks over a bare clone of this project's own history, and ends with every change committed once, approved
and proven, trouble included. `make demo` runs it; KEEP=1 leaves everything as it is at the end, INTERACTIVE=1
leaves the approvals to a person.

Whatever the agents do, a script does (agent.py), which stands in for a model; all else is as it would be. Nothing
but the Python library. Ends with 0 only if all of it holds.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import report
import verify
from fabric import Fabric, Failed, Tap, heading, indented, say
from trouble import FRONT_PAGE, Trouble, near_duplicate, planner_twice

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
OWNERS = {
    "pia": ("planner", "person:olga"),
    "pip": ("planner", "person:paul"),
    "sue": ("worker", "person:olga"),
    "wes": ("worker", "person:olga"),
    "wim": ("worker", "person:olga"),
    "sol": ("worker", "person:sam"),
    "sid": ("worker", "person:sam"),
    "vera": ("verifier", "person:vic"),
    "ann": ("approver", "person:ann"),
}
WORKERS = {"sue": "survey", "wes": "write", "wim": "write", "sol": "code", "sid": "code"}


class Demo:
    def __init__(self, folder):
        self.folder = folder
        self.fabric = Fabric(binary(), folder / ".selvedge", "demo")
        self.record = folder / "record.git"
        self.logs = folder / "logs"
        self.logs.mkdir()
        sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True)
        self.toolchain = pathlib.Path(sysroot.stdout.strip())
        self.fabric.env["PATH"] = f"{self.toolchain / 'bin'}:{self.fabric.env['PATH']}"
        self.processes, self.lock, self.interactive = {}, threading.Lock(), bool(os.environ.get("INTERACTIVE"))

    def start_fabric(self):
        # A committer of its own, since it will be killed; what a dead one left is taken over after two seconds.
        self.fabric.env["SELVEDGE_COMMITTER__TAKEOVER_MS"] = "2000"
        self.start("fabric", "up", "--port", "0", "--without", "committer")
        self.wait_for("fabric", "selvedge is up")
        self.start_committer()
        say(indented(words(self.logs / "fabric")))

    def start_committer(self):
        self.start("committer", "serve", "committer")

    def start(self, name, *arguments, **more):
        with self.lock:
            self.processes[name] = self.fabric.start(self.logs / name, *arguments, **more)

    def wait_for(self, name, says, patience_s=60):
        end = time.monotonic() + patience_s
        while says not in words(self.logs / name):
            if self.processes[name].poll() is not None or time.monotonic() > end:
                raise Failed(f"{name} does not say {says!r}:\n{words(self.logs / name)}")
            time.sleep(0.05)

    def until_running(self, task, patience_s=60):
        """Waits until some worker says that it runs the command of a task's first attempt."""
        end = time.monotonic() + patience_s
        running = re.compile(rf" running +\S+/{task} attempt 1$", re.MULTILINE)
        while not any(running.search(words(self.logs / name)) for name in WORKERS):
            if time.monotonic() > end:
                raise Failed(f"nobody runs {task}")
            time.sleep(0.05)

    def make_record(self):
        git = ["git", "-C", str(PROJECT)]
        self.git("clone", "-q", "--bare", str(PROJECT), str(self.record))
        self.base = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
        self.git("-C", str(self.record), "update-ref", "refs/heads/main", self.base)
        self.git("-C", str(self.record), "symbolic-ref", "HEAD", "refs/heads/main")
        self.fabric.run("repository", "set", "record", self.record)

    def git(self, *arguments):
        return subprocess.run(
            ["git", *arguments], check=True, capture_output=True, text=True, env=self.fabric.env, timeout=60
        ).stdout

    def clone(self, name):
        place = self.folder / "clones" / name
        self.git("clone", "-q", str(self.record), str(place))
        return place

    def register(self):
        opened = self.fabric.json("request", "open", "There shall be a reference of what can be called, heard and set", "--mission", "demo")
        self.request = opened["id"]
        say(f"    the user's request: {self.request}")
        for name, (role, owner) in OWNERS.items():
            self.fabric.run(
                "agent", "register", name, "--mission", "demo", "--role", role, "--owner", owner, "--request", self.request, quiet=True
            )
            say(f"    {name}: {role} for {owner}")

    def set_policy(self):
        policy = HERE / "policy.cedar"
        self.fabric.run("policy", "validate", policy)
        self.fabric.run("policy", "test", policy, HERE / "policy.cases.json")
        self.fabric.run("policy", "draft", policy, "--note", "for the demo")
        self.fabric.run("policy", "activate", "1", "--reason", "the demo begins")
        self.fabric.run("policy", "confirm", "1", me="ann")
        self.fabric.run("contract", "add", "reference.rows", HERE / "rows.schema.json")

    def start_worker(self, name, queue):
        self.start(
            name, "worker", "--as", name, "--queue", queue, "--ttl", "4s", *self.bounds(), "--",
            sys.executable, HERE / "agent.py", self.record,
        )

    def bounds(self):
        """What commands may read beside the system: the demo's script, Python, the Rust toolchain, the record."""
        places = [HERE, sys.base_prefix, self.toolchain, self.record]
        return [word for place in places for word in ("--read", place)]

    def start_fleet(self):
        for name, queue in WORKERS.items():
            if name != "sid":  # he comes when sol's worker was killed
                self.start_worker(name, queue)
        self.start("vera", "verifier", "--as", "vera", "--cap", "2", *self.bounds())

    def approve(self, intent):
        """What waits for a person's consent: Ann is shown it and grants it; or whoever sits here does."""
        if self.interactive:
            say(f"waits for you:  selvedge approval grant {intent} --as ann     (SELVEDGE_HOME={self.fabric.env['SELVEDGE_HOME']})")
            return
        self.fabric.run("approval", "grant", intent, "--yes", me="ann")

    def ways_on(self):
        """What there is to look at in what is kept, and what ends it: the processes that were started, the fabric last."""
        with self.lock:
            running = [process for process in reversed(self.processes.values()) if process.poll() is None]
        pids = " ".join(str(process.pid) for process in running)
        known = " ".join(f"{name}={self.fabric.env[name]}" for name in ("SELVEDGE_HOME", "SELVEDGE_MISSION"))
        return (
            f"export {known} PATH={pathlib.Path(self.fabric.binary).parent}:$PATH\n"
            "look around:   selvedge plan list;  selvedge intent list;  selvedge log --limit 20\n"
            "who did what:  selvedge blame README.md --repository record --branch main\n"
            f"stop it:       kill {pids}"
        )

    def stop(self):
        with self.lock:
            processes = list(self.processes.values())
        for process in reversed(processes):
            if process.poll() is None:
                process.terminate()
        for process in reversed(processes):
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def words(path):
    return path.read_text(errors="replace") if path.exists() else ""


def binary():
    return os.environ.get("SELVEDGE_BIN", str(PROJECT / "target/release/selvedge"))


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="selvedge-demo-"))
    demo, kept = Demo(folder), os.environ.get("KEEP")
    try:
        story(demo)
    except Failed as failure:
        say(f"\nthe demo does not hold: {failure}")
        for log in sorted(demo.logs.iterdir()):
            say(f"--- the end of {log.name}\n{indented(words(log)[-2500:])}")
        return 1
    finally:
        if kept:
            say(f"\nkept: {folder} (SELVEDGE_HOME={demo.fabric.env['SELVEDGE_HOME']})")
            say(indented(demo.ways_on()))
        else:
            demo.stop()
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def story(demo):
    heading("1. The fabric: one process, a child nats-server, and a committer of its own")
    demo.start_fabric()
    heading("2. The record: a bare clone of this project")
    demo.make_record()
    heading("3. Who takes part")
    demo.register()
    heading("4. What they may do: a policy, tested, and put in force by two principals")
    demo.set_policy()

    heading("5. The plan is submitted twice at once; somebody else plans nearly the same")
    trouble = Trouble(demo)

    def hears(fact):
        progress(fact)
        trouble.hears(fact)

    tap = Tap(demo.fabric, hears)
    tap.start()
    plans = planner_twice(demo, HERE / "plan.yaml")
    plan = plans[0]
    demo.fabric.run("plan", "show", plan, me="pia")
    merged = near_duplicate(demo, HERE / "second.yaml")

    heading("6. They work: five workers and a verifier, each a process with workspaces of its own")
    begun = time.monotonic()
    demo.start_fleet()
    ends = lambda fact: fact.kind in ("plan.done", "plan.failed") and fact.state["id"] == plan
    tap.wait("the audit", lambda fact: ends(fact) or fact.kind == "task.validated" and fact.state["name"] == "audit")
    say("!!! the last task waits at its gate; Ann opens it")
    demo.fabric.run("task", "open", f"{plan}/announcement", me="ann")
    ended = tap.wait("the end of the plan", ends)
    trouble.end()
    if ended.kind != "plan.done":
        raise Failed(f"the plan failed: {demo.fabric.run('plan', 'show', plan, me='pia', quiet=True)}")
    took_s = time.monotonic() - begun
    demo.fabric.run("plan", "show", plan, me="pia")

    heading("7. Each commit, from the user's request to its hash")
    # Every fact is known once the last intent's is.
    facts = list(tap.facts)
    tasks = [demo.fabric.json("task", "show", f"{plan}/{line['name']}", me="pia")["task"]
             for line in demo.fabric.json("plan", "show", plan, me="pia")["tasks"]]
    committed = report.chain(demo, plan, tasks, facts)

    heading("8. The trouble, and what the fabric did about it")
    report.trouble(met(demo, plans, merged, tasks, facts))

    heading("9. Is the repository exactly what was approved?")
    if verify.main(demo.fabric.binary, str(demo.record), "main", demo.base, "ann", demo.fabric.env) != 0:
        raise Failed("the repository differs from what was approved")
    demo.git("-C", str(demo.record), "fsck", "--no-dangling", "--no-progress")
    demo.fabric.run("doctor")
    wall_s, spent_s = report.times(facts)
    tap.stop()
    say(
        f"\n{len(committed)} commits of {len(tasks)} tasks, each with its chain of custody, in {wall_s:.1f} s;"
        f" one after the other the attempts would have taken {spent_s:.1f} s"
        f" ({spent_s / wall_s:.1f} times as long). Everything: {took_s:.1f} s of work."
    )


TOLD = {
    "task.claimed": "begun", "task.submitted": "handed in, waits for a verdict", "task.accepted": "holds, is committed",
    "task.validated": "done", "task.failed": "came to nothing, is tried again", "task.exhausted": "failed for good",
}


def progress(fact):
    """A line for whoever watches, as tasks go on."""
    if fact.kind in TOLD:
        worker = ((fact.state.get("claim") or {}).get("worker") or "").split("-")[0]
        by = f" by {worker}" if fact.kind == "task.claimed" and worker else ""
        attempt = fact.state.get("attempt", 1)
        say(f"    {fact.state.get('name', '')}: {TOLD[fact.kind]}{by}{f', attempt {attempt}' if attempt > 1 else ''}")


def met(demo, plans, merged, tasks, facts):
    """What became of each trouble: (what, whether it held, what was done), from the ledger alone."""
    by_name = {task["name"]: task for task in tasks}
    past = {task["name"]: task.get("past", []) for task in tasks}
    cause = lambda name: [attempt["cause"] for attempt in past[name]]
    claims = lambda name: [fact for fact in facts if fact.kind == "task.claimed" and fact.state["name"] == name]
    submitted = [fact for fact in facts if fact.kind == "plan.submitted" and fact.state["id"] == plans[0]]
    executed = [fact for fact in facts if fact.kind == "intent.executing" and fact.state["title"] == FRONT_PAGE]
    done = [fact for fact in facts if fact.kind == "intent.committed" and fact.state["title"] == FRONT_PAGE]
    refused = by_name["page-facts"]["output"]["value"]["refused"]
    denied = [reach for reach in refused if reach["exit"] != 0]
    rivals = ("calls-by-service", "calls-by-deadline")
    apart = not overlapping(facts, *rivals) and all(by_name[name]["claim"].get("leases") for name in rivals)
    grants = done[0].state.get("grants", []) if done else []
    return [
        ("the planner's message came twice", len(set(plans)) == 1 and len(submitted) == 1, "one plan, one fact"),
        ("somebody planned nearly the same", len(merged) > 0, "asked before anything was recorded, and discarded"),
        ("two workers after one file", apart, "one after the other, each under its lease"),
        ("an output that fails its contract", "rejected" in cause("survey-facts"), f"refused; attempt {by_name['survey-facts']['attempt']} holds"),
        ("a worker killed with -9 in mid-task", "lost" in cause("tool-crate") and len(claims("tool-crate")) > 1, f"taken from it; attempt {by_name['tool-crate']['attempt']} holds"),
        ("a base that grew old", "effect" in cause("changelog"), f"refused with the path; attempt {by_name['changelog']['attempt']} holds"),
        ("a reach above the role", len(denied) == len(refused) == 2, f"{len(denied)} of {len(refused)} refused"),
        ("the committer killed with -9 while executing", len(executed) >= 1 and len(done) == 1, f"begun {len(executed)} times, committed once"),
        ("a commit that needs a person", len(grants) == 1 and grants[0]["owner"] == "person:ann", "waited for Ann"),
    ]


def overlapping(facts, one, other):
    """Whether two tasks were worked on at one time."""
    def spans(name):
        begun, spans = None, []
        for fact in facts:
            if fact.kind.startswith("task.") and fact.state.get("name") == name:
                if fact.kind == "task.claimed":
                    begun = fact.revision
                elif begun and fact.kind in ("task.validated", "task.failed", "task.exhausted"):
                    spans.append((begun, fact.revision))
                    begun = None
        return spans
    return any(a < d and c < b for a, b in spans(one) for c, d in spans(other))


if __name__ == "__main__":
    sys.exit(main())

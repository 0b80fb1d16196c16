"""Running `selvedge` as a person does, and hearing what happens. Nothing but the Python library."""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

PATIENCE_S = 120


class Failed(Exception):
    """The demo does not hold."""


class Fabric:
    """Commands of one home folder; every one is shown as it runs."""

    def __init__(self, binary, home, mission):
        self.binary = binary
        self.env = {
            **os.environ,
            "SELVEDGE_HOME": str(home),
            "SELVEDGE_MISSION": mission,
            # What people and tools around here configured must not speak into the clones.
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "PATH": f"{pathlib.Path(binary).parent}:{os.environ['PATH']}",
        }

    def run(self, *arguments, me=None, ends=0, quiet=False, cwd=None, **env):
        """Runs it to its end, which must be `ends` (a code, or several); answers with its standard output."""
        command = [self.binary, *map(str, arguments), *(["--as", me] if me else [])]
        if not quiet:
            say(f"{me or 'olga'} $ selvedge {' '.join(map(str, arguments))}")
        done = subprocess.run(
            command, capture_output=True, text=True, env={**self.env, **env}, cwd=cwd, timeout=PATIENCE_S
        )
        if not quiet:
            say(indented(done.stdout + done.stderr))
        if done.returncode not in (ends if isinstance(ends, tuple) else (ends,)):
            raise Failed(
                f"selvedge {' '.join(map(str, arguments))}: ended with {done.returncode}, not {ends}\n"
                f"{done.stdout}{done.stderr}"
            )
        return done.stdout

    def json(self, *arguments, me=None, **more):
        return json.loads(self.run(*arguments, "--output", "json", me=me, quiet=True, **more))

    def start(self, log, *arguments, cwd=None, **env):
        """Starts it as a process of its own, whose words go to a file, and its log to one beside it."""
        return subprocess.Popen(
            [self.binary, *map(str, arguments)],
            stdout=log.open("ab"), stderr=log.with_suffix(".log").open("ab"), stdin=subprocess.DEVNULL, env={**self.env, **env}, cwd=cwd, start_new_session=True,
        )


class Tap(threading.Thread):
    """Every fact of the mission, as it happens: `selvedge tap`."""

    def __init__(self, fabric, hears):
        super().__init__(daemon=True)
        self.facts, self.hears, self.failed, self.changed = [], hears, None, threading.Condition()
        self.process = subprocess.Popen(
            [fabric.binary, "tap", "--facts", "--output", "jsonl"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=fabric.env,
        )

    def run(self):
        for line in self.process.stdout:
            seen = json.loads(line)
            if seen.get("seen") != "fact":
                continue
            fact = Fact(seen)
            try:
                self.hears(fact)
            except Exception as error:  # told to whoever waits
                self.failed = error
            with self.changed:
                self.facts.append(fact)
                self.changed.notify_all()

    def wait(self, what, wanted, patience_s=PATIENCE_S):
        """The first fact that is wanted, heard already or to come."""
        end = time.monotonic() + patience_s
        with self.changed:
            while True:
                if self.failed:
                    raise self.failed
                found = next((fact for fact in self.facts if wanted(fact)), None)
                if found:
                    return found
                left = end - time.monotonic()
                if left <= 0 or not self.changed.wait(min(left, 1)) and self.process.poll() is not None:
                    raise Failed(f"waited for {what}, which did not come")

    def stop(self):
        self.process.kill()
        self.process.wait()


class Fact:
    def __init__(self, seen):
        envelope = seen["envelope"]
        self.kind = envelope["kind"].split("/")[0]
        self.at_ms, self.revision, self.sender = seen["at_ms"], seen["revision"], envelope["sender"]
        self.state = envelope["payload"]["state"]

    def __repr__(self):
        return f"{self.revision} {self.kind} by {self.sender}"


def say(text):
    print(text, flush=True)


def indented(text):
    return "\n".join("    " + line for line in text.rstrip("\n").splitlines())


def heading(text):
    say(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}")

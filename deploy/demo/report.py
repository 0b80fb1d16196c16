"""What came of it: each commit's chain of custody, each trouble, and how long it took. From the ledger alone."""

import datetime

from fabric import Failed, say


def chain(demo, plan, tasks, facts):
    """From the user's request to the hash, for each commit."""
    request = demo.request
    names = {task["id"]: task for task in tasks}
    committed = [fact for fact in facts if fact.kind == "intent.committed" and fact.state["receipt"]["kind"] == "git"]
    for fact in committed:
        intent = fact.state
        say(f"  {intent['receipt']['commit'][:12]}  {intent['title']}")
        task = names.get(task_of(intent, names))
        say(f"      request    {request}")
        if task:
            verdict = task["verdict"]
            say(f"      plan       {plan[:17]}…, task {task['name']}, attempt {task['attempt']}")
            say(f"      worker     {task['claim']['worker']} for {task['claim']['owner']}")
            held = sum(finding["passed"] for finding in verdict["findings"])
            say(f"      verdict    {verdict['by']}: {held} of {len(verdict['findings'])} checks hold")
        else:
            say(f"      proposer   {intent['proposer']} for {intent['owner']}, outside the plan")
        grants = intent.get("grants", [])
        consent = ", ".join(f"{grant['approver']} for {grant['owner']}" for grant in grants) or "none asked for"
        say(f"      intent     {intent['id'][:19]}…, policy: {rules(intent)}")
        say(f"      consent    {consent}")
    return committed


def rules(intent):
    return ", ".join(intent.get("decision", {}).get("rules", [])) or "(the default)"


def task_of(intent, names):
    scope = intent.get("task") or ""
    return next((id for id in names if scope.startswith(id) or id in scope), None)


def times(facts):
    """Wall time, against the sum of every attempt that counted, from its claim to its verdict."""
    claims, spent, first, last = {}, 0, None, None
    for fact in facts:
        if fact.kind == "task.claimed":
            claims[fact.state["id"]] = fact.at_ms
            first = first or fact.at_ms
        if fact.kind in ("task.validated", "task.failed", "task.exhausted") and fact.state["id"] in claims:
            spent += fact.at_ms - claims.pop(fact.state["id"])
            last = fact.at_ms
    return (last - first) / 1000, spent / 1000


def trouble(lines):
    """Each trouble, and what was done about it; refuses to go on if one was not met."""
    missed = [what for what, held, _ in lines if not held]
    for what, held, done in lines:
        say(f"  {'held  ' if held else 'FAILED'}  {what:<52} {done}")
    if missed:
        raise Failed(f"not held: {', '.join(missed)}")

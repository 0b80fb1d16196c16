"""Vera, a verifier: a stock NATS client with nothing of Selvedge's but a .creds file.

Hears what is committed, keeps a record of it in the mission's memory (and says so twice, as a retrying
agent would), and tries what is above its role, which nats-server itself refuses.

    python vera.py nats://127.0.0.1:4222 path/to/demo.creds COMMITS

Waits for COMMITS commits, then prints one JSON line of what it saw. A script stands in for a model.
"""

import asyncio
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../tests/python"))

import nats  # noqa: E402
from story import Agent, NoAnswer, holder  # noqa: E402

PATIENCE_S = 120


async def commits(facts, wanted):
    """The commits of the record repository, as the ledger tells of them."""
    seen = []
    while len(seen) < wanted:
        fact = await facts.next_msg(timeout=PATIENCE_S)
        intent = json.loads(fact.data)["payload"]["state"]
        if intent["receipt"]["kind"] == "git":
            seen.append({"commit": intent["receipt"]["commit"], "intent": intent["id"]})
            print(f"vera: heard of commit {seen[-1]['commit'][:12]}", file=sys.stderr)
    return seen


async def main(url, creds_path, wanted):
    mission, agent, scope = holder(creds_path)
    violations = []

    async def on_error(error):
        violations.append(str(error))

    client = await nats.connect(
        url,
        user_credentials=creds_path,
        inbox_prefix=f"_INBOX.{agent}.{scope}".encode(),
        error_cb=on_error,
    )
    me = Agent(client, mission, agent, scope)
    facts = await client.subscribe(f"sv.live.{mission}.intent.*.committed")
    await client.flush()
    heard = await commits(facts, wanted)

    # The same intent twice, and at once: one id, one effect.
    record = {
        "title": "What was committed, as a stock NATS client heard it",
        "effect": {"kind": "memory", "key": "verdicts/commits", "value": {"commits": heard}, "revision": 0},
    }
    proposed = await asyncio.gather(*(me.call("governance.propose", record, timeout=30) for _ in range(2)))
    ids = {reply["intent"]["id"] for reply, _ in proposed}
    fact = await facts.next_msg(timeout=PATIENCE_S)
    while json.loads(fact.data)["payload"]["state"]["id"] not in ids:
        fact = await facts.next_msg(timeout=PATIENCE_S)
    # No replica may answer with less than what was just heard.
    since = {"Sv-At-Least": fact.headers["Nats-Sequence"]}
    kept, _ = await me.call("committer.memory_get", {"key": "verdicts/commits"}, headers=since)

    # Above its role: what governance alone may record, and what the committer alone may ask.
    above = [
        f"sv.fact.{mission}.intent.{heard[0]['intent']}.approved",
        f"sv.req.{mission}.{agent}.{scope}.governance.redeem",
    ]
    for subject in above:
        try:
            await client.request(subject, b"{}", timeout=0.3)
        except (NoAnswer, nats.errors.Error):
            pass
    await client.flush()
    denied = [subject for subject in above if any(subject.lower() in text.lower() for text in violations)]

    await client.close()
    print(
        json.dumps(
            {
                "heard": len(heard),
                "proposed_twice_became": len(ids),
                "kept": kept["record"]["value"]["commits"] == heard,
                "denied_by_nats_server": len(denied),
                "tried": len(above),
            }
        )
    )
    return 0 if len(ids) == 1 and len(denied) == len(above) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))

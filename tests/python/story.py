"""A stock NATS client, with nothing of Selvedge's but a .creds file.

Connects, registers what it is, makes calls by hand, is denied where it must be, and reads committed
facts. Everything it needs to know, who it is and where its replies must go, stands in the credential:
the user JWT's name is `<agent>.<role>-<scope>`, its tags name the mission.

    python story.py nats://127.0.0.1:4222 path/to/demo.creds

Prints one JSON line of what it saw.
"""

import asyncio
import base64
import json
import sys
import uuid

import nats
from nats.errors import TimeoutError as NoAnswer


def holder(creds_path):
    """Who the credential makes us: mission, agent and scope, from the JWT's own claims."""
    with open(creds_path, encoding="utf-8") as file:
        jwt = file.read().split("-----BEGIN NATS USER JWT-----")[1].split("------END")[0].strip()
    body = jwt.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    tags = dict(tag.split(":", 1) for tag in claims["nats"]["tags"])
    agent, scope = claims["name"].split(".", 1)
    return tags["mission"], agent, scope


class Agent:
    def __init__(self, client, mission, agent, scope):
        self.client, self.mission, self.agent, self.scope = client, mission, agent, scope

    async def call(self, name, payload, headers=None, timeout=5):
        """One call: `registry.whoami`. The reply is JSON, because the request is."""
        subject = f"sv.req.{self.mission}.{self.agent}.{self.scope}.{name}"
        body = json.dumps(payload).encode()
        answer = await self.client.request(subject, body, timeout=timeout, headers=headers)
        reply = json.loads(answer.data)
        if answer.headers and "Nats-Service-Error-Code" in answer.headers:
            raise Refused(reply)
        return reply, int(answer.headers["Sv-As-Of"])


class Refused(Exception):
    def __init__(self, fault):
        super().__init__(fault["message"])
        self.code = fault["code"]


async def main(url, creds_path):
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
    seen = {"agent": agent}

    facts = await client.subscribe(f"sv.live._.agent.{agent}.>")
    await client.flush()

    whoami, _ = await me.call("registry.whoami", {})
    seen["whoami"] = whoami["agent"]
    seen["role"] = whoami["role"]

    # Registers what it is: one fact, however often it is sent under one key.
    about = {"about": {"program": "story.py", "capabilities": ["python"]}}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    registered, revision = await me.call("registry.register", about, headers=key)
    again, same = await me.call("registry.register", about, headers=key)
    seen["program"] = registered["agent"]["about"]["program"]
    seen["repeated"] = (revision == same) and (registered == again)

    # The committed fact, as the server republished it.
    fact = await facts.next_msg(timeout=5)
    envelope = json.loads(fact.data)
    seen["fact_kind"] = envelope["kind"]
    seen["fact_sender"] = envelope["sender"]
    seen["fact_revision"] = int(fact.headers["Nats-Sequence"]) == revision
    seen["fact_state"] = envelope["payload"]["state"]["about"]["program"]

    # A payload that does not fit: every violation, with its pointer.
    try:
        await me.call("registry.agent_list", {"limit": 0, "colour": "red"})
        seen["bad_payload"] = "accepted"
    except Refused as refusal:
        seen["bad_payload"] = refusal.code

    # What the server itself denies: another's name, an operator's call, JetStream, the live facts.
    denied = [
        f"sv.req.{mission}.bob-00000000.{scope}.registry.whoami",
        f"sv.req.{mission}.{agent}.{scope}.registry.agent_retire",
        "$JS.API.STREAM.INFO.LEDGER",
        f"sv.live.{mission}.session.x.ended",
        f"sv.fact._.agent.{agent}.retired",
    ]
    for subject in denied:
        try:
            await client.request(subject, b"{}", timeout=0.3)
            seen.setdefault("answered", []).append(subject)
        except (NoAnswer, nats.errors.Error):
            pass
    await client.flush()
    seen["denied"] = sum(any(subject.lower() in text.lower() for text in violations) for subject in denied)
    seen["expected_denied"] = len(denied)

    await client.close()
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))

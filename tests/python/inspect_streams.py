"""What an operator sees of the streams with any NATS client: the requests that `nats stream ls|info|get`,
`nats consumer ls|info`, `nats kv get` and `nats micro ls` send.

    python inspect_streams.py nats://127.0.0.1:4222 path/to/operator.creds

Prints one JSON line: what each answered, and what was denied.
"""

import asyncio
import base64
import json
import sys

import nats
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NoAnswer

from story import holder


async def main(url, creds_path):
    _, agent, scope = holder(creds_path)
    violations = []

    async def on_error(error):
        violations.append(str(error))

    client = await nats.connect(
        url, user_credentials=creds_path, inbox_prefix=f"_INBOX.{agent}.{scope}".encode(), error_cb=on_error
    )

    async def ask(subject, body=None, timeout=5):
        answer = await client.request(subject, json.dumps(body).encode() if body else b"", timeout=timeout)
        return answer

    async def api(name, body=None):
        reply = json.loads((await ask(f"$JS.API.{name}", body)).data)
        if "error" in reply:
            raise SystemExit(f"{name}: {reply['error']}")
        return reply

    names = (await api("STREAM.NAMES", {"offset": 0}))["streams"]
    listed = (await api("STREAM.LIST", {"offset": 0}))["streams"]
    ledger = await api("STREAM.INFO.LEDGER")
    leases = await api("STREAM.INFO.KV_leases")
    first = await api("STREAM.MSG.GET.LEDGER", {"seq": ledger["state"]["first_seq"]})
    newest = await api("STREAM.MSG.GET.LEDGER", {"last_by_subj": "sv.fact._.agent.>"})
    consumers = (await api("CONSUMER.NAMES.LEDGER", {"offset": 0}))["consumers"]
    consumer = await api(f"CONSUMER.INFO.LEDGER.{consumers[0]}")
    services = [json.loads((await ask("$SRV.PING")).data)["name"]]
    # `nats kv get presence KEY` reads directly.
    presence = await api("STREAM.MSG.GET.KV_presence", {"last_by_subj": "$KV.presence.>"})
    key = presence["message"]["subject"]
    direct = await ask(f"$JS.API.DIRECT.GET.KV_presence.{key}")

    denied = []
    for subject in ["$JS.API.STREAM.PURGE.LEDGER", "$JS.API.STREAM.DELETE.LEDGER", "$JS.API.STREAM.MSG.GET.KV_scratch"]:
        try:
            await ask(subject, timeout=0.3)
        except (NoAnswer, NoRespondersError, nats.errors.Error):
            pass
        await client.flush()
        if any(subject.lower() in text.lower() for text in violations):
            denied.append(subject)
    await client.close()
    print(
        json.dumps(
            {
                "streams": sorted(names),
                "listed": len(listed),
                "ledger_messages": ledger["state"]["messages"],
                "leases_subjects": leases["config"]["subjects"],
                "first": first["message"]["subject"],
                "newest": json.loads(base64.b64decode(newest["message"]["data"]))["kind"],
                "consumers": sorted(consumers),
                "pending": consumer["num_pending"],
                "services": services,
                "direct": direct.headers["Nats-Subject"] == key,
                "denied": denied,
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""Sends a Kafka topic through Undertone's POST /v1/batch, for teams that run Faust already.

    pip install -r requirements.txt
    faust -A app worker -l info --without-web

A record is JSON with a `text`; a result goes to the output topic under the record's key, as
`{"input": …, "key": …, TASK: verdict}`, what `undertone stream` writes. At least once: a record counts as read
when its result is in the output topic, so that a crash repeats some. A record that cannot be analysed goes to the
dead-letter topic as it came, with the reason in Kafka Connect's headers. Where `undertone stream` can be
had, it does the same exactly once, without the way over HTTP.

The gateway counts these texts in its windows as it counts all that comes over HTTP, at the time of their
arrival: the output topic must not be one that it reads itself (`stream.output_topic`), or they count twice.

From the environment: BROKERS, INPUT_TOPIC, OUTPUT_TOPIC, DEAD_LETTER_TOPIC, GROUP, UNDERTONE_URL, UNDERTONE_KEY, TASK,
TEXT_FIELD, KEY_FIELD (unset: the record's key).
"""

import asyncio
import datetime
import json
import logging
import os

import aiohttp
import faust

TASK = os.environ.get("TASK", "sentiment")
TEXT_FIELD = os.environ.get("TEXT_FIELD", "text")
KEY_FIELD = os.environ.get("KEY_FIELD")
INPUT_TOPIC = os.environ.get("INPUT_TOPIC", "texts")
URL = os.environ.get("UNDERTONE_URL", "http://127.0.0.1:8787") + "/v1/batch"
KEY = os.environ.get("UNDERTONE_KEY")
# As many texts a request as the gateway takes at most, and how long the first waits for others.
BATCH, WITHIN_S = 1000, 0.2
# The gateway's own limit of a text, in characters, and half of its default for a body (server.max_body_bytes).
TEXT_LIMIT, BODY_BYTES = 20_000, 2 << 20
# What passes by itself: shed load, a gateway that starts or is away.
PASSING = {429, 502, 503, 504}
LONGEST_PAUSE_S = 30
ERRORS = "__connect.errors."

log = logging.getLogger("undertone")
app = faust.App(
    os.environ.get("GROUP", "undertone-faust"),
    broker="kafka://" + os.environ.get("BROKERS", "127.0.0.1:9092").replace(",", ";"),
    key_serializer="raw",
    value_serializer="raw",
    consumer_auto_offset_reset="earliest",
    topic_disable_leader=True,
)
texts = app.topic(INPUT_TOPIC)
results = app.topic(os.environ.get("OUTPUT_TOPIC", INPUT_TOPIC + ".by-faust"))
dead_letters = app.topic(os.environ.get("DEAD_LETTER_TOPIC", INPUT_TOPIC + ".dead"))


@app.agent(texts)
async def analyse(stream):
    headers = {"Authorization": f"Bearer {KEY}"} if KEY else {}
    async with aiohttp.ClientSession(headers=headers) as session:
        async for events in stream.take_events(BATCH, within=WITHIN_S):
            good, sent = [], []
            for event in events:
                item, fault = read(event)
                if fault:
                    sent.append(bury(event, "VALUE_CONVERTER", fault))
                else:
                    good.append((event, item))
            answers = []
            for items in bodies([item for _, item in good]):
                answers += await ask(session, items)
            for (event, item), answer in zip(good, answers, strict=True):
                if "error" in answer:
                    sent.append(bury(event, "TRANSFORMATION", explain(answer["error"])))
                else:
                    sent.append(results.send(key=event.key, value=result(event, item, answer)))
            # Only what the broker has counts as done; the records are acknowledged after this.
            await asyncio.gather(*await asyncio.gather(*sent))


def read(event):
    """The item of a record, or what is wrong with it, without a word of it."""
    try:
        record = json.loads(event.value)
    except (TypeError, ValueError):
        return None, "the value is not JSON"
    text = record.get(TEXT_FIELD) if isinstance(record, dict) else None
    if not isinstance(text, str):
        return None, f"the value has no text in {TEXT_FIELD!r}"
    if len(text) > TEXT_LIMIT:
        return None, f"the text has {len(text)} characters; the limit is {TEXT_LIMIT}"
    key = record.get(KEY_FIELD) if KEY_FIELD else (event.key or b"").decode(errors="replace") or None
    return {"text": text, "tags": {"key": str(key)} if key is not None else {}}, None


def bodies(items):
    """The items in parts that fit one request each."""
    part, size = [], 0
    for item in items:
        # Six bytes is the most that JSON makes of a character.
        length = 6 * len(item["text"])
        if part and size + length > BODY_BYTES:
            yield part
            part, size = [], 0
        part.append(item)
        size += length
    if part:
        yield part


async def ask(session, items):
    """The verdicts, in order. It waits for a gateway that is away: the records wait in their topic."""
    pause = 1
    while True:
        try:
            async with session.post(URL, json={"task": TASK, "items": items}) as response:
                if response.status == 200:
                    return (await response.json())["items"]
                problem = explain(await response.json(content_type=None) or {})
                if response.status not in PASSING:
                    # A wrong key or task stays wrong: the worker stops, and its records are still to be read.
                    raise SystemExit(f"Undertone answers {response.status}: {problem}")
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError) as error:
            problem = type(error).__name__
        log.warning("Undertone does not answer (%s); trying again in %s s", problem, pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)


def result(event, item, answer):
    message = event.message
    happened = datetime.datetime.fromtimestamp(message.timestamp, datetime.timezone.utc)
    source = {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": happened.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    value = {"input": source, "key": item["tags"].get("key"), TASK: answer}
    return json.dumps(value, ensure_ascii=False).encode()


def bury(event, stage, fault):
    message = event.message
    headers = {
        **dict(message.headers or {}),
        ERRORS + "topic": message.topic.encode(),
        ERRORS + "partition": str(message.partition).encode(),
        ERRORS + "offset": str(message.offset).encode(),
        ERRORS + "stage": stage.encode(),
        ERRORS + "exception.class.name": b"undertone.BadRecord",
        ERRORS + "exception.message": fault.encode(),
    }
    return dead_letters.send(key=event.key, value=event.value, headers=headers)


def explain(problem):
    """A problem (RFC 9457) in a line: its detail and the fields that are wrong."""
    fields = "; ".join(f"{e['field']}: {e['message']}" for e in problem.get("errors", []))
    return " ".join(filter(None, [problem.get("detail") or problem.get("title") or "?", fields]))

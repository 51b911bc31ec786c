"""`make demo`: a stream of reviews, from a Kafka topic to the live page, on this machine alone.

It starts a Kafka broker, a double of OpenAI's API, the gateway and a worker, and replays demo/texts.jsonl
into the topic until Ctrl-C, two hours of made-up past first. Everything is in a folder that goes when it ends.
The LLM is a double: it knows the answers from the file, answers as slowly as a real one, and fails now
and then. Its prices are those that GPT-4o had when demo/prices.toml was written. No provider is called.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
import webbrowser

from double import Double

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
JARS = ROOT / "vendor" / "kafka"
PARTITIONS = 4
HISTORY_S = 2 * 60 * 60
# A little of everything, then a bad quarter of an hour for one brand, and so on.
EPISODE_S = 15 * 60

BROKER = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}
num.partitions={partitions}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
"""


def main() -> None:
    given = arguments()
    java = shutil.which("java")
    if not java:
        sys.exit("Java is missing, and Kafka needs it: install it (Debian: openjdk-17-jre-headless)")
    texts = [json.loads(line) for line in (HERE / "texts.jsonl").read_text().splitlines()]
    # SIGTERM ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="undertone-demo-"))
        )
        try:
            show(Demo(stack, folder, java, given), texts, given)
        except KeyboardInterrupt:
            print("\nStopping.")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--undertone", default=str(ROOT / "target/release/undertone"), metavar="FILE")
    parser.add_argument("--port", type=int, default=8787, help="where the page is [8787]")
    parser.add_argument("--rate", type=float, default=4, help="texts a second [4]")
    parser.add_argument("--seconds", type=float, help="end after so long [at Ctrl-C]")
    parser.add_argument("--no-browser", action="store_true", help="leave the page for you to open")
    return parser.parse_args()


def show(demo: "Demo", texts: "list[dict]", given: argparse.Namespace) -> None:
    """Starts everything and replays the texts until somebody has seen enough."""
    say("Kafka")
    demo.start_broker()
    say("a double of OpenAI's API, which is no LLM")
    demo.start_double(texts)
    say("the gateway")
    demo.start_gateway()
    say("a worker")
    demo.start_worker()
    send = demo.producer()
    play = Replay(texts)
    now = time.time()
    say("two hours of made-up past")
    for second in range(HISTORY_S, 0, -5):
        send(play.next(now - second))
    page = f"http://127.0.0.1:{given.port}/dashboard"
    print(f"\nThe page: {page}\nA box to try a text in: http://127.0.0.1:{given.port}/")
    print("The LLM is a double: no provider is called, no cent is spent. Ctrl-C ends the demo.")
    if not given.no_browser:
        webbrowser.open(page)
    end = now + given.seconds if given.seconds else float("inf")
    while time.time() < end:
        send(play.next(time.time()))
        demo.check()
        time.sleep(random.expovariate(given.rate))


def say(what: str) -> None:
    print(f"Starting {what} …", flush=True)


class Replay:
    """The texts in a random order, with times when one brand hears more complaints than it deserves."""

    def __init__(self, texts: "list[dict]"):
        self.texts = texts
        self.brands = sorted({text["brand"] for text in texts})

    def next(self, moment: float) -> dict:
        episode = int(moment // EPISODE_S)
        unlucky = self.brands[episode % len(self.brands)] if episode % 2 else None
        text = random.choice(self.texts)
        if text["brand"] == unlucky and text["label"] == "positive" and random.random() < 0.8:
            text = random.choice(
                [t for t in self.texts if t["brand"] == unlucky and t["label"] == "negative"]
            )
        happened = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
        return {
            "id": str(uuid.uuid4()),
            "brand": text["brand"],
            "text": text["text"],
            "created_at": happened.isoformat(timespec="milliseconds"),
        }


class Demo:
    """The processes, which end in reverse order with the stack."""

    def __init__(self, stack, folder: pathlib.Path, java: str, given: argparse.Namespace):
        self.stack, self.folder, self.java, self.given = stack, folder, java, given
        self.running: "dict[str, subprocess.Popen]" = {}
        self.broker = f"127.0.0.1:{free_port()}"
        self.environment = dict(os.environ)

    def start_broker(self) -> None:
        properties = self.folder / "server.properties"
        properties.write_text(
            BROKER.format(
                port=self.broker.rsplit(":", 1)[1], controller=free_port(),
                logs=self.folder / "kafka", partitions=PARTITIONS,
            )
        )  # fmt: skip
        tool = [self.java, "-cp", f"{JARS}/*", "kafka.tools.StorageTool"]
        form = [*tool, "format", "--standalone", "-t", cluster_id(), "-c", str(properties)]
        subprocess.run(form, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.start(
            "kafka", [self.java, "-Xmx400m", "-cp", f"{JARS}/*", "kafka.Kafka", str(properties)]
        )
        self.wait_until("kafka", lambda: connects(self.broker))
        for topic in ("texts", "verdicts", "texts.dead"):
            self.create(topic)

    def create(self, topic: str) -> None:
        command = [
            self.java, "-cp", f"{JARS}/*", "org.apache.kafka.tools.TopicCommand",
            "--bootstrap-server", self.broker, "--create", "--topic", topic,
            "--partitions", str(PARTITIONS), "--replication-factor", "1",
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start_double(self, texts: "list[dict]") -> None:
        double = self.stack.enter_context(Double(texts))
        self.environment |= {
            "OPENAI_API_KEY": "the-double-takes-any",
            "UNDERTONE_LLM__PROVIDERS": '["openai"]',
            "UNDERTONE_OPENAI__BASE_URL": double.url,
            "UNDERTONE_OPENAI__MODEL": double.MODEL,
            "UNDERTONE_PRICING__FILE": str(HERE / "prices.toml"),
            "UNDERTONE_STORE__URL": f"sqlite://{self.folder / 'demo.db'}",
            "UNDERTONE_STREAM__BROKERS": self.broker,
            "UNDERTONE_STREAM__INPUT_TOPIC": "texts",
            "UNDERTONE_STREAM__OUTPUT_TOPIC": "verdicts",
            "UNDERTONE_STREAM__TASKS": '["sentiment","aspects","emotions"]',
            "UNDERTONE_STREAM__TEXT_FIELD": "/text",
            "UNDERTONE_STREAM__KEY_FIELD": "/brand",
            "UNDERTONE_STREAM__TIME_FIELD": "/created_at",
            "UNDERTONE_STREAM__WINDOW_SECONDS": "60",
            # The past comes all at once, and what is read sooner is ahead of it by many minutes.
            "UNDERTONE_STREAM__LATENESS_SECONDS": "3600",
        }

    def start_gateway(self) -> None:
        self.start("gateway", [self.given.undertone, "serve", "--listen", f"127.0.0.1:{self.given.port}"])
        self.wait_until("gateway", lambda: answers(f"http://127.0.0.1:{self.given.port}/readyz"))

    def start_worker(self) -> None:
        # A budget, so that there is one to see; it only warns.
        budget = ["budgets", "set", "--team", "demo", "--day", "1", "--soft"]
        subprocess.run(
            [self.given.undertone, *budget],
            check=True, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.start("worker", [self.given.undertone, "stream", "--team", "demo"])

    def producer(self):
        """Kafka's own console producer; what it is given goes to the topic."""
        command = [
            self.java, "-Xmx100m", "-cp", f"{JARS}/*", "org.apache.kafka.tools.ConsoleProducer",
            "--bootstrap-server", self.broker, "--topic", "texts",
            "--property", "parse.key=true", "--property", "key.separator=\t",
        ]  # fmt: skip
        process = self.start("producer", command, stdin=subprocess.PIPE, text=True)

        def send(record: dict) -> None:
            try:
                process.stdin.write(f"{record['brand']}\t{json.dumps(record)}\n")
                process.stdin.flush()
            except OSError:
                self.check()

        return send

    def start(self, name: str, command: "list[str]", **options) -> subprocess.Popen:
        log = self.stack.enter_context((self.folder / f"{name}.log").open("w"))
        # A session of its own: Ctrl-C ends them here, one after the other.
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=log, stderr=log,
            start_new_session=True, **options,
        )  # fmt: skip
        self.running[name] = process
        self.stack.callback(stop, process)
        return process

    def wait_until(self, name: str, is_ready) -> None:
        end = time.time() + 60
        while not is_ready():
            self.check()
            if time.time() > end:
                sys.exit(f"the {name} does not answer after a minute:\n{self.tail(name)}")
            time.sleep(0.1)

    def check(self) -> None:
        """Says which process has ended, and what it said."""
        for name, process in self.running.items():
            if process.poll() is not None:
                sys.exit(f"the {name} has ended:\n{self.tail(name)}")

    def tail(self, name: str) -> str:
        return "\n".join((self.folder / f"{name}.log").read_text().splitlines()[-15:])


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cluster_id() -> str:
    """A UUID as Kafka writes one: base 64 for URLs."""
    import base64

    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def connects(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except (OSError, urllib.error.URLError):
        return False


if __name__ == "__main__":
    main()

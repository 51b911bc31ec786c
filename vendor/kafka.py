"""Fetches the jars that one Kafka broker needs into vendor/kafka/, by version and hash.

`kafka.txt` pins them; they come from Maven Central by plain HTTPS, so that no Maven has to be installed. A
jar is written beside its place and renamed once its hash is right: an interrupted run goes on with the
jars that are missing. MAVEN_CENTRAL names a mirror.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE / "kafka"
CENTRAL = os.environ.get("MAVEN_CENTRAL", "https://repo1.maven.org/maven2").rstrip("/")
ATTEMPTS = 4
# Answers that another attempt may change.
PASSING = {408, 429, 500, 502, 503, 504}


def main() -> None:
    lines = (HERE / "kafka.txt").read_text().splitlines()
    pinned = [line.split() for line in lines if line and not line.startswith("#")]
    names = {path.rsplit("/", 1)[1] for path, _ in pinned}
    stamp = TARGET / "pinned.txt"
    there = names <= {file.name for file in TARGET.glob("*.jar")}
    if there and stamp.exists() and stamp.read_bytes() == (HERE / "kafka.txt").read_bytes():
        return
    print("Fetching Kafka", flush=True)
    TARGET.mkdir(exist_ok=True)
    # What an earlier list named would stand on the class path too.
    for old in TARGET.glob("*.jar"):
        if old.name not in names:
            old.unlink()
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        faults = [fault for fault in pool.map(lambda jar: fetch(*jar), pinned) if fault]
    if faults:
        sys.exit("\n".join(faults) + "\nWhat has arrived stays: run it again.")
    stamp.write_bytes((HERE / "kafka.txt").read_bytes())


def fetch(path: str, sha256: str) -> "str | None":
    """Has the jar in its place, or says why it is not."""
    target = TARGET / path.rsplit("/", 1)[1]
    if target.exists() and hashlib.sha256(target.read_bytes()).hexdigest() == sha256:
        return None
    fault = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(2**attempt)
        try:
            with urllib.request.urlopen(f"{CENTRAL}/{path}", timeout=60) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            fault = f"{CENTRAL}/{path}: {error}"
            if error.code in PASSING:
                continue
            break
        except OSError as error:
            fault = f"{CENTRAL}/{path}: {error}"
            continue
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            return f"{CENTRAL}/{path} is not what kafka.txt pins: SHA-256 {found}, not {sha256}"
        partial = target.with_suffix(f".{os.getpid()}.partial")
        partial.write_bytes(content)
        partial.rename(target)
        return None
    return fault


if __name__ == "__main__":
    main()

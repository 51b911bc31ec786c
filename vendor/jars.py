"""Fetches jars from Maven Central into vendor/NAME/, by version and hash: python3 vendor/jars.py NAME.

`NAME.txt` pins them; they come by plain HTTPS, so that no Maven has to be installed. A jar is
written beside its place and renamed once its hash is right: an interrupted run goes on with the jars that
are missing. MAVEN_CENTRAL names a mirror.
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
CENTRAL = os.environ.get("MAVEN_CENTRAL", "https://repo1.maven.org/maven2").rstrip("/")
ATTEMPTS = 4
# Answers that another attempt may change.
PASSING = {408, 429, 500, 502, 503, 504}


def fetch_all(name: str) -> None:
    """Has all jars of `NAME.txt`, and no others, in `NAME/`; exits with what is wrong."""
    pins, folder = HERE / f"{name}.txt", HERE / name
    lines = pins.read_text().splitlines()
    pinned = [line.split() for line in lines if line and not line.startswith("#")]
    names = {path.rsplit("/", 1)[1] for path, _ in pinned}
    stamp = folder / "pinned.txt"
    there = names <= {file.name for file in folder.glob("*.jar")}
    if there and stamp.exists() and stamp.read_bytes() == pins.read_bytes():
        return
    print(f"Fetching {name.capitalize()}'s jars", flush=True)
    folder.mkdir(exist_ok=True)
    # What an earlier list named would stand on the class path too.
    for old in folder.glob("*.jar"):
        if old.name not in names:
            old.unlink()
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        faults = [fault for fault in pool.map(lambda jar: fetch(folder, *jar), pinned) if fault]
    if faults:
        sys.exit("\n".join(faults) + "\nWhat has arrived stays: run it again.")
    stamp.write_bytes(pins.read_bytes())


def fetch(folder: pathlib.Path, path: str, sha256: str) -> "str | None":
    """Has the jar in its place, or says why it is not."""
    target = folder / path.rsplit("/", 1)[1]
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
            return f"{CENTRAL}/{path} is not what is pinned: SHA-256 {found}, not {sha256}"
        partial = target.with_suffix(f".{os.getpid()}.partial")
        partial.write_bytes(content)
        partial.rename(target)
        return None
    return fault


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (HERE / f"{sys.argv[1]}.txt").exists():
        sys.exit("usage: python3 vendor/jars.py kafka")
    fetch_all(sys.argv[1])

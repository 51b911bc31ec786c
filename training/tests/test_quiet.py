"""The chain's session under a watch: ONNX Runtime's telemetry wrote files of its own and looked for a
host to send to. `tests/suite/quiet.rs` has the same of the gateway."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GRAPH = ROOT / "tests" / "fixtures" / "models" / "tiny-bert" / "model.onnx"
CALLS = (
    "trace=network,openat,?open,?openat2,?creat,?mkdir,mkdirat,?rename,?renameat,renameat2,"
    "?unlink,unlinkat,?link,linkat,?symlink,symlinkat"
)
# A line of the trace that has no business there: the session reads, and neither writes nor sends.
WRITES = re.compile(r"\b(open|openat|openat2)\(.*\b(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND)\b")
CHANGES = re.compile(r"\b(creat|mkdir\w*|rename\w*|unlink\w*|link\w*|symlink\w*)\(")
SENDS = re.compile(r"\b(socket|connect|bind|sendto|sendmsg|sendmmsg)\(")
SESSION = f"""
import time, numpy as np
from training.session import open_session
session = open_session({str(GRAPH)!r})
ids = np.ones((1, 4), np.int64)
given = {{"input_ids": ids, "attention_mask": ids, "token_type_ids": ids * 0}}
session.run(None, {{entry.name: given[entry.name] for entry in session.get_inputs()}})
time.sleep(1)
"""


def watched(folder: Path, environment: dict[str, str]) -> list[str]:
    """What a Python that opens a session does beside reading, with an empty home."""
    assert shutil.which("strace"), "strace is missing: install it (Debian: apt-get install strace)"
    log, home = folder / "trace", folder / "home"
    home.mkdir()
    subprocess.run(
        ["strace", "-f", "-e", "signal=none", "-e", CALLS, "-o", log, sys.executable, "-c",
         SESSION],
        check=True,
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("XDG_")},
            "HOME": str(home),
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
    )
    lines = log.read_text().splitlines()
    assert any("onnxruntime" in line for line in lines), "nothing was seen"
    wrong = [
        line
        for line in lines
        if (WRITES.search(line) and "/dev/null" not in line)
        or CHANGES.search(line)
        or SENDS.search(line)
    ]
    return wrong + [str(path) for path in home.rglob("*")]


def test_a_session_phones_nobody_and_writes_nothing(tmp_path: Path) -> None:
    assert watched(tmp_path, {"ORT_DISABLE_TELEMETRY": "0"}) == []


def test_a_runtime_that_was_loaded_before_with_its_telemetry_on_is_refused() -> None:
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "0"}
    # As if it had been loaded: a real one would send.
    program = "import sys; sys.modules['onnxruntime'] = object(); import training"
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert finished.returncode == 1
    assert "import training first" in finished.stderr

"""Runs a job of this folder on this machine: python3 deploy/flink/run.py before | after

Fills in the ${NAMES} of before.sql or after.sql from the environment or the defaults below, and starts Flink's
SQL client with a cluster of its own inside it, in which the job runs until Ctrl-C. Flink is fetched by
version and hash the first time (310 MB); Java 17 has to be there. `--print` shows the filled-in SQL instead,
for a cluster's own SQL client.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
VENDOR = HERE.parent.parent / "vendor"
SQL_CLIENT = "org.apache.flink.table.client.SqlClient"

# What a job can be told, and what holds otherwise. Those of the gateway's configuration have its defaults.
DEFAULTS = {
    "BROKERS": "127.0.0.1:9092",
    "GROUP": "undertone",
    "RAW_TOPIC": "raw",
    "INPUT_TOPIC": "texts",
    "OUTPUT_TOPIC": "verdicts",
    "TEXT_FIELD": "text",
    "ID_FIELD": "id",
    "DEDUPE_HOURS": "1",
    "WINDOW_SECONDS": "60",
    "LATENESS_SECONDS": "30",
    "KEEP_DAYS": "7",
    "JDBC_URL": "jdbc:postgresql://127.0.0.1:5432/undertone",
    "DB_USER": "undertone",
    "DB_PASSWORD": "",
    # How often state is saved; the worker sees what `before` lets pass when it has been.
    "CHECKPOINT": "1 s",
    # `latest-offset`: end when what is there now has been read.
    "BOUNDED": "unbounded",
    # Passed to Java and Flink.
    "HEAP": "1g",
    "PARALLELISM": "1",
}

# What Flink reaches into, as its own start scripts allow it on Java 17.
OPENS = [
    "java.base/java.lang", "java.base/java.net", "java.base/java.io", "java.base/java.nio",
    "java.base/java.text", "java.base/java.time", "java.base/java.util",
    "java.base/java.util.concurrent", "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks", "java.base/java.lang.reflect", "java.base/sun.nio.ch",
    "java.base/sun.net.util",
]  # fmt: skip

# The SQL client says itself what is wrong with a statement; of a job that runs, warnings are shown.
LOGGING = """\
rootLogger.level = ERROR
rootLogger.appenderRef.stderr.ref = stderr
logger.table.name = org.apache.flink.table
logger.table.level = OFF
logger.runtime.name = org.apache.flink.runtime.executiongraph
logger.runtime.level = WARN
appender.stderr.name = stderr
appender.stderr.type = CONSOLE
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %-5p %c{1}: %m%n%ex{8}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Run one of this folder's Flink SQL jobs on this machine.",
        epilog="From the environment, with these defaults: "
        + ", ".join(f"{name}={value}" for name, value in DEFAULTS.items()),
    )
    parser.add_argument("job", choices=["before", "after"])
    parser.add_argument("--print", action="store_true", help="print the SQL and run nothing")
    given = parser.parse_args()
    values = {name: os.environ.get(name, default) for name, default in DEFAULTS.items()}
    sql = re.sub(
        r"\$\{([A-Z_]+)\}",
        lambda name: values[name[1]].replace("'", "''"),
        (HERE / f"{given.job}.sql").read_text(),
    )
    if given.print:
        print(sql, end="")
        return
    java = shutil.which("java")
    if not java:
        sys.exit("Java is missing, and Flink needs it: install it (Debian: openjdk-17-jre-headless)")
    subprocess.run([sys.executable, str(VENDOR / "flink.py")], check=True)
    with tempfile.TemporaryDirectory(prefix="undertone-flink-") as folder:
        work = pathlib.Path(folder)
        # The SQL may hold a password.
        work.chmod(0o700)
        sys.exit(run(java, sql, values, work))


def run(java: str, sql: str, values: "dict[str, str]", work: pathlib.Path) -> int:
    """Starts the SQL client on the job and waits for its end. Its exit code is 0 whatever the job came to, so
    that is read off what it prints."""
    (work / "conf").mkdir()
    (work / "plugins").mkdir()
    (work / "job.sql").write_text(local(values) + sql)
    (work / "conf" / "config.yaml").write_text(
        f"parallelism: {{default: {values['PARALLELISM']}}}\n"
        "rest: {port: 0}\n"
        f"io: {{tmp: {{dirs: {work}}}}}\n"
    )
    (work / "log4j.properties").write_text(LOGGING)
    jars = [*(VENDOR / "flink").glob("*.jar"), *(VENDOR / "flink" / "dist").glob("*.jar")]
    opens = [f"--add-opens={name}=ALL-UNNAMED" for name in OPENS]
    command = [
        java, f"-Xmx{values['HEAP']}", "-Dorg.jline.terminal.dumb=true", *opens,
        f"-Dlog4j.configurationFile={work / 'log4j.properties'}",
        "-cp", ":".join(map(str, sorted(jars))),
        SQL_CLIENT, "embedded", "-f", str(work / "job.sql"),
    ]  # fmt: skip
    environment = os.environ | {
        "FLINK_CONF_DIR": str(work / "conf"),
        "FLINK_LIB_DIR": str(VENDOR / "flink" / "dist"),
        "FLINK_PLUGINS_DIR": str(work / "plugins"),
    }
    client = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    failed = False
    try:
        for line in client.stdout:
            failed |= "[ERROR]" in line
            # What it echoes of the job may hold the password.
            if failed or line.startswith(("[INFO]", "Job ID")):
                print(line, end="", flush=True)
        code = client.wait()
    except KeyboardInterrupt:
        client.terminate()
        client.wait()
        return 0
    return 1 if failed else code


def local(values: "dict[str, str]") -> str:
    """Settings that a cluster has of its own: run in this process, and wait for the job."""
    return "SET 'execution.target' = 'local';\nSET 'table.dml-sync' = 'true';\n"


if __name__ == "__main__":
    main()

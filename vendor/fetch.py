"""Fetches ONNX Runtime's shared library into vendor/onnxruntime/, by version and hash.

The library is taken out of the wheel on the Python package index that `onnxruntime.txt` pins. The
wheel's Python is never run, so one wheel a platform serves whatever Python is at hand.
"""

import pathlib
import platform
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
WHEELS = {
    ("Linux", "x86_64"): ("manylinux_2_28_x86_64", "libonnxruntime.so"),
    ("Linux", "aarch64"): ("manylinux_2_28_aarch64", "libonnxruntime.so"),
    ("Darwin", "arm64"): ("macosx_14_0_arm64", "libonnxruntime.dylib"),
}


def main() -> None:
    machine = (platform.system(), platform.machine())
    if machine not in WHEELS:
        sys.exit(
            f"no ONNX Runtime wheel is pinned for {' '.join(machine)}: install ONNX Runtime 1.24 or "
            "later yourself and set ORT_DYLIB_PATH to its shared library"
        )
    tag, library = WHEELS[machine]
    target = HERE / "onnxruntime"
    pinned = (HERE / "onnxruntime.txt").read_bytes()
    stamp = target / "pinned.txt"
    if stamp.exists() and stamp.read_bytes() == pinned and (target / library).exists():
        return
    print("Fetching ONNX Runtime", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                "--no-deps", "--only-binary=:all:", "--require-hashes",
                "--implementation", "cp", "--python-version", "3.12", "--abi", "cp312",
                "--platform", tag, "--dest", folder, "--requirement", str(HERE / "onnxruntime.txt"),
            ],
            check=True,
        )  # fmt: skip
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        target.mkdir(exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            stem = library.removesuffix(".dylib")
            inside = next(
                name
                for name in names
                if name.startswith(f"onnxruntime/capi/{stem}") and "providers" not in name
            )
            # Written beside and renamed, so that an interrupted run leaves no half library.
            partial = target / f"{library}.partial"
            partial.write_bytes(archive.read(inside))
            partial.rename(target / library)
            for notice in ("LICENSE", "ThirdPartyNotices.txt"):
                (target / notice).write_bytes(archive.read(f"onnxruntime/{notice}"))
    stamp.write_bytes(pinned)


if __name__ == "__main__":
    main()

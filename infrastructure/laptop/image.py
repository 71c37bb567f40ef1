"""Makes the image that ECS tasks of pipelines/etl.toml run in: Python, boto3, and the scripts.

    python image.py docker|podman

It is python:3.11-slim with boto3 where the engine can get that. Where it cannot, on Linux, it is made of the Python
that runs this: interpreter, standard library, the shared objects that they need, and boto3 as it is installed here.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile

from prepare import ETL, IMAGE

RECIPE = """\
FROM python:3.11-slim
RUN pip install --no-cache-dir boto3
COPY etl /pipelines/etl
WORKDIR /pipelines
"""
PACKAGES = ["boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py"]
# Of the two hundred services that botocore describes, the scripts use one.
SERVICES = {"s3"}


def skipped(path):
    parts = path.split("/")
    return (
        "__pycache__" in parts
        or path.endswith((".a", ".o"))
        or any(part in ("test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3") for part in parts)
        or any(part.startswith("config-") for part in parts)
    )


def from_registry(engine):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ETL, os.path.join(folder, "etl"), ignore=shutil.ignore_patterns("__pycache__"))
        with open(os.path.join(folder, "Dockerfile"), "w") as file:
            file.write(RECIPE)
        try:
            done = subprocess.run(
                [engine, "build", "--tag", IMAGE, folder],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=300,
            )
        except subprocess.TimeoutExpired:
            print("the image could not be built in five minutes")
            return False
    if done.returncode:
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
        print("the image could not be built: {}".format(lines[-1] if lines else done.returncode))
    return done.returncode == 0


def shared_objects(paths):
    """What the dynamic linker loads for these files, itself included."""
    found = set()
    for path in paths:
        done = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        found.update(re.findall(r"(/\S+) \(0x", done.stdout.decode()))
    return found


def from_machine(engine):
    version = "python{}.{}".format(*sys.version_info)
    library = sysconfig.get_paths()["stdlib"]
    packages = sysconfig.get_paths()["purelib"]
    interpreter = os.path.realpath(sys.executable)
    site = "usr/local/lib/{}/site-packages".format(version)

    def wanted(entry):
        return None if skipped(entry.name) else entry

    def of_library(entry):
        return None if re.search("/(site|dist)-packages(/|$)", entry.name) else wanted(entry)

    def of_packages(entry):
        service = re.match(re.escape(site) + "/botocore/data/([^/]+)", entry.name)
        return None if entry.isdir() and service and service[1] not in SERVICES else wanted(entry)

    objects = [interpreter]
    for folder, _, names in os.walk(os.path.join(library, "lib-dynload")):
        objects += [os.path.join(folder, name) for name in names if name.endswith(".so")]

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "image.tar")
        with tarfile.open(path, "w") as tar:
            tar.add(interpreter, "usr/local/bin/python3")
            tar.add(library, "usr/local/lib/" + version, filter=of_library)
            for name in sorted(shared_objects(objects)):
                tar.add(os.path.realpath(name), name.lstrip("/"))
            for name in PACKAGES:
                tar.add(os.path.join(packages, name), "{}/{}".format(site, name), filter=of_packages)
            tar.add(ETL, "pipelines/etl", filter=wanted)
            scratch = tarfile.TarInfo("tmp")
            scratch.type, scratch.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(scratch)
        print("it is made of this computer's {}: {} MB".format(version, os.path.getsize(path) >> 20))
        done = subprocess.run([engine, "import", path, IMAGE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.exit(done.stdout.decode("utf-8", "replace"))


def main():
    (engine,) = sys.argv[1:]
    if from_registry(engine):
        return
    if not sys.platform.startswith("linux"):
        sys.exit("only Linux has a Python that runs in a container")
    from_machine(engine)


if __name__ == "__main__":
    main()

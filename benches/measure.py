#!/usr/bin/env python3
"""Measures bunsui as whole processes and prints a table in Markdown.

    cargo build --release
    python3 benches/measure.py                          all of it
    python3 benches/measure.py --only validate fan-out
    python3 benches/measure.py --bunsui path/to/bunsui --repeat 9 --jobs 10000

Needs Linux, Python 3.8 and GNU make. Times are wall times of cold processes, medians of --repeat runs with the least and the most
beside them; bunsui and make take turns, so that both see the same machine. Memory is the peak resident set: of the runner, and apart
from it the sum of the plugin hosts'. It runs in a scratch folder, and leaves nothing.
"""

import argparse
import calendar
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import generate

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


class Failed(Exception):
    pass


class Run:
    """One process, from start to end."""

    def __init__(self, command, folder, watch=False):
        log = open(os.path.join(folder, "log"), "wb")
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TERM": "dumb"}
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        peaks = Peaks(process.pid) if watch else None
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status) if hasattr(os, "waitstatus_to_exitcode") else status >> 8
        log.close()
        # Linux counts in KiB, and what this process had before it became the other: nothing below some 25 MB can be told.
        self.megabytes = usage.ru_maxrss / 1024
        self.hosts_megabytes = None
        if peaks:
            peaks.stop()
            self.megabytes, self.hosts_megabytes = peaks.runner / 1024, sum(peaks.hosts.values()) / 1024
        if process.returncode != 0:
            with open(os.path.join(folder, "log"), errors="replace") as text:
                tail = "".join(text.readlines()[-20:])
            raise Failed("{} ended with {}:\n{}".format(" ".join(command), process.returncode, tail))


class Peaks(threading.Thread):
    """Reads the high-water marks of a process and of its plugin hosts, while they are there."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.runner, self.hosts, self.done = pid, 0, {}, threading.Event()
        self.start()

    def run(self):
        while not self.done.wait(0.02):
            self.runner = max(self.runner, high_water(self.pid))
            for child in children(self.pid):
                if is_host(child):
                    self.hosts[child] = max(self.hosts.get(child, 0), high_water(child))

    def stop(self):
        self.done.set()
        self.join()


def high_water(pid):
    """VmHWM in KiB; 0 for a process that is gone."""
    try:
        with open("/proc/{}/status".format(pid)) as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


def children(pid):
    found = []
    try:
        for thread in os.listdir("/proc/{}/task".format(pid)):
            with open("/proc/{}/task/{}/children".format(pid, thread)) as text:
                found += [int(child) for child in text.read().split()]
    except OSError:
        pass
    return found


def is_host(pid):
    try:
        with open("/proc/{}/cmdline".format(pid), "rb") as text:
            return b"__plugin-host" in text.read()
    except OSError:
        return False


def spread(values, unit, scale=1.0, digits=0):
    values = [value * scale for value in values]
    figure = "{{:.{}f}}".format(digits).format
    text = "{} {}".format(figure(statistics.median(values)), unit).strip()
    if len(values) > 1:
        text += " ({}-{})".format(figure(min(values)), figure(max(values)))
    return text


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def validate(options, folder):
    text = generate.pipeline("large", generate.layered(options.jobs), rich=True)
    path = write(folder, "large.toml", text)
    command = [options.bunsui, "validate", path]
    Run(command, folder)  # what plugins declare is cached from here on, as on any second run
    runs = [Run(command, folder) for _ in range(options.repeat)]
    what = "validate {:,} jobs ({:.1f} MB)".format(options.jobs, len(text) / 1e6)
    yield what, "time", spread([run.seconds for run in runs], "ms", 1000), "150 ms"
    yield what, "memory", spread([run.megabytes for run in runs], "MB"), "150 MB"


def commit(options, folder):
    """What is checked before a commit: one file, and a repository of them; beside what judges files of like size elsewhere."""
    files = os.path.join(folder, "pipelines")
    os.makedirs(files)
    names = ["pipeline_{}".format(number) for number in range(200)]
    for name in names:
        write(files, name + ".toml", generate.pipeline(name, generate.chain(20), rich=True))
    one = [options.bunsui, "validate", os.path.join(files, names[0] + ".toml")]
    all_of_them = [options.bunsui, "validate", files]
    Run(all_of_them, folder)
    others = judges(options, folder, files, names)
    runs = {"one": [], "all": [], **{name: [] for name in others}}
    for _ in range(options.repeat):
        runs["one"].append(Run(one, folder).seconds)
        runs["all"].append(Run(all_of_them, folder).seconds)
        for name, command in others.items():
            runs[name].append(Run(command, folder).seconds)
    yield "validate one file of 20 jobs", "time", spread(runs["one"], "ms", 1000), "15 ms"
    yield "validate 200 files of 20 jobs", "time", spread(runs["all"], "ms", 1000), "150 ms"
    for name in others:
        which, what = ("one", "the one file") if name == "asl-validator" else ("all", "the 200 files")
        yield what, name, spread(runs[name], "ms", 1000), ""
        ratio = [theirs / ours for theirs, ours in zip(runs[name], runs[which])]
        yield what, name + ", as a ratio to bunsui", spread(ratio, "", 1, 1), ""


def judges(options, folder, files, names):
    """Other judges that are installed: check-jsonschema of the TOML files by bunsui's schema, asl-validator of the definitions of one."""
    found = {}
    if options.check_jsonschema:
        schema = subprocess.run([options.bunsui, "schema"], stdout=subprocess.PIPE, check=True, cwd=folder).stdout
        write(folder, "schema.json", schema.decode())
        paths = [os.path.join(files, name + ".toml") for name in names]
        command = [options.check_jsonschema, "--schemafile", os.path.join(folder, "schema.json"), *paths]
        found["check-jsonschema"] = command
    script = REPOSITORY / "tests/jsonata/validate-asl.mjs"
    if options.asl and (script.parent / "node_modules").is_dir():
        # Of one file: it takes over a tenth of a second for each definition.
        compiled = subprocess.run(
            [options.bunsui, "compile", os.path.join(files, names[0] + ".toml")],
            stdout=subprocess.PIPE, check=True, cwd=folder,
        )
        found["asl-validator"] = ["node", str(script), write(folder, "definitions.json", compiled.stdout.decode())]
    return found


def against_make(options, folder, what, jobs):
    path = write(folder, "jobs.toml", generate.pipeline("jobs", jobs))
    make = write(folder, "Makefile", generate.makefile(jobs))
    ours, theirs = [], []
    for _ in range(options.repeat):
        theirs.append(Run(["make", "-s", "-j8", "-f", make], folder).seconds)
        ours.append(Run([options.bunsui, "run", path], folder).seconds)
    yield what, "bunsui run", spread(ours, "ms", 1000), ""
    yield what, "make -j8", spread(theirs, "ms", 1000), ""
    yield what, "ratio", spread([a / b for a, b in zip(ours, theirs)], "", 1, 2), "2"


def chain(options, folder):
    return against_make(options, folder, "chain of 200", generate.chain(200))


def fan_out(options, folder):
    return against_make(options, folder, "fan-out of 1,000", generate.fan_out(1000))


def memory(options, folder):
    path = write(folder, "many.toml", generate.pipeline("many", generate.layered(options.jobs)))
    run = Run([options.bunsui, "run", path], folder, watch=True)
    what = "session of {:,} jobs".format(options.jobs)
    yield what, "memory of the runner", spread([run.megabytes], "MB"), "200 MB"
    yield what, "memory of plugin hosts", spread([run.hosts_megabytes], "MB"), ""
    yield what, "time", spread([run.seconds], "s", 1, 1), ""


def report(options, folder):
    """A session's report, made again from what is stored; the session itself is not measured."""
    path = write(folder, "many.toml", generate.pipeline("many", generate.layered(options.jobs)))
    Run([options.bunsui, "run", path], folder)
    made = os.path.join(folder, "report.html")
    runs = [Run([options.bunsui, "report", "last", "--output", made], folder) for _ in range(options.repeat)]
    what = "report of {:,} jobs".format(options.jobs)
    yield what, "time", spread([run.seconds for run in runs], "s", 1, 2), "2 s"
    yield what, "memory", spread([run.megabytes for run in runs], "MB"), ""
    yield what, "size", spread([os.path.getsize(made)], "MB", 1e-6, 2), "5 MB"
    drawn = [Run([options.bunsui, "graph", path, "--format", "svg"], folder) for _ in range(options.repeat)]
    yield "picture of {:,} jobs".format(options.jobs), "time", spread([run.seconds for run in drawn], "s", 1, 2), "2 s"


# Jobs, and lines that each said.
SAID = ((100, 10000), (10000, 100))


def logs(options, folder):
    """Sessions that said a million lines: a hundred jobs beside each other, and ten thousand in layers."""
    for jobs, lines in SAID:
        place = os.path.join(folder, str(jobs))
        os.mkdir(place)
        path = write(place, "said.toml", generate.pipeline("said", generate.layered(jobs)))
        Run([options.bunsui, "run", path], place)
        said = say_lines(options, place, lines)
        command = [options.bunsui, "logs", "last", "--source", "operation"]
        runs = [Reading(command, place) for _ in range(options.repeat)]
        for run in runs:
            if run.lines != jobs * lines:
                raise Failed("logs gave {:,} lines".format(run.lines))
        what = "logs of {:,} lines ({:.0f} MB) in {:,} files".format(jobs * lines, said / 1e6, jobs)
        yield what, "first line", spread([run.first for run in runs], "ms", 1000), "100 ms"
        yield what, "all lines", spread([run.seconds for run in runs], "s", 1, 1), ""
        yield what, "memory", spread([run.megabytes for run in runs], "MB"), ""
        found = [Reading(command + ["--grep", "row 47 of"], place) for _ in range(options.repeat)]
        yield what, "--grep, {:,} found".format(found[0].lines), spread([run.seconds for run in found], "s", 1, 1), ""


def say_lines(options, folder, lines):
    """Writes so many lines for each job of the only session that there is, from its start on; gives their bytes."""
    shown = json.loads(subprocess.check_output([options.bunsui, "session", "show", "last", "--output", "json"], cwd=folder))
    name = shown["session_id"]
    session = pathlib.Path(folder, ".bunsui/objects/logs", name[:4], name[4:6], name[6:8], name)
    written = 0
    for attempt in shown["attempts"]:
        second, _, fraction = attempt["started_at"].rstrip("Z").partition(".")
        begin = calendar.timegm(time.strptime(second, "%Y-%m-%dT%H:%M:%S")) + float("0." + (fraction or "0"))
        place = session / attempt["job"]
        place.mkdir(parents=True)
        with open(str(place / "work.1-1.jsonl"), "w") as file:
            for line in range(lines):
                at = begin + 0.001 + line * 0.0001
                moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + ".{:03}Z".format(int(at % 1 * 1000))
                written += file.write(json.dumps({
                    "ts": moment, "level": "info", "source": "operation", "session_id": name,
                    "job_id": attempt["job"], "operation": "work", "attempt": 1, "try": 1,
                    "message": "row {} of the table, which is as long as lines are".format(line), "fields": {},
                }, separators=(",", ":")) + "\n")
    return written


class Reading:
    """One process whose lines are read as they come."""

    def __init__(self, command, folder):
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TERM": "dumb"}
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        peaks = Peaks(process.pid)
        self.lines = 1 if process.stdout.readline() else 0
        self.first = time.perf_counter() - started
        while True:
            block = process.stdout.read1(1 << 20)
            if not block:
                break
            self.lines += block.count(b"\n")
        self.seconds = time.perf_counter() - started
        peaks.stop()
        self.megabytes = peaks.runner / 1024
        if process.wait() != 0:
            raise Failed("{} ended with {}".format(" ".join(command), process.returncode))


BENCHES = {
    "validate": validate, "commit": commit, "chain": chain, "fan-out": fan_out, "memory": memory, "report": report, "logs": logs,
}


def surroundings(options):
    version = subprocess.run([options.bunsui, "--version"], stdout=subprocess.PIPE, universal_newlines=True)
    load = ", ".join("{:.1f}".format(one) for one in os.getloadavg())
    return "{}, {} {}, {} cores, load {} at the start, {} runs".format(
        version.stdout.strip(), platform.system(), platform.machine(), os.cpu_count(), load, options.repeat
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bunsui", default=str(REPOSITORY / "target/release/bunsui"), metavar="PATH")
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--check-jsonschema", metavar="PATH", help="of commit: measure it too (from PyPI)")
    parser.add_argument("--asl", action="store_true", help="of commit: measure asl-validator too (npm ci in tests/jsonata)")
    parser.add_argument("--jobs", type=int, default=10000, help="of validate, memory and report")
    options = parser.parse_args()
    options.bunsui = os.path.abspath(options.bunsui)
    if not os.access(options.bunsui, os.X_OK):
        sys.exit("there is no {}: cargo build --release, or --bunsui PATH".format(options.bunsui))

    print(surroundings(options) + "\n")
    print("| what | of it | measured | goal: at most |\n|---|---|---|---|")
    failed = False
    for name in options.only:
        with tempfile.TemporaryDirectory(prefix="bunsui-bench-") as folder:
            try:
                for row in BENCHES[name](options, folder):
                    print("| {} | {} | {} | {} |".format(*row), flush=True)
            except Failed as error:
                failed = True
                print("| {} | failed | | |".format(name), flush=True)
                print(error, file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

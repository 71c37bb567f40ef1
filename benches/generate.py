"""Pipelines of any size, and makefiles that do the same processes."""

import shutil

TRUE = shutil.which("true") or "/bin/true"
WIDTH = 100


def layered(count):
    """Jobs in layers of 100, each with two upstreams in the layer above: [(name, upstreams)]."""
    jobs = []
    for index in range(count):
        above = index - WIDTH
        upstreams = []
        if above >= 0:
            first_above = above - above % WIDTH
            upstreams = sorted({above, first_above + (above * 7 + 3) % WIDTH})
        jobs.append(("job_{}".format(index), ["job_{}".format(one) for one in upstreams]))
    return jobs


def chain(count):
    """Each job waits for the one before."""
    return [("job_{}".format(i), ["job_{}".format(i - 1)] if i else []) for i in range(count)]


def fan_out(count):
    """One job, and `count` that wait for it."""
    return [("root", [])] + [("job_{}".format(i), ["root"]) for i in range(count)]


def pipeline(name, jobs, rich=False, concurrency=8):
    """As a pipeline file. `rich`: with parameters, references and retries, as people write them."""
    lines = ["[pipeline]", 'name = "{}"'.format(name), "max_concurrency = {}".format(concurrency), ""]
    if rich:
        lines += ["[params]", 'year = { type = "integer", default = 2015, min = 2012 }', ""]
        lines += ["[defaults]", 'timeout = "15m"', 'retry = { max_attempts = 3, interval = "5s" }', ""]
    lines += ["[defaults.ecs]", 'cluster = "c"', 'task_definition = "t"', 'container = "main"', ""]
    for job, upstreams in jobs:
        lines.append("[jobs.{}]".format(job))
        if upstreams:
            lines.append("depends_on = [{}]".format(", ".join('"{}"'.format(one) for one in upstreams)))
        lines += ["[[jobs.{}.operations]]".format(job), 'name = "work"', 'type = "ecs"']
        if rich:
            source = "${{jobs.{}.task_arn}}".format(upstreams[0]) if upstreams else "none"
            lines.append('environment = {{ YEAR = "${{params.year}}", SOURCE = "{}" }}'.format(source))
        lines += ['local = {{ command = ["{}"] }}'.format(TRUE), ""]
    return "\n".join(lines)


def makefile(jobs):
    """The same processes. make starts a plain command itself, without a shell."""
    lines = [".PHONY: all " + " ".join(job for job, _ in jobs), "all: " + " ".join(job for job, _ in jobs), ""]
    for job, upstreams in jobs:
        lines += ["{}: {}".format(job, " ".join(upstreams)), "\t@{}".format(TRUE)]
    return "\n".join(lines) + "\n"

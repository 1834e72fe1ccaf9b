"""Runs parts of the benchmark, prints tables and `name: ratio` lines, writes results and the chart."""

import datetime
import importlib
import json
import os
import platform
import sys
import time
import traceback

import chart
import measure
import readme
import servers

PARTS = ("scan", "peer", "native", "parallel", "tenants", "token")
SETTINGS = {"shared_buffers": "128MB", "max_parallel_workers_per_gather": "0", "jit": "off",
            "log_min_messages": "warning"}


def print_table(result):
    rows = [result["head"]] + [tuple(row) for row in result["table"]]
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    print("\n%s" % result["title"])
    for row in rows:
        cells = [str(cell).ljust(width) if i == 0 else str(cell).rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("  " + "  ".join(cells))


def reached(value, goal):
    if goal is None:
        return None
    sign, number = goal.split()
    return value <= float(number) if sign == "<=" else value >= float(number)


def print_ratios(result):
    for name, (value, goal) in result["ratios"].items():
        ok = reached(value, goal)
        spread = result.get("spreads", {}).get(name)
        print("%s: %.3f%s%s" % (name, value, "" if goal is None else
                                "  (goal %s: %s)" % (goal, "reached" if ok else "NOT reached"),
                                "" if spread is None else "  half of %d pairs: %.2f to %.2f" % (
                                    spread["pairs"], spread["low"], spread["high"])))


def busy_cores(seconds=1.0):
    """How many processors others keep busy; nothing of ours runs yet."""
    def used():
        with open("/proc/stat") as file:
            ticks = [int(field) for field in file.readline().split()[1:]]
        return sum(ticks[:3]) + sum(ticks[5:8])  # all but idle and waiting; time of guests is within the first

    before, start = used(), time.monotonic()
    time.sleep(seconds)
    return (used() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - start)


def machine(others):
    model = "unknown"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "busy_with_other_work": round(others, 2)}


def run_part(name):
    others = busy_cores()
    with servers.Owner() as owner:
        cluster = servers.Cluster(owner, SETTINGS)
        with measure.Session(cluster) as session:
            postgres = session.one("SHOW server_version")
        result = importlib.import_module("part_" + name).run(owner, cluster)
    result.setdefault("postgresql", postgres)
    result["documents"] = measure.DOCUMENTS
    result["machine"] = machine(others)
    result["when"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return result


def main():
    parts = sys.argv[1:] or PARTS
    os.makedirs(measure.RESULTS, exist_ok=True)
    failed = []
    for name in parts:
        if name not in PARTS:
            raise SystemExit("bench: no part %s; there are %s" % (name, ", ".join(PARTS)))
        print("bench: %s, %s (%s)" % (name, time.strftime("%H:%M:%S", time.gmtime()), "+".join(parts)),
              file=sys.stderr, flush=True)
        try:
            result = run_part(name)
        except Exception:  # one part that cannot run must not hide the others' figures
            traceback.print_exc()
            failed.append(name)
            continue
        with open(os.path.join(measure.RESULTS, name + ".json"), "w") as file:
            json.dump(result, file, indent=1, default=str)
            file.write("\n")
        print_table(result)
        print_ratios(result)
        sys.stdout.flush()
    chart.write(measure.RESULTS)
    readme.write(measure.RESULTS, os.path.join(servers.ROOT, "README.md"))
    if failed:
        print("\nbench: failed: %s" % ", ".join(failed))
        raise SystemExit(1)


if __name__ == "__main__":
    main()

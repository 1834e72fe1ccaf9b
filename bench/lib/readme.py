"""Writes the figures of bench/results/*.json into the section Performance of README.md, between two marks."""

import json
import os

BEGIN, END = "<!-- figures of make bench: begin -->\n", "<!-- figures of make bench: end -->\n"
WIDTH = 118


def load(directory, part):
    path = os.path.join(directory, part + ".json")
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return json.load(file)


def ratio(result, name):
    return "%.2f" % result["ratios"][name][0]


def number(result):
    return "{:,}".format(result["documents"])


def times(value):
    return "%.0f" % value if value >= 10 else "%.1f" % value


def lines_of_scan(scan):
    rows = scan["rows"]["scan8"]
    yield ("A scan of eight columns of %s documents takes %s of the time in which a C program drains the same cursor "
           "by libmongoc and walks its fields; of one column %s (%s and %s when the server projects). That is %.1f million "
           "rows a second. The backend's memory grows by %.0f MB. The server that answers from memory, drained raw, costs "
           "%s of that program (%s when the reader sleeps between packets)."
           % (number(scan), ratio(scan, "scan8"), ratio(scan, "scan1"), ratio(scan, "projected8"), ratio(scan, "projected1"),
              scan["documents"] / 1e6 / rows["wall"], scan["ratios"]["scan8_memory_growth_mb"][0],
              ratio(scan, "canned_server"), ratio(scan, "canned_server_sleeping_reader")))


def lines_of_peer(peer):
    others = [value[0] for name, value in peer["ratios"].items() if not name.startswith("peer_scan")]
    yield ("EDB mongo_fdw 5.5.3 takes %s times as long for eight columns and %s times for one (it does not project), and "
           "%s to %s times for lookups, filters, aggregates and top-N on a server with an index on the tenant."
           % (times(peer["ratios"]["peer_scan8"][0]), times(peer["ratios"]["peer_scan1"][0]), times(min(others)),
              times(max(others))))


def lines_of_native(native):
    yield ("Of one tenant among 1,000 in %s documents, planned and run in the backend, against the same pipelines sent by a "
           "C program: filter %s, group %s, top-N %s, a join as `$lookup` %s. The join that the planner prefers takes %.3f of "
           "the `$lookup` that a programmer would send."
           % (number(native), *(ratio(native, "native_" + name) for name in ("filter", "group", "topn", "join_remote")),
              native["ratios"]["native_join"][0]))
    lookups = native["rows"]["lookups"]
    yield ("A one-row lookup, executor start to end, takes %s of the driver's time (p50 %.0f µs, p99 %.0f µs; many in a row "
           "%s); a client sees p50 %.0f µs and p99 %.0f µs."
           % (ratio(native, "native_lookup_p50"), lookups["backend"]["p50"], lookups["backend"]["p99"],
              ratio(native, "native_lookup_in_a_row_p50"), lookups["client"]["p50"], lookups["client"]["p99"]))


def lines_of_tenants(tenants):
    yield ("A one-row lookup is as fast with 100,000 tenants as with 10 (at most %s at a fixed total, %s at a fixed size of "
           "each), given an index that begins with the tenant field."
           % (ratio(tenants, "tenants_fixed_total"), ratio(tenants, "tenants_fixed_each")))


def lines_of_token(token):
    first = [value for name, value in token["rows"].items() if name.startswith("first ")]
    yield ("Identity costs %.1f µs per statement, and %.2f to %.2f ms when a backend sees a token for the first time "
           "(libjwt 1.10 parses the key each time)."
           % (token["ratios"]["token_statement_us"][0], min(first) / 1000, max(first) / 1000))


def wrapped(text):
    lines, line = [], "-"
    for word in text.split():
        if len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = " "
        line += " " + word
    return "\n".join(lines + [line]) + "\n"


def section(directory):
    text = ""
    for part, writer in (("scan", lines_of_scan), ("peer", lines_of_peer), ("native", lines_of_native),
                         ("tenants", lines_of_tenants), ("token", lines_of_token)):
        result = load(directory, part)
        try:
            text += "".join(wrapped(line) for line in writer(result)) if result is not None else ""
        except KeyError as missing:  # results of an older run
            print("bench: README.md: the figures of %s have no %s; run that part" % (part, missing))
    return text


def machine(directory):
    runs = [run for run in (load(directory, part) for part in ("scan", "peer", "native", "tenants", "token")) if run]
    others = [run["machine"].get("busy_with_other_work", 0) for run in runs]
    cores = runs[0]["machine"]["cores"]
    return "In the recorded run, on %d cores%s:\n\n" % (
        cores, ", %.1f to %.1f of them busy with other work" % (min(others), max(others)) if max(others) >= 0.3 else "")


def write(directory, path):
    with open(path) as file:
        text = file.read()
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit("bench: README.md has no marks for the figures")
    text = before + BEGIN + machine(directory) + section(directory) + END + after
    with open(path, "w") as file:
        file.write(text)

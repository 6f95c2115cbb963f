"""Asks a Prometheus, and a program that it reads, over HTTP; each question ends in bounded time.

ask.py text PORT                       the metrics of a program
ask.py firing PORT ALERT [KEY=VALUE…]  waits until an alert with these labels fires
ask.py ended PORT ALERT                waits until none of this name fires
ask.py quiet PORT                      waits until no alert fires at all
ask.py panels PORT FILE                waits until each expression of a dashboard returns data
"""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PATIENCE_S = 45
# The variables of the dashboard, as one who chose nothing has them.
VARIABLES = {"$instance": ".*", "$mirror": ".*", "$__rate_interval": "15s"}


def get(port, path):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
        return reply.read().decode()


def asked(port, path):
    """The answer of the API; nothing while it cannot be reached."""
    try:
        return json.loads(get(port, f"/api/v1/{path}"))["data"]
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def firing(port):
    alerts = (asked(port, "alerts") or {"alerts": None})["alerts"]
    return None if alerts is None else [a["labels"] for a in alerts if a["state"] == "firing"]


def until(what, is_so):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = is_so()
        if found is True:
            return
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: not within {PATIENCE_S} s: {what}; found: {found}")
        time.sleep(0.2)


def is_firing(port, name, labels):
    wanted = dict(label.split("=", 1) for label in labels) | {"alertname": name}
    alerts = firing(port) or []
    return any(wanted.items() <= alert.items() for alert in alerts) or alerts


def is_quiet(port, name=None):
    alerts = firing(port)
    if alerts is None:
        return "no answer"
    left = [alert for alert in alerts if name in (None, alert["alertname"])]
    return left or True


def without_data(port, expressions):
    for expression in sorted(expressions):
        query = expression
        for variable, value in VARIABLES.items():
            query = query.replace(variable, value)
        found = asked(port, "query?" + urllib.parse.urlencode({"query": query}))
        if not (found and found["result"]):
            return query
    return True


def expressions(file):
    panels = json.load(open(file, encoding="utf-8"))["panels"]
    return {target["expr"] for panel in panels for target in panel.get("targets", [])}


def main(question, port, *words):
    if question == "text":
        print(get(port, "/metrics"), end="")
    elif question == "firing":
        until(f"{words} fires", lambda: is_firing(port, words[0], words[1:]))
    elif question == "ended":
        until(f"{words[0]} has ended", lambda: is_quiet(port, words[0]))
    elif question == "quiet":
        until("no alert fires", lambda: is_quiet(port))
    elif question == "panels":
        every = expressions(words[0])
        until("each panel has data", lambda: without_data(port, every))
        print(f"ok: each of {len(every)} expressions of the dashboard returns data")


main(*sys.argv[1:])

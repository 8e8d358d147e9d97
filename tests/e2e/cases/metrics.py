"""OpenMetrics over HTTP: read with the Prometheus project's own parser, and compared with the summary at the end."""

import http.client
import json
import re
import socket
import subprocess
import time
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from harness import Lab, case, equal, interface, that, vnet
from harness.client import answer, ask, refused
from harness.lab import MBUFS
from harness.program import ROOT, command

HOST, PORT = "127.0.0.1", 9590
LAN = {"em0": interface("p0", "10.1.0.1/24")}
METRICS = f'[histograms]\nsample = 1\n[metrics]\nlisten = "{HOST}:{PORT}"\n'


def fetch(lab: Lab, path="/metrics", method="GET", accept=None) -> tuple[int, str, str]:
    """Status, type and body of an answer."""
    with lab.home().entered():
        connection = http.client.HTTPConnection(HOST, PORT, timeout=10)
        connection.connect()
    connection.request(method, path, headers={"Accept": accept} if accept else {})
    response = connection.getresponse()
    return response.status, response.headers["Content-Type"], response.read().decode()


def plug(lab: Lab) -> socket.socket:
    """A connection on which nothing is said yet."""
    with lab.home().entered():
        return socket.create_connection((HOST, PORT), 10)


def scrape(lab: Lab) -> dict:
    """The families by name, and {(sample, labels): value}."""
    status, kind, text = fetch(lab)
    equal(status, 200, text)
    equal(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8", "type")
    families = {family.name: family for family in parse(text)}
    samples = [sample for family in families.values() for sample in family.samples]
    values = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    equal(len(values), len(samples), "samples without those that are there twice")
    return families, values


@case()
def a_scrape_agrees_with_the_summary(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(METRICS, vnet("red", LAN, routes={"10.9.0.0/16": ["10.1.0.2"]}))
    host.ping("10.1.0.1", "-i", "0.01", count=5)
    host.run("ping", "-n", "-c", "2", "-i", "0.01", "-W", "0.1", "10.8.0.1")
    routes = len(json.loads(command("-j", "-s", lab.directory / "control.sock", "-v", "red", "netstat", "-r").stdout)["list"])
    families, values = scrape(lab)
    summary = lab.stop()

    def value(name: str, **labels) -> float:
        return values.get((name, tuple(sorted(labels.items()))), 0)

    names = {"ipackets": "received_packets", "ibytes": "received_bytes", "opackets": "sent_packets", "obytes": "sent_bytes"}
    for counter, name in names.items():
        actual = value(f"curvnet_interface_{name}_total", vnet="red", iface="em0")
        equal(actual, summary.interface("em0")[counter], name)
    books = summary.vnet()
    for name in ("received", "originated", "sent", "delivered"):
        equal(value(f"curvnet_vnet_{name}_packets_total", vnet="red"), books[name], name)
    equal(sum(books["drops"].values()) >= 2, True, f"drops: {books['drops']}")
    for reason, packets in books["drops"].items():
        equal(value("curvnet_drop_packets_total", vnet="red", reason=reason), packets, reason)
    statistics = {"ips_total": "ip_received", "ips_delivered": "ip_delivered", "icps_in_echo": "icmp_in_echo", "rxrequests": "arp_rxrequests"}
    for counter, name in statistics.items():
        equal(value(f"curvnet_{name}_total", vnet="red"), summary.statistic(counter), counter)
    that(summary.statistic("icps_in_echo") >= 5, "echo requests")
    equal(value("curvnet_port_received_packets_total", port="p0"), summary.port()["rx_packets"], "packets of the port")
    worker = summary.document["workers"][0]
    cpu = str(worker["cpu"])
    equal(value("curvnet_worker_packets_total", cpu=cpu), worker["packets"], "packets of the worker")
    for node, counters in worker["nodes"].items():
        equal(value("curvnet_node_packets_total", cpu=cpu, node=node), counters["packets"], f"node {node}")
    for state in ("busy", "idle", "sleep"):
        that(value("curvnet_worker_cycles_total", cpu=cpu, state=state) <= worker[f"{state}_cycles"], state)
    bursts = value("curvnet_worker_burst_seconds_count", cpu=cpu)
    equal(bursts, worker["histograms"]["burst"]["count"], "bursts in the distribution")
    equal(value("curvnet_vnet_routes", vnet="red"), routes, "routes")
    equal(value("curvnet_vnet_neighbors", vnet="red"), 1, "neighbours")
    equal(value("curvnet_pool_capacity_mbufs", pool="mbufs0"), MBUFS, "mbufs")
    that(("curvnet_pool_used_mbufs", (("pool", "mbufs0"),)) in values, "mbufs in use")
    equal(families["curvnet_build"].samples[0].labels["git"], summary.document["build"]["git"], "git")
    for family in families.values():
        that(family.documentation and not family.name.endswith("_total"), family.name)


@case()
def limits_are_those_that_refuse(lab: Lab):
    lab.port("p0", "net_ring0")
    lab.start(METRICS, vnet("red", LAN, sysctl={"net.vnet.maxroutes": 5, "net.vnet.maxinterfaces": 7}))
    lab.while_running(lambda _: ask(lab, "-v", "red", "route", "add", "10.8.0.0/16", "10.1.0.2"))
    for third in range(3):
        refused(lab, "-v", "red", "route", "add", f"10.{third}.0.0/16", "10.1.0.2")
    _, values = scrape(lab)
    limits = answer(lab, "vnet", "show", "red")["limits"]
    lab.stop()
    equal(len(limits), 7, f"limits: {limits}")
    for resource, shown in limits.items():
        labels = (("resource", resource), ("vnet", "red"))
        told = [values.get((f"curvnet_vnet_limit{suffix}", labels)) for suffix in ("", "_used", "_refusals_total")]
        equal(told, [shown["limit"], shown["used"], shown["refused"] or None], resource)
    routes = (("resource", "routes"), ("vnet", "red"))
    told = [values[(f"curvnet_vnet_limit{suffix}", routes)] for suffix in ("", "_used", "_refusals_total")]
    equal(told, [5, 5, 3], "routes: four of the address, and one")


@case()
def bad_requests_are_refused_and_slow_clients_harm_nobody(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(METRICS, vnet("red", LAN))
    equal(fetch(lab, "/")[0], 404, "another path")
    equal(fetch(lab, method="DELETE")[0], 405, "another method")
    equal(fetch(lab, "/metrics?x=y")[0], 200, "a query")
    equal(fetch(lab, method="HEAD")[::2], (200, ""), "only the head")
    status, kind, text = fetch(lab, accept="text/plain")
    equal((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"), "status and type")
    families = {family.name: family.type for family in parse_plain(text)}
    equal(families["curvnet_worker_polls"], "counter", "a counter in Prometheus's own format")
    for sent, status in ((b"hello\r\n\r\n", b"400"), (b"GET /metrics HTTP/1.1\r\nA: " + b"a" * 9000, b"431")):
        with plug(lab) as link:
            link.sendall(sent)
            line = link.recv(100)
        that(line.startswith(b"HTTP/1.1 " + status), f"{sent[:20]}: {line}")
    # One that says nothing, and one that reads nothing.
    silent, deaf = plug(lab), plug(lab)
    deaf.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    began = time.monotonic()
    scrape(lab)
    # Who says nothing is dropped, and holds nobody up until then.
    equal(silent.recv(1), b"", "what the silent one gets")
    that(time.monotonic() - began < 30, "the silent one may stay for long")
    # However many they are: a request that is whole is answered.
    links = [plug(lab) for _ in range(200)]
    for _ in range(10):
        scrape(lab)
    for link in [*links, silent, deaf]:
        link.close()
    lab.while_running(lambda _: scrape(lab))


@case()
def without_the_table_nobody_listens(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(vnet("red", LAN))
    try:
        plug(lab).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("somebody listens")


@case()
def an_address_in_use_is_named(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    with lab.home().entered():
        other = socket.create_server((HOST, PORT))
    file = lab.directory / "bad.toml"
    file.write_text(
        f'{METRICS}[dpdk]\nhugepages = "none"\neal_args = ["--no-pci"]\n[control]\nsocket = "{lab.directory}/s"\n'
        '[[port]]\nname = "p0"\ndevice = "net_null0"\n[[vnet]]\nname = "red"\n'
        '[[vnet.interface]]\nname = "em0"\nport = "p0"\n'
    )
    program = lab.run(file)
    equal(program.process.wait(20), 1, "exit code")
    that("[metrics] listen" in program.log(), program.log())
    other.close()
    lab.program = None


def telemetry(lab: Lab, *words: str) -> list:
    """DPDK's own client asks; the answers."""
    prefix = f"curvnet-{lab.program.process.pid}"
    line = ["dpdk-telemetry.py", "--file-prefix", prefix]
    done = subprocess.run(line, input="\n".join(words) + "\n", capture_output=True, text=True, timeout=20)
    equal(done.returncode, 0, done.stderr)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [answer[word.split(",")[0]] for word, answer in zip(words, answers[-len(words) :])]


@case()
def dpdk_telemetry_sees_vnets(lab: Lab):
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start("[metrics]\ndpdk_telemetry = true\n", vnet("red", LAN))
    host.ping("10.1.0.1", "-i", "0.01", count=3)
    host.run("ping", "-n", "-c", "1", "-W", "0.1", "10.8.0.1")
    folder = Path(f"/var/run/dpdk/curvnet-{lab.program.process.pid}")
    words = [f"/curvnet/{word}" for word in ("vnets", "vnet,red", "interfaces,red", "interface,red,em0", "drops,red", "drops", "workers", "vnet,blu", "nodes", "info", "statistics,red")]
    names, red, interfaces, em0, drops, all_drops, workers, missing, nodes, info, statistics = telemetry(lab, *words)
    that(folder.is_dir(), "the socket is elsewhere")
    summary = lab.stop()
    that("red" in names, f"vnets: {names}")
    for name in ("received", "originated", "sent", "delivered", "in_flight"):
        equal(red[name], summary.vnet()[name], name)
    equal(sorted(interfaces), ["em0", "lo0"], "interfaces")
    equal(em0, summary.interface("em0"), "em0")
    equal(drops, {"ip_not_forwarding": 1}, "drops")
    equal((drops, all_drops), (summary.drops(), summary.drops()), "drops")
    worker = summary.document["workers"][0]
    equal((workers["worker0"]["cpu"], workers["worker0"]["packets"]), (worker["cpu"], worker["packets"]), "worker")
    equal(nodes["ip_input"], worker["nodes"]["ip_input"]["packets"], "node ip_input")
    equal(statistics["icps_in_echo"], summary.statistic("icps_in_echo"), "echo requests")
    equal(info["git"], summary.document["build"]["git"], "git")
    that("no vnet blu" in missing["error"], f"{missing}")
    that(not folder.exists(), f"{folder} stayed")


@case()
def it_ends_while_monitoring_systems_ask(lab: Lab):
    lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(f"{METRICS}dpdk_telemetry = true\n", vnet("red", LAN))
    prefix = f"curvnet-{lab.program.process.pid}"
    path = f"/var/run/dpdk/{prefix}/dpdk_telemetry.v2"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.settimeout(10)
        link.connect(path)
        link.recv(4096)
        scrapes = [plug(lab) for _ in range(4)]
        for scrape_link in scrapes:
            scrape_link.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        for _ in range(8):
            link.send(b"/curvnet/drops")
        lab.stop()
        for scrape_link in scrapes:
            scrape_link.close()


def names_of(dashboard) -> set[str]:
    """The metrics in all expressions and queries of a dashboard."""
    if isinstance(dashboard, dict):
        texts = [value for key, value in dashboard.items() if key in ("expr", "query", "definition") and isinstance(value, str)]
        return {name for text in texts for name in re.findall(r"\bcurvnet_\w+", text)}.union(*map(names_of, dashboard.values()))
    return set().union(*map(names_of, dashboard)) if isinstance(dashboard, list) else set()


@case()
def the_dashboard_shows_what_is_exported(lab: Lab):
    dashboard = json.loads((ROOT / "config/grafana-dashboard.json").read_text())
    host = lab.kernel("p0", "10.1.0.2/24", "10.1.0.1")
    lab.start(METRICS, vnet("red", LAN))
    host.ping("10.1.0.1")
    families, _ = scrape(lab)
    suffix = {"counter": "_total", "info": "_info", "histogram": "_bucket"}
    exported = {family.name + suffix.get(family.type, "") for family in families.values()}
    names = names_of(dashboard)
    that(len(names) > 20, f"names: {names}")
    equal(names - exported, set(), "names that are not exported")
    variables = [variable["name"] for variable in dashboard["templating"]["list"]]
    equal(variables, ["datasource", "vnet", "iface"], "variables")

"""Every bench runs at a tiny size and prints the figures that are named for it. Nothing is said about the times."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.lab.network import missing

ROOT = Path(__file__).parents[2]

TINY = {
    "lateness": (["--jobs", "2"], "p50_ms p99_ms"),
    "dispatch": (["--jobs", "2"], "p50_ms p99_ms"),
    "footprint": (["--seconds", "1"], "ready_s engine_rss_mb engine_cpu_percent agent_rss_mb"),
    "tick": (
        ["--jobs", "200", "--due", "20", "--rounds", "1", "--idle-seconds", "1"],
        "p50_ms p99_ms bare_p50_ms ratio idle_cpu_percent",
    ),
    "calendar": (["--schedules", "30", "--rounds", "1"], "schedules_per_s cron_per_s rrule_per_s worst_ms"),
    "freeze": (
        ["--devices", "100", "--software", "3", "--rounds", "1"],
        "targets seconds bare_seconds ratio preview_p95_ms",
    ),
    "inventory": (
        ["--devices", "4", "--software", "20", "--batch", "2"],
        "new_per_s bare_new_per_s same_per_s fact_per_s little_per_s bare_little_per_s ratio_new ratio_little",
    ),
    "lists": (
        ["--rows", "2000", "--devices", "300", "--sites", "6", "--jobs", "120", "--rounds", "1"],
        "rows jobs_p95_ms runs_p95_ms devices_p95_ms occurrences_p95_ms bare_p95_ms",
    ),
    "search": (
        ["--rows", "2000", "--devices", "300", "--sites", "6", "--jobs", "120", "--rounds", "1"],
        "rows rare_p95_ms frequent_p95_ms none_p95_ms export_rows export_rows_per_s export_peak_rss_mb",
    ),
    "output": (["--megabytes", "2", "--quiet", "4"], "mb_per_s quiet_p99_ms peak_rss_mb"),
    "web": (
        ["--jobs", "120", "--devices", "300", "--sites", "6", "--rows", "2000", "--seconds", "1", "--rounds", "1"],
        "first_useful_ms scroll_fps long_tasks run_useful_ms live_fps changes_per_s",
    ),
    "gateway": (
        ["--agents", "10", "--idle-seconds", "1", "--bare-seconds", "0.5"],
        "agents kib_per_agent idle_cpu_percent first_byte_p50_ms first_byte_p99_ms finished_s results_per_s bare_per_s reconnect_s",
    ),
    "ansible": (
        ["--hosts", "2", "--repeats", "1"],
        "overhead_percent first_task_s events_per_s controller_mb",
    ),
    "workflow": (
        ["--runs", "20", "--rounds", "1"],
        "runs nodes_per_s bare_nodes_per_s ratio launches_per_s start_p50_ms start_p99_ms",
    ),
    "onboarding": (
        ["--network", "127.77.0.0/27", "--rounds", "1", "--listeners", "2", "--installs", "2"],
        "addresses addresses_per_s default_addresses_per_s",
    ),
}
#: Those that need hosts in namespaces, and so root.
IN_THE_LAB = {"ansible"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TINY)
async def test_it_runs_and_prints_its_figures_last(name):
    if name in IN_THE_LAB and (lacking := missing()) is not None:
        pytest.skip(f"NOT TESTED: {lacking}")
    options, keys = TINY[name]
    bench = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "bench" / f"{name}.py"),
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(bench.communicate(), 170)
    finally:
        if bench.returncode is None:
            bench.terminate()
            await bench.wait()
    assert bench.returncode == 0, errors.decode()[-4000:]
    figures = json.loads(output.decode().splitlines()[-1])
    assert set(keys.split()) <= figures.keys()
    assert all(figures[key] is not None for key in keys.split())


def test_every_bench_is_here():
    helpers = {"__init__", "common", "lists_data", "machine", "simulated_agent"}
    assert {path.stem for path in (ROOT / "bench").glob("*.py")} - helpers == TINY.keys()

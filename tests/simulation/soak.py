"""`make soak` or `python -m tests.simulation.soak --seconds 600`: one fresh world after the other, counts as JSON at the end.

A failing seed ends it: seed and story are printed, and `--seed N --worlds 1 --steps S` plays it again. Of one seed every run is the
same, statement for statement, as long as the code and PostgreSQL are: time, chance and who moves come from the seed. Two things
do not: which of three that wait for one lock gets it first, and a schedule that takes more processor time than it may.
"""

import argparse
import json
import secrets
import sys
import time
from collections import Counter

from tests.simulation.plans import plan_of
from tests.simulation.stage import shortest, standing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long")
    parser.add_argument("--seed", type=int, default=None, help="the first seed; default: a fresh one")
    parser.add_argument("--worlds", type=int, default=0, help="at most so many worlds; 0 = as many as fit")
    parser.add_argument("--steps", type=int, default=6000, help="statements in one world")
    parser.add_argument(
        "--shorten", type=float, default=300, help="seconds to look for the shortest story of a failure"
    )
    options = parser.parse_args()
    first = options.seed if options.seed is not None else secrets.randbelow(10**9)
    began, total, seed = time.monotonic(), Counter[str](), first
    with standing() as stage:
        while time.monotonic() - began < options.seconds and not 0 < options.worlds <= seed - first:
            plan = plan_of(seed, steps=options.steps)
            try:
                world, took = stage.run(plan)
            except AssertionError as fault:
                print(f"seed {seed} failed: {fault}\nlooking for the shortest story", flush=True)
                least, why = shortest(stage, plan, fault, options.shorten)
                print(f"{why}\n" + "\n".join(getattr(why, "__notes__", [])), flush=True)
                print(json.dumps({"failed_seed": seed, "first_seed": first, "plan": str(least)}))
                return 1
            figures = world.figures()
            total.update(figures)
            print(f"seed {seed}: {took:.1f} s, {json.dumps(figures)}", flush=True)
            seed += 1
    total["years"] = round(total["years"], 2)
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps({"first_seed": first, "worlds": seed - first, "seconds": seconds, **total}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

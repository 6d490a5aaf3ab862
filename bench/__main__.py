"""`python -m bench [--rounds 3] [--seconds 180] [--only speed,parts,inference,quality]`"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench import inference, quality, speed, time_by_part
from bench.sides import OURS, Side
from danlu.training.precision import environment, resolve_machine

WHAT = ("parts", "speed", "inference", "quality")
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    words = argparse.ArgumentParser(prog="bench", description=__doc__)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--seconds", type=float, default=180, help="the Trainer's time for each learning rate")
    words.add_argument("--only", default=",".join(WHAT), help=f"some of {', '.join(WHAT)}")
    given = words.parse_args()
    chosen = given.only.split(",")
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    ours, theirs = Side(OURS), Side({})
    results["environment"] = environment(resolve_machine())
    if "parts" in chosen:
        results["parts"] = [ours.ask(time_by_part.measure, name, "7M") for name in speed.PEERS]
        for found in results["parts"]:
            time_by_part.print_parts(found)
    if "speed" in chosen:
        results["speed"] = speed.measure(ours, theirs, given.rounds)
    if "inference" in chosen:
        print("\ninference, 7M parameters, float32 on both sides")
        results["inference"] = inference.measure(ours, theirs, given.rounds)
    if "quality" in chosen:
        print(f"\ncausal, 7M parameters: validation bits per byte, {given.seconds:g} s for the Trainer")
        results["quality"] = quality.measure(ours, theirs, given.seconds) | {"trainer_seconds": given.seconds}
    ours.close()
    theirs.close()
    results["ratios"] = ratios(results)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\n{json.dumps(results['ratios'], indent=1)}\nwritten to {RESULTS.name}")


def ratios(results: dict[str, Any]) -> dict[str, float | None]:
    """The figures to be watched; against the Trainer's best way of being fed."""
    found: dict[str, float | None] = {}
    for entry in results.get("speed", ()):
        peers = [v for k, v in entry["danlu_adamw_over"].items() if k.startswith("Trainer")]
        of_size, least = f"{entry['objective']}_{entry['size']}_vs_hf_trainer", f"{entry['objective']}_vs_hf_trainer"
        found[of_size] = min(peers)
        found[least] = min(found.get(least) or float("inf"), found[of_size])
    if "quality" in results:
        quality_found = results["quality"]
        reached = quality_found["seconds_to_the_trainers_best"]
        given = quality_found["trainer"][quality_found["trainer_best"]]["seconds"]
        found["time_to_peer_quality"] = given / reached if reached else None
    shares = [entry["forward_and_backward"]["share_of_peak"] for entry in results.get("parts", ())]
    found["share_of_matmul_peak"] = min(shares, default=None)
    for entry in results.get("parts", ()):
        found[f"share_of_matmul_peak_{entry['objective']}"] = entry["forward_and_backward"]["share_of_peak"]
    for name, entry in results.get("inference", {}).items():
        found[name] = entry["ratio"]
    return found


if __name__ == "__main__":
    main()

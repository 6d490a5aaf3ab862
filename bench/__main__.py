"""Run the CPU benchmarks: `python -m bench [--rounds 3] [--seconds 180] [--only speed,parts,inference,quality]`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench import inference, quality, speed, time_by_part
from bench.workers import DANLU_ENVIRONMENT, Worker
from danlu.training.precision import environment, resolve_machine

BENCHMARKS = ("parts", "speed", "inference", "quality")
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=180, help="training time of the Trainer per learning rate")
    parser.add_argument(
        "--only", default=",".join(BENCHMARKS), help=f"comma-separated subset of {', '.join(BENCHMARKS)}"
    )
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    ours, theirs = Worker(DANLU_ENVIRONMENT), Worker({})
    results["environment"] = environment(resolve_machine())
    if "parts" in chosen:
        results["parts"] = [ours.call(time_by_part.measure, name, "7M") for name in speed.PEERS]
        for found in results["parts"]:
            time_by_part.print_parts(found)
    if "speed" in chosen:
        results["speed"] = speed.measure(ours, theirs, arguments.rounds)
    if "inference" in chosen:
        print("\ninference, 7M parameters, float32 on both sides")
        results["inference"] = inference.measure(ours, theirs, arguments.rounds)
    if "quality" in chosen:
        print(f"\ncausal, 7M parameters: validation bits per byte, {arguments.seconds:g} s for the Trainer")
        results["quality"] = quality.measure(ours, theirs, arguments.seconds) | {"trainer_seconds": arguments.seconds}
    ours.close()
    theirs.close()
    results["ratios"] = ratios(results)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\n{json.dumps(results['ratios'], indent=1)}\nwritten to {RESULTS.name}")


def ratios(results: dict[str, Any]) -> dict[str, float | None]:
    """Return the headline figures, compared with the fastest batching of the Trainer."""
    found: dict[str, float | None] = {}
    for entry in results.get("speed", ()):
        peers = [v for k, v in entry["danlu_adamw_over"].items() if k.startswith("Trainer")]
        of_size, least = f"{entry['objective']}_{entry['size']}_vs_hf_trainer", f"{entry['objective']}_vs_hf_trainer"
        found[of_size] = min(peers)
        found[least] = min(found.get(least) or float("inf"), found[of_size])
    if "quality" in results:
        quality_results = results["quality"]
        ours = quality_results["seconds_to_the_trainers_best"]
        trainer = quality_results["trainer"][quality_results["trainer_best"]]["seconds"]
        found["time_to_peer_quality"] = trainer / ours if ours else None
    shares = [entry["forward_and_backward"]["share_of_peak"] for entry in results.get("parts", ())]
    found["share_of_matmul_peak"] = min(shares, default=None)
    for entry in results.get("parts", ()):
        found[f"share_of_matmul_peak_{entry['objective']}"] = entry["forward_and_backward"]["share_of_peak"]
    for name, entry in results.get("inference", {}).items():
        found[name] = entry["ratio"]
    return found


if __name__ == "__main__":
    main()

"""Install the build of torch that suits this machine into the running Python, before anything else asks for torch.

Plain pip on Linux brings gigabytes of CUDA libraries, which a machine without an NVIDIA GPU never uses. So:
with a GPU, plain pip; without one, what pip finds when that is a CPU build (macOS, Windows, a local wheel); else uv,
which knows where the CPU builds are; and when that cannot be reached, plain pip after saying what it will bring.
"""

import importlib.util
import json
import shutil
import subprocess
import sys

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]


def constraint(path: str) -> str:
    """The line of the constraints file that pins torch."""
    with open(path, encoding="utf-8") as file:
        return next(line.split("#")[0].strip() for line in file if line.startswith("torch=="))


def found_by_pip(requirement: str) -> str:
    """The version pip would install, without installing it; empty when it finds none."""
    plan = subprocess.run(
        [*PIP, "--dry-run", "--no-deps", "--report", "-", requirement], capture_output=True, text=True, check=False
    )
    return json.loads(plan.stdout)["install"][0]["metadata"]["version"] if plan.returncode == 0 else ""


def main(constraints: str) -> int:
    if importlib.util.find_spec("torch"):
        return 0
    requirement = constraint(constraints)
    gpu = shutil.which("nvidia-smi") is not None
    if gpu or sys.platform != "linux" or "+cpu" in found_by_pip(requirement):
        return subprocess.run([*PIP, "-c", constraints, requirement], check=False).returncode
    subprocess.run([*PIP, "uv"], check=True)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    if subprocess.run([*uv, "--torch-backend", "cpu", requirement], check=False).returncode == 0:
        return 0
    print("no CPU build of torch can be reached: installing the default one, with some gigabytes of CUDA libraries")
    return subprocess.run([*PIP, "-c", constraints, requirement], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

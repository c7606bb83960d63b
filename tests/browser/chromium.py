"""Finds a Chromium or Chrome for the browser tests; `python -m tests.browser.chromium` installs one where it may."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
ADVICE = (
    "The browser tests need Chromium or Chrome, and none was found. Install one (Debian: apt install chromium; Fedora: "
    "dnf install chromium; macOS: brew install --cask google-chrome; anywhere: .venv/bin/playwright install chromium), "
    "or give its path: CHROMIUM=/path/to/chrome make test"
)


def find() -> str | None:
    """Path of a browser that starts: the one CHROMIUM names, one of the system's, or Playwright's own."""
    named = os.environ.get("CHROMIUM")
    candidates = [named] if named else [*filter(None, map(shutil.which, NAMES)), *MAC, *downloaded()]
    return next((path for path in candidates if starts(path)), None)


def downloaded() -> list[str]:
    """Browsers that `playwright install` has put in its cache."""
    caches = (Path("~/.cache/ms-playwright").expanduser(), Path("~/Library/Caches/ms-playwright").expanduser())
    patterns = ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/*.app/Contents/MacOS/*")
    return [str(path) for cache in caches for pattern in patterns for path in sorted(cache.glob(pattern), reverse=True)]


def starts(path: str) -> bool:
    """Ubuntu's chromium-browser, for one, may be a script that only asks to install another package."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def install() -> None:
    """By apt, where that is there and we are root."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("Installing Chromium with apt-get …", flush=True)
        subprocess.run(["apt-get", "update", "--quiet"], stdout=subprocess.DEVNULL, check=False)
        command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium"]
        subprocess.run(
            command, stdout=subprocess.DEVNULL, check=False, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        )


def main() -> None:
    if not find():
        install()
    found = find()
    print(f"browser: {found}" if found else ADVICE)
    sys.exit(not found)


if __name__ == "__main__":
    main()

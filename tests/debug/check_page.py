#!/usr/bin/env python3
"""Opens the page that a program serves about itself in a browser, and looks at what its script has
made of it. check_page.py PROGRAM [SCREENSHOT]; 77: there is no browser."""

import re
import shutil
import subprocess
import sys
import tempfile

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 100  # seconds; for a browser that hangs


def run_browser(browser, *arguments):
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   f"--user-data-dir={profile}", "--window-size=1100,1000", *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
                              check=False, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{browser} failed:\n{done.stderr}")
    return done.stdout


def check(page):
    """The page as the script has left it."""
    cards = dict((name, value) for value, name in
                 re.findall(r'<div class="card"><b>([^<]*)</b><span>([^<]*)</span>', page))
    wanted = ("fibers", "running", "parked", "switches, a second", "workers / threads")
    missing = [name for name in wanted if name not in cards]
    if missing:
        raise SystemExit(f"no card for {missing}:\n{page}")
    if int(cards["parked"]) < 5:
        raise SystemExit(f"too few are parked: {cards}")
    if "5 fibers [chan receive" not in page:
        raise SystemExit(f"fibers that are alike are not together:\n{page}")
    if 'id="said">no answer' in page:
        raise SystemExit(f"the script has failed:\n{page}")
    print(cards)


def main():
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("no browser here")
        raise SystemExit(77)
    with subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        try:
            address = program.stdout.readline().strip()
            # Time as the page sees it: enough for a few looks.
            check(run_browser(browser, "--virtual-time-budget=5000", "--dump-dom", address))
            if len(sys.argv) > 2:
                run_browser(browser, "--virtual-time-budget=5000", f"--screenshot={sys.argv[2]}", address)
        finally:
            program.stdin.close()
            program.wait()


if __name__ == "__main__":
    main()

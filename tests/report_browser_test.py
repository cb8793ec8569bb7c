#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opens a report of lichen-eval in headless Chromium, uses it, and takes screenshots.

  report_browser_test.py REPORT.html FOLDER

Screenshots go to FOLDER. Speaks WebDriver to chromedriver, with Python's standard library only. Exit code 77: skipped,
because Chromium or its driver is missing (Debian: chromium, chromium-driver).
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SKIPPED = 77


class Browser:
    """A session of chromedriver, ended with the `with` block."""

    def __init__(self, chromium, driver):
        self.profile = tempfile.TemporaryDirectory(prefix="lichen-report-")
        self.log = open(os.path.join(self.profile.name, "driver.log"), "w+")
        self.process = subprocess.Popen([driver, "--port=0"], stdout=self.log, stderr=subprocess.STDOUT)
        self.address = "http://127.0.0.1:%d" % self.wait_for_port()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--disable-dev-shm-usage", "--window-size=1300,1000",
                 "--user-data-dir=" + os.path.join(self.profile.name, "profile")]
        options = {"goog:chromeOptions": {"binary": chromium, "args": flags},
                   "goog:loggingPrefs": {"browser": "ALL"}}
        self.session = ""
        answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self.session = "/session/" + answer["sessionId"]

    def wait_for_port(self):
        for _ in range(300):
            self.log.flush()
            text = pathlib.Path(self.log.name).read_text()
            if "started successfully on port " in text:
                return int(text.split("started successfully on port ")[1].split(".")[0])
            time.sleep(0.1)
        raise AssertionError("chromedriver did not start: " + text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("DELETE", "")
        finally:
            self.process.terminate()
            self.process.wait()
            self.log.close()
            self.profile.cleanup()

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + self.session + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            return json.load(opener.open(request, timeout=120))["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from error

    def open(self, path):
        self.call("POST", "/url", {"url": pathlib.Path(path).resolve().as_uri()})

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait_until(self, script):
        for _ in range(300):
            if self.run(script):
                return
            time.sleep(0.1)
        raise AssertionError("never became true: " + script)

    def pointer(self, *actions):
        self.call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": list(actions)}]})

    def screenshot(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self.call("GET", "/screenshot")))

    def messages(self):
        return self.call("POST", "/se/log", {"type": "browser"})


def move(x, y):
    return {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0}


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def check_charts(browser):
    names = browser.run("return [...document.querySelectorAll('#curves .u-title')].map((e) => e.textContent)")
    check(names == ["PSNR", "SSIM", "MS-SSIM"], "charts: %s" % names)
    check(browser.run("return document.querySelectorAll('#speeds .u-title').length") == 2, "speed charts")
    # The last point of the first codec must name itself when the pointer is near.
    spot = browser.run("""
        const box = document.querySelector('#curves .u-over');
        box.scrollIntoView({block: 'center'});
        const r = box.getBoundingClientRect();
        return [r.left, r.top, r.width, r.height];""")
    seen = ""
    for step in range(1, 40):
        browser.pointer(move(spot[0] + spot[2] * step / 40, spot[1] + spot[3] * (1 - step / 40)))
        seen = browser.run("""
            const tip = document.querySelector('#curves .tip');
            return tip.style.display === 'block' ? tip.textContent : '';""")
        if seen:
            break
    check(", quality " in seen and " bpp, " in seen and " dB" in seen, "hovering shows: %r" % seen)


def check_tables(browser, codecs):
    rows = browser.run("return document.querySelectorAll('#bd tbody tr').length")
    check(rows == codecs - 1, "%d rows of BD-rates for %d codecs" % (rows, codecs))
    check(browser.run("return document.querySelectorAll('#speed-table tbody tr').length") == codecs, "speed table")


def check_slider(browser):
    slider = browser.run("""
        const slider = document.querySelector('input.split');
        document.getElementById('viewer').scrollIntoView();
        const r = slider.getBoundingClientRect();
        return [r.left, r.top, r.width, r.height];""")
    y = slider[1] + slider[3] / 2
    browser.pointer(move(slider[0] + slider[2] / 2, y), {"type": "pointerDown", "button": 0},
                    move(slider[0] + slider[2] / 4, y), {"type": "pointerUp", "button": 0})
    value = int(browser.run("return document.querySelector('input.split').value"))
    check(200 < value < 300, "the slider was dragged to a quarter and stands at %d" % value)
    clip = browser.run("return document.querySelectorAll('.layers canvas')[1].style.clipPath")
    check(abs(float(clip.split()[1].rstrip("%")) - (100 - value / 10)) < 0.2, "clip path %s at %d" % (clip, value))


def check_viewer(browser):
    read = "const c = document.querySelectorAll('.layers canvas')[%d];" \
           "return Array.from(c.getContext('2d').getImageData(0, 0, c.width, 8).data)"
    choose = "const s = document.querySelector(arguments[0]); s.value = arguments[1];" \
             "s.dispatchEvent(new Event('change'));"
    left, right = browser.run(read % 1), browser.run(read % 0)
    check(left != right, "both sides show the same picture")
    browser.run(choose, "select.left", "0")
    original = browser.run(read % 1)
    browser.run(choose, "select.gain", "4")
    browser.run(choose, "select.mode", "1")
    difference = browser.run(read % 0)
    expected = [255 if i % 4 == 3 else min(255, 4 * abs(a - b)) for i, (a, b) in enumerate(zip(right, original))]
    check(difference == expected, "the difference map is not four times the difference")
    browser.run(choose, "select.mode", "0")
    browser.run(choose, "select.left", "1")
    width = browser.run("return document.querySelector('.layers').clientWidth")
    browser.run(choose, "select.zoom", "4")
    check(browser.run("return document.querySelector('.layers').clientWidth") == 4 * width, "zoom")


def main():
    report, folder = sys.argv[1:]
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        print("skipped: chromium or chromedriver is missing; run apt-get install chromium chromium-driver")
        return SKIPPED
    with Browser(chromium, driver) as browser:
        browser.open(report)
        browser.wait_until("return document.body.dataset.ready === 'yes'")
        codecs = browser.run("return JSON.parse(document.getElementById('data').textContent).codecs.length")
        check_charts(browser)
        browser.run("scrollTo(0, 0)")
        browser.screenshot(os.path.join(folder, "charts.png"))
        check_tables(browser, codecs)
        check_slider(browser)
        browser.screenshot(os.path.join(folder, "slider.png"))
        check_viewer(browser)
        browser.screenshot(os.path.join(folder, "zoom.png"))
        messages = browser.messages()
        messages = [message for message in messages if message["level"] == "SEVERE"]
        check(messages == [], "the console says: %s" % messages)
        asked = browser.run("return performance.getEntriesByType('resource').map((e) => e.name)"
                            ".filter((name) => !name.startsWith('data:'))")
        check(asked == [], "the page asked for %s" % asked)
    print("the report works; screenshots are in " + folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A click path over the local page in headless Chromium: from nothing to an export.

Run with the page's address; a folder after it gets screenshots. Exit code 77: no browser here.
"""

import json
import pathlib
import shutil
import sys
import tempfile
import zipfile

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    print("no Playwright")
    sys.exit(77)

BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
SIZES = {"wide": (1280, 900), "tablet": (820, 1100), "phone": (390, 844)}


def settled(page):
    """Waits until the plan of the newest question is shown."""
    page.wait_for_timeout(150)
    expect(page.locator("#plan")).not_to_have_attribute("aria-busy", "true", timeout=30_000)


def narrow_enough(page):
    """Nothing hangs over the edge."""
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"the page is {wide} pixels too wide"


def labelled(page):
    """Everything that can be used has a name."""
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input,select,button,textarea')].filter((each) =>
            !(each.labels?.length || each.getAttribute('aria-label') || each.textContent.trim()
              || each.getAttribute('aria-labelledby'))).map((each) => each.outerHTML)"""
    )
    assert not nameless, nameless


def by_pointer(page, folder):
    """A device more by dragging, a link by its handle, sliders, and an export."""
    expect(page.locator("#headline")).to_contain_text("optimal")
    before = page.locator("#map .node").count()
    chip = page.locator("#palette button", has_text="rtx-3090-24")
    chip.drag_to(page.locator("#map"), target_position={"x": 195, "y": 18})
    expect(page.locator("#map .node")).to_have_count(before + 1)
    settled(page)
    expect(page.locator("#headline")).to_contain_text("optimal")
    wires = page.locator("#map .wire").count()
    handle = page.locator(".node[data-node=laptop] .handle").bounding_box()
    target = page.locator(".node[data-node=jetson-a] rect").bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(target["x"] + 20, target["y"] + 20, steps=5)
    page.mouse.up()
    expect(page.locator("#map .wire")).to_have_count(wires + 1)
    page.locator("#quality").fill("5")
    expect(page.locator("output[for=quality]")).to_have_text("q6_K")
    settled(page)
    expect(page.locator("#said")).to_contain_text("q6_K")
    page.locator("#export-engine").select_option("llama.cpp")
    with page.expect_download() as started:
        page.locator("#export button").click()
    path = pathlib.Path(folder) / "export.zip"
    started.value.save_as(path)
    names = zipfile.ZipFile(path).namelist()
    assert "edgeplan-llama.cpp/serve.sh" in names, names
    with page.expect_download() as started:
        page.locator("button[data-keep=plan]").click()
    plan = json.loads(pathlib.Path(started.value.path()).read_text())
    assert plan["schema"].startswith("edgeplan-plan"), plan
    with page.expect_download() as started:
        page.locator("button[data-keep=cluster]").click()
    cluster = pathlib.Path(started.value.path()).read_text()
    assert "rtx-3090-24" in cluster, cluster
    return cluster


def by_keys(page):
    """The same without a pointer: a machine moves, is linked and leaves."""
    page.locator("#example").focus()
    page.keyboard.press("Enter")
    settled(page)
    wires = page.locator("#map .wire").count()
    page.locator(".node[data-node=laptop]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(".node[data-node=desktop]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#map .wire")).to_have_count(wires + 1)
    page.locator(".node[data-node=jetson-b]").focus()
    page.keyboard.press("Delete")
    expect(page.locator(".node[data-node=jetson-b]")).to_have_count(0)
    settled(page)
    page.locator("#decode-min").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("output[for=decode-min]")).to_have_text("1 tokens/s")
    settled(page)


def wrong_and_shared(page, context, cluster):
    """Wrong input gets one message, names stay text, a link holds the question."""
    page.locator("#model").fill("catalog:lama-2-7b")
    page.locator("#model").press("Tab")
    expect(page.locator("#problem")).to_contain_text("no such model")
    page.locator("#model").fill("tinyllama-1.1b")
    page.locator("#model").press("Tab")
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.locator("#said")).to_contain_text("tinyllama-1.1b")
    name = "\"<img src=x onerror=document.title='hurt'>\""
    evil = cluster.replace('"desktop"', name).replace("[device.desktop]", f"[device.{name}]")
    file = {"name": "evil.toml", "mimeType": "text/plain", "buffer": evil.encode()}
    page.locator("#model-file").set_input_files(files=[file])
    expect(page.locator("#machines")).to_contain_text("<img src=x")
    settled(page)
    assert page.title() == "edgeplan", page.title()
    other = context.new_page()
    other.goto(page.url)
    expect(other.locator("#said")).to_contain_text("tinyllama-1.1b")
    expect(other.locator("#machines")).to_contain_text("<img src=x")
    other.close()


def screenshots(browser, address, folder):
    """The example at three sizes, light and dark."""
    for name, (width, height) in SIZES.items():
        for scheme in ["light", "dark"]:
            size = {"width": width, "height": height}
            context = browser.new_context(viewport=size, color_scheme=scheme)
            page = context.new_page()
            page.goto(address)
            settled(page)
            expect(page.locator("#picture img")).to_be_visible()
            narrow_enough(page)
            page.screenshot(
                path=f"{folder}/{name}-{scheme}.jpg", type="jpeg", quality=42, full_page=name != "wide"
            )
            context.close()


def main():
    address = sys.argv[1]
    executable = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if executable is None:
        print("no Chromium")
        sys.exit(77)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        faults = []
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Policy" in said.text else None)
        page.goto(address)
        settled(page)
        labelled(page)
        cluster = by_pointer(page, folder)
        by_keys(page)
        wrong_and_shared(page, context, cluster)
        context.close()
        screenshots(browser, address, sys.argv[2] if len(sys.argv) > 2 else folder)
        browser.close()
        assert not faults, faults
    print("the click path leads from nothing to an export")


main()

"""The report: everything that was measured is on it, it stands alone, and in a real browser it does what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import replay_folder as folder
from browser import CHROMIUM, Browser

import getok_ros.report as report_module
from getok_core.errors import GetokError
from getok_ros.replayed import Replayed
from getok_ros.report import write_report
from getok_ros.report_pictures import MOST, chosen
from getok_ros.report_tables import cell, confusion_table, side_by_side
from getok_ros.report_timeline import MOST_POINTS, _path

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Two models, labels, answers, faults: a page with every section."""
    return write_report(folder.write(tmp_path_factory.mktemp("replay")), folder.frames)


@pytest.fixture(scope="module")
def page(report) -> str:
    return report.read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=[((1400, 900), True), ((390, 800), False)], ids=["wide dark", "narrow light"])
def browser(request, report, tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    size, dark = request.param
    with Browser(tmp_path_factory.mktemp("profile"), size, dark) as browser:
        browser.open(report)
        yield browser


def test_every_part_of_a_replay_has_its_section(page):
    names = re.findall(r'<section id="(\w+)"', page)
    assert names == ["frames", "worst", "numbers", "questions", "slices", "confusion", "scores", "latency", "parity",
                     "unlabelled", "tokens", "lost", "again"]  # fmt: skip
    assert re.findall(r'<a href="#(\w+)"', page) == names
    tracks = re.findall(r'class="track.*?<h4>([\w ]+)', page)
    named = ["score of the frame", "agreement without labels", "milliseconds a frame", "things drawn", "faults"]
    assert tracks == named
    for said in ("95.0", "90.0 to 98.0 %", "calibration error 0.042", "image is cut off", "ab" * 32, "unclosed"):
        assert said in page, said


def test_what_users_named_is_escaped(page):
    assert "&lt;new&gt; 4d5e6f" in page and "<new>" not in page
    assert "red &amp; dull" in page and "it&#x27;&quot;&#x27;&quot;&#x27;s here.jsonl" in page


def test_the_page_asks_for_nothing_beyond_itself(page):
    assert not re.search(r"(src|href)=\"(?!#|data:)", page) and "url(" not in page and "@import" not in page
    assert "default-src 'none'" in page and "connect-src" not in page


def test_a_replay_without_labels_or_numbers_still_has_its_page(tmp_path):
    folder.write(tmp_path, 3, folder.MODELS[:1], labelled=False, metrics={})
    page = write_report(tmp_path, lambda frame: None).read_text()
    assert re.findall(r'<section id="(\w+)"', page) == ["frames", "latency"]
    assert json.loads(re.search(r'id="data">(.*?)</script>', page)[1])["pictures"] == {}


def test_the_worst_frames_are_not_neighbours(tmp_path):
    page = write_report(folder.write(tmp_path, 40), folder.frames).read_text()
    worst = re.search(r'<section id="worst">(.*?)</section>', page, re.S)[1]
    at = sorted(int(number) for number in re.findall(r'data-at="(\d+)"', worst))
    assert len(at) >= 3 and min(np.diff(at)) >= 10, "10 frames are a second"


def test_a_long_table_is_folded_behind_its_headlines(tmp_path):
    metrics = folder.measured(3, folder.MODELS[:1])
    rows = {"drivable area: IoU": [0.5, 0.4, 0.6], **{f"row {n}": [0.1, 0.0, 0.2] for n in range(30)}}
    metrics["models"][folder.MODELS[0]]["tables"] = [{"title": "long", "columns": {"model": rows}}]
    page = write_report(folder.write(tmp_path, 3, folder.MODELS[:1], metrics=metrics), folder.frames).read_text()
    before, _, folded = page.partition("all 31 rows")
    assert "drivable area: IoU" in before.partition('id="numbers"')[2] and "row 29" not in before and "row 29" in folded


def test_every_question_of_a_frame_is_shown_once(tmp_path):
    folder.write(tmp_path, 6)
    lines = [folder.answer(folder.MODELS[0]), {**folder.answer(folder.MODELS[1]), "question": "How dense?"}]
    lines += [{**lines[0], "question": "Is it wet?"}, {**lines[0], "answer": None, "question": "failed"}]
    del lines[3]["answer"]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = write_report(tmp_path, folder.frames).read_text()
    assert re.findall(r"<q>(.*?)</q>", page) == ["What colour is the sign?", "Is it wet?", "How dense?"]


def test_ages_and_drops_of_a_live_replay_are_told(tmp_path):
    path = folder.write(tmp_path, 4, folder.MODELS[:1]) / "timing.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text(
        "".join(json.dumps({**line, "age_s": 0.2, "dropped": not at}) + "\n" for at, line in enumerate(lines))
    )
    page = write_report(tmp_path, folder.frames).read_text()
    assert re.search(r"<b>200<small> ms</small></b><span>camera to scene", page)
    assert re.search(r"<b>1</b><span>frames dropped", page) and "<th>camera to scene</th><td>200</td>" in page


def test_frames_worth_labelling_are_shown_with_their_reasons(tmp_path):
    folder.write(tmp_path, 4)
    line = {"frame": folder.name(2), "reasons": [{"reason": "the models say different things", "doubt": 0.4}]}
    (tmp_path / "worth_labelling.jsonl").write_text(json.dumps(line) + "\n")
    page = write_report(tmp_path, folder.frames).read_text()
    assert re.search(r'<section id="worth">.*data-at="2".*the models say different things', page)


def test_a_long_replay_shows_what_is_wanted_and_an_even_choice_of_the_others(tmp_path):
    run = Replayed(folder.write(tmp_path, 400, folder.MODELS[:1], labelled=False))
    shown = chosen(run, [folder.name(7), folder.name(399)])
    assert len(shown) == MOST and {folder.name(7), folder.name(399), folder.name(0)} <= set(shown)
    at = [[moment.frame for moment in run.frames].index(frame) for frame in shown]
    assert at == sorted(at) and max(np.diff(at)) <= 6


@pytest.mark.parametrize(("row", "value", "says"), [
    ("lanes: F1", [0.5, 0.25, 0.75], r"<b>50.0</b> <small>25.0 to 75.0 %</small>.*left:25.0%;width:50.0%"),
    ("lateral error, px", [4.25, 4, 5], "<b>4.2</b> <small>4.0 to 5.0</small>$"),
    ("frames", 12, "<b>12</b>$"), ("share", 0.12345, "<b>0.123</b>$"),
    ("lanes: F1", [None, None, None], "-"), ("lanes: F1", None, "-"), ("words", "a < b", "a &lt; b"),
])  # fmt: skip
def test_a_cell_says_value_interval_and_unit(row, value, says):
    assert re.search(says, cell(row, value))


def test_tables_of_one_title_stand_side_by_side():
    table = {"title": "T", "columns": {"model": {"a": [1, 1, 1]}}}
    assert side_by_side({"x": {"tables": [table]}, "y": {"tables": [table]}}) == [
        ("T", {"x": {"a": [1, 1, 1]}, "y": {"a": [1, 1, 1]}})
    ]


def test_a_confusion_shades_by_its_row_and_outlines_what_is_right():
    html = confusion_table("colour", {"red": {"red": 3, "blue": 1}, "blue": {"blue": 4}})
    assert 'class="heat right" style="--share:0.750">3' in html and 'class="heat" style="--share:0.250">1' in html
    assert "87.5 % of 8 right" in html


def test_a_line_lifts_its_pen_where_something_is_missing_and_keeps_what_stands_out():
    assert _path([1.0, float("nan"), 1.0, 1.0], 1.0, lowest=False).count("M") == 2
    line = [0.5] * (3 * MOST_POINTS)
    line[1234] = 1.0
    path = _path(line, 1.0, lowest=False)
    assert path.count("L") < MOST_POINTS and " 4.0" in path, "the peak of a group is drawn"


def test_text_stands_out_from_its_ground_on_dark_and_on_light():
    """WCAG 2.2, success criterion 1.4.3: a contrast of 4.5 for text."""
    css = (Path(report_module.__file__).parent / "report.css").read_text()
    themes = [dict(re.findall(r"--(\w+): (#\w+);", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)[:2]]
    for theme in themes:
        for ink in ("ink", "quiet", "yellow", "sky", "red", "orange"):
            for ground in ("ground", "raised"):
                light, dark = sorted((luminance(theme[ink]), luminance(theme[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground, theme[ink], theme[ground])


def luminance(colour: str) -> float:
    """Relative luminance of #rgb or #rrggbb, 0..1."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    linear = [(int(digits[at : at + 2], 16) / 255) ** 2.2 for at in (0, 2, 4)]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (folder.write(tmp_path, 2) / "report.html").mkdir()
    with pytest.raises(GetokError, match="cannot write") as refusal:
        write_report(tmp_path, folder.frames)
    assert "\n" not in str(refusal.value)


# -- in a browser ----------------------------------------------------------------------------------------------------


def image(browser: Browser, model: int = 0) -> str:
    return browser.evaluate(f"document.querySelectorAll('#shots img')[{model}].src")


def shown(browser: Browser) -> str:
    return browser.evaluate("document.querySelector('#when b').textContent")


@needs_browser
def test_no_script_fails_and_nothing_is_fetched(browser, report):
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [report.as_uri()]


@needs_browser
def test_a_click_on_the_timeline_shows_that_frame_for_every_model(browser):
    seen = {}
    for number in (1, 9):
        browser.click("#timeline .track svg", across=(number + 0.5) / 12)
        assert shown(browser) == f"frame {number}, 0:0{number / 10:.1f}"
        seen[number] = [image(browser, 0), image(browser, 1)]
    assert len({source for sources in seen.values() for source in sources}) == 4
    assert browser.evaluate("[...document.querySelectorAll('#shots img')].every(one => one.naturalWidth === 720)")
    assert browser.evaluate("document.querySelector('#timeline').getAttribute('aria-valuenow')") == "9"


@needs_browser
def test_arrow_keys_go_from_frame_to_frame(browser):
    browser.click("#timeline .track svg", across=0.5 / 12)
    for key, frame in (("Right", 1), ("Right", 2), ("Left", 1), ("Right", 2)):
        browser.press(f"Arrow{key}")
        assert shown(browser).startswith(f"frame {frame},")
    for key, frame in (("End", 11), ("ArrowRight", 11), ("Home", 0)):
        browser.press(key)
        assert shown(browser).startswith(f"frame {frame},")


@needs_browser
def test_a_frame_without_a_picture_shows_the_nearest_and_says_so(browser):
    browser.click("#timeline .track svg", across=5.5 / 12)
    assert shown(browser).startswith("frame 5,")
    assert "picture of frame 4" in browser.evaluate("document.querySelector('#when').textContent")
    assert image(browser)


@needs_browser
def test_a_worst_frame_leads_to_its_place_on_the_timeline(browser):
    browser.click("#worst .shot")
    assert shown(browser).startswith("frame 6,"), "the lowest score of the drive"
    assert "score 70 %" in browser.evaluate("document.querySelector('#when').textContent")


@needs_browser
def test_a_token_lights_up_its_cell(browser):
    browser.click(".tokens i")
    assert browser.evaluate("document.querySelectorAll('svg .cell.on').length") >= 1


@needs_browser
def test_nothing_is_wider_than_the_window(browser):
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_browser
def test_the_film_beside_the_page_is_fetched_only_when_asked_for(tmp_path):
    folder.write(tmp_path / "out", 3)
    (tmp_path / "out" / "overlay.mp4").write_bytes(b"no film")
    report = write_report(tmp_path / "out", folder.frames)
    with Browser(tmp_path / "profile") as browser:
        browser.open(report)
        assert not any(url.endswith(".mp4") for url in browser.requests)
        browser.click(".film")
        browser.wait("document.body.textContent.includes('is not beside this page') || document.querySelector('video')")
        browser.wait("document.body.textContent.includes('overlay.mp4')")
        assert any(url.endswith("overlay.mp4") for url in browser.requests)

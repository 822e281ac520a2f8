"""The page as a reader has it: Chromium opens it, sorts, filters, slides, prints, in both themes and on a phone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from sononerve.data.dataset import Dataset
from sononerve.evaluate.report.folder import write_evaluation
from sononerve.evaluate.report.page import Shown, report_page
from sononerve.evaluate.run import evaluate
from sononerve.runtime.bundle import Bundle

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: make test-packages")

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page_file(bright: Callable[..., Bundle], dataset: Dataset, tmp_path: Path) -> Path:
    return write_evaluation(evaluate(bright(), dataset), tmp_path / "out")


@pytest.fixture
def opened(browser: Browser, page_file: Path) -> Iterator[Open]:
    """Open the page; whatever it complains of, or asks for from outside, fails the test at its end."""
    complaints: list[str] = []
    pages: list[Page] = []

    def open_page(width: int = 1200, scheme: str = "light", scripts: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=scripts
        )
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: None if _own(asked.url, page_file) else complaints.append(asked.url))
        page.goto(page_file.as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.context.close()
    assert complaints == []


def _own(url: str, page_file: Path) -> bool:
    return url.startswith("data:") or url == page_file.as_uri()


def seen(page: Page) -> list[str]:
    """The names of the frames that are shown, in their order."""
    return page.eval_on_selector_all("#cards > .card:not([hidden])", "cards => cards.map(card => card.dataset.name)")


def dice(page: Page) -> list[str]:
    return page.eval_on_selector_all("#cards > .card:not([hidden])", "cards => cards.map(card => card.dataset.dice)")


def test_frames_are_sorted_and_those_without_a_score_come_last(opened: Open) -> None:
    page = opened()
    values = [value for value in dice(page) if value]
    assert values == sorted(values, key=float)
    assert dice(page)[-6:] == [""] * 6
    page.select_option("#sort", "-dice")
    assert [value for value in dice(page) if value] == values[::-1] or sorted(values)[::-1] == dice(page)[: len(values)]
    assert dice(page)[-6:] == [""] * 6
    page.select_option("#sort", "name")
    assert seen(page) == sorted(seen(page))


def test_frames_are_filtered_by_kind_group_and_name(opened: Open, dataset: Dataset) -> None:
    page = opened()
    page.select_option("#show", "false positive")
    assert sorted(seen(page)) == ["images/s1_3.png", "images/s3_3.png", "images/s5_3.png"]
    assert page.inner_text("#counted") == f"3 of {len(dataset)} frames"
    page.fill("#search", "S3")
    assert seen(page) == ["images/s3_3.png"]
    page.fill("#search", "")
    page.select_option("#show", "")
    page.select_option("#group", "S2")
    assert {name[:9] for name in seen(page)} == {"images/s2"}


def test_layers_are_chosen_and_the_slider_moves_the_border_of_two(opened: Open) -> None:
    page = opened()

    def shown(layer: str) -> bool:
        return page.locator(f"#cards .look .{layer}").first.is_visible()

    assert shown("truth")
    assert shown("prediction")
    assert not shown("difference")
    page.check("input[value=difference]")
    assert (shown("truth"), shown("difference")) == (False, True)
    page.check("input[value=probability_1]")
    assert shown("probability_1")
    assert not shown("uncertainty")
    page.check("input[value=wipe]")
    clips = []
    for place in ("10", "90"):
        page.fill("#wipe", place)
        clips.append(page.locator(".stage .prediction").first.evaluate("layer => getComputedStyle(layer).clipPath"))
    assert "10%" in clips[0]
    assert "90%" in clips[1]


def test_a_frame_opens_large_from_the_keyboard_and_arrows_go_on(opened: Open) -> None:
    page = opened()
    first, second = seen(page)[:2]
    page.locator("#cards .look").first.focus()
    page.keyboard.press("Enter")
    large = page.locator("dialog .card")
    assert large.get_attribute("data-name") == first
    assert large.locator(".frame").first.bounding_box()["width"] > 300
    page.keyboard.press("ArrowRight")
    assert large.get_attribute("data-name") == second
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert page.evaluate("document.activeElement.closest('.card').dataset.name") == first


def test_of_a_large_frame_the_layer_is_chosen_and_the_pointer_moves_the_border(opened: Open) -> None:
    page = opened()
    page.locator("#cards .look").first.click()
    page.select_option("#large-layer", "wipe")
    stage = page.locator("dialog .stage").first.bounding_box()
    page.mouse.move(stage["x"] + stage["width"] / 4, stage["y"] + stage["height"] / 2)
    assert page.input_value("#large-wipe") == page.input_value("#wipe") == "25"
    assert page.is_checked("input[name=layer][value=wipe]")
    page.get_by_role("button", name="close", exact=True).click()
    assert not page.locator("dialog").is_visible()


@pytest.mark.parametrize(("scheme", "ink"), [("light", "rgb(26, 26, 26)"), ("dark", "rgb(232, 232, 232)")])
def test_plots_have_the_ink_of_the_theme(opened: Open, scheme: str, ink: str) -> None:
    page = opened(scheme=scheme)
    fills = page.eval_on_selector_all("figure svg text", "texts => texts.map(text => getComputedStyle(text).fill)")
    assert len(fills) > 50
    assert set(fills) == {ink}


@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_is_wider_than_the_screen(opened: Open, width: int) -> None:
    assert opened(width=width).evaluate("document.documentElement.scrollWidth") <= width


def test_names_of_scores_lead_to_definitions(opened: Open) -> None:
    page = opened()
    page.locator("#scores a", has_text="surface Dice").first.click()
    assert page.locator("#def-surface_dice").is_visible()
    assert page.evaluate("location.hash") == "#def-surface_dice"


def test_without_scripts_every_frame_is_there_worst_first(opened: Open, dataset: Dataset) -> None:
    assert opened(scripts=False).locator("#cards > .card").count() == len(dataset)


def test_of_two_models_only_the_chosen_one_is_drawn_and_scored(
    browser: Browser, bright: Callable[..., Bundle], dataset: Dataset, tmp_path: Path
) -> None:
    models = {name: Shown(evaluate(bright(name=name), dataset)) for name in ("one", "other")}
    (tmp_path / "two.html").write_text(report_page(models)[0], encoding="utf-8")
    for scripts in (True, False):
        page = browser.new_context(java_script_enabled=scripts).new_page()
        page.goto((tmp_path / "two.html").as_uri())
        card = page.locator("#cards > .card").first
        assert card.locator(".prediction:visible").count() == 1
        assert card.locator(".said span[class^=of-]:visible").count() == 1
        assert "probability of nerve (one)" in page.inner_text("#controls")
        if scripts:
            page.select_option("#model", "1")
            assert card.locator(".prediction:visible").get_attribute("class") == "prediction of-1"
        page.context.close()


def test_arrows_go_on_after_the_large_picture_was_touched(opened: Open) -> None:
    page = opened()
    page.locator("#cards .look").first.click()
    page.locator("dialog .stage").first.click()
    for number in (1, 2):
        page.keyboard.press("ArrowRight")
        assert page.locator("dialog .card").get_attribute("data-name") == seen(page)[number]


def test_it_prints(opened: Open) -> None:
    page = opened()
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="print")
    assert not page.locator("#controls").is_visible()
    assert not page.locator("nav").is_visible()

"""The page in a real browser: hostile documents stay text, names are marked where they are, anybody can use it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from schemas import EnrichedDocument, OffsetUnit, Verdict
from tests.fakes.browser import browser, browser_missing
from tests.fakes.enriched_records import dead, enriched
from tests.fakes.page_server import Served, new_state, served_page
from tests.fakes.trial_server import trial_server

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(browser_missing() is not None, reason=browser_missing() or ""),
]

WAIT_S = 60
BREAKS_OUT = "<script>window.ran=1</script><img src=x onerror='window.ran=2'>"
HOSTILE = {
    "script": enriched(
        1,
        text=f"{BREAKS_OUT} Ada & <b>Bob</b> &lt;i&gt; </div></mark> javascript:alert(1)",
        marked=[("Ada", "PER"), ("<b>Bob</b>", "PER")],
        document_id=BREAKS_OUT,
    ),
    "right to left": enriched(
        2, text="\u202eevil\u202c עדה לאבלייס פגשה את Bob בלונדון", marked=[("עדה לאבלייס", "PER"), ("Bob", "PER")]
    ),
    "beyond the basic plane": enriched(
        3, text="😀👩‍👩‍👧 𝔸da met 𝔹ob in 東京😀.", marked=[("𝔸da", "PER"), ("𝔹ob", "PER"), ("東京", "LOC")]
    ),
    "long words": enriched(4, text="x" * 3_000 + " Ada " + "ﷺ" * 800, marked=[("Ada", "PER" * 40)]),
    "control characters": enriched(5, text="a\x00b\x1b[31m\u2028\u2029 Ada\ufeff\u200b", marked=[("Ada", "PER")]),
}
NAMES_ON_THE_PAGE = """return Array.from(document.querySelectorAll("#record-body .text mark"), m =>
    [m.dataset.entity, m.textContent])"""


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with browser() as driver:
        yield driver


@pytest.fixture
def page() -> Iterator[Served]:
    with served_page(new_state()) as served:
        yield served


def until(chrome: Chrome, script: str) -> Any:
    return WebDriverWait(chrome, WAIT_S).until(lambda driver: driver.execute_script(script))


def show(chrome: Chrome, page: Served, number: int = 1) -> None:
    """Open the page, wait for the feed, choose its nth record, wait until it is there."""
    chrome.get(page.address)
    until(chrome, f"return document.querySelectorAll('#feed button').length >= {number}")
    chrome.execute_script(f"document.querySelectorAll('#feed button')[{number - 1}].click()")
    until(chrome, "return document.querySelector('#record-body').children.length > 1")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_text_and_its_names_are_marked_where_they_are(
    chrome: Chrome, page: Served, name: str
) -> None:
    document = HOSTILE[name]
    page.publish(document)
    show(chrome, page)
    assert chrome.execute_script("return window.ran") is None
    shown = chrome.execute_script("return document.querySelector('#record-body .text').textContent")
    assert shown == document.text
    assert chrome.execute_script(NAMES_ON_THE_PAGE) == [[entity.id, entity.text] for entity in document.entities]
    assert chrome.execute_script("return document.querySelectorAll('main script, main img, main b').length") == 0
    blocked = [entry for entry in chrome.get_log("browser") if "Content Security" in entry["message"]]  # type: ignore[no-untyped-call]
    assert blocked == []  # nothing even tried
    width = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert chrome.execute_script(width) <= 0


def test_the_policy_stops_a_script_that_got_in(chrome: Chrome, page: Served) -> None:
    chrome.get(page.address)
    inserted = "const s=document.createElement('script'); s.textContent='window.ran=3'; document.body.append(s)"
    chrome.execute_script(f"try {{ {inserted} }} catch (error) {{}}")
    assert chrome.execute_script("return window.ran") is None


@pytest.mark.parametrize("unit", [OffsetUnit.UTF_16, OffsetUnit.UTF_8])
def test_offsets_in_other_units_mark_the_same_words(chrome: Chrome, page: Served, unit: OffsetUnit) -> None:
    document = HOSTILE["beyond the basic plane"]
    page.publish(in_unit(document, unit))
    show(chrome, page)
    assert chrome.execute_script(NAMES_ON_THE_PAGE) == [[entity.id, entity.text] for entity in document.entities]


def in_unit(document: EnrichedDocument, unit: OffsetUnit) -> EnrichedDocument:
    """The document as a worker with that setting would have published it."""
    encoding, width = ("utf-16-le", 2) if unit is OffsetUnit.UTF_16 else ("utf-8", 1)

    def count(characters: int) -> int:
        return len((document.text or "")[:characters].encode(encoding)) // width

    entities = tuple(e.model_copy(update={"start": count(e.start), "end": count(e.end)}) for e in document.entities)
    return document.model_copy(update={"entities": entities, "offset_unit": unit, "summary": None})


def test_the_summary_is_lit_relations_are_drawn_and_a_correction_goes_out(chrome: Chrome, page: Served) -> None:
    text = "Ada met Bob in London. It rained. They wrote a note."
    marked = [("Ada", "PER"), ("Bob", "PER"), ("London", "LOC")]
    page.publish(enriched(7, text=text, marked=marked, quoted="Ada met Bob in London."))
    show(chrome, page)
    lit = "return Array.from(document.querySelectorAll('.text .quoted'), n => n.textContent).join('')"
    assert chrome.execute_script(lit) == "Ada met Bob in London."
    drawn = "return document.querySelector('#record-body svg').getAttribute('aria-label')"
    assert chrome.execute_script(drawn) == "Ada met Bob"
    chrome.find_element(By.CSS_SELECTOR, "[aria-label='London is right']").click()
    until(chrome, "return document.querySelector('#record-body').textContent.includes('Noted')")
    assert [(c.item, c.given, c.verdict, c.model) for c in page.corrections] == [
        ("e3", "LOC", Verdict.RIGHT, "default")
    ]


def test_it_says_how_it_goes_finds_records_and_shows_why_letters_are_dead(chrome: Chrome, page: Served) -> None:
    for number in range(3):
        page.publish(enriched(number))
    page.publish(dead(9, code="text_too_long", detail="2000000 characters exceed limits.max_text_characters"))
    chrome.get(page.address)
    until(chrome, "return document.querySelectorAll('#numbers dd').length > 0")
    assert chrome.find_element(By.ID, "health").get_attribute("data-state") == "watch"  # 1 of 4 is dead
    assert [n.text for n in chrome.find_elements(By.CSS_SELECTOR, "#numbers dd")][:2] == ["3", "1"]
    assert "validate/text_too_long" in chrome.find_element(By.ID, "mixes").text
    chrome.find_element(By.ID, "query").send_keys("text_too_long", Keys.ENTER)
    until(chrome, "return document.querySelectorAll('#feed button').length === 1")
    chrome.find_element(By.CSS_SELECTOR, "#feed button").click()
    until(chrome, "return document.querySelector('#record-body').textContent.includes('2000000 characters')")


def test_the_keyboard_reaches_everything(chrome: Chrome, page: Served) -> None:
    page.publish(enriched(1))
    show(chrome, page)
    reached = set()
    chrome.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    for _ in range(40):
        chrome.switch_to.active_element.send_keys(Keys.TAB)
        active = "const n = document.activeElement; return n.dataset.window || n.id || n.ariaLabel || n.textContent"
        reached.add(chrome.execute_script(active))
    assert {"hour", "pause", "query", "Ada Lovelace is wrong", "Text of the document"} <= reached


def test_what_is_wrong_is_told_in_a_form_by_the_keyboard_alone(chrome: Chrome, page: Served, axe: str) -> None:
    page.publish(enriched(7))
    show(chrome, page)
    wrong, active = (
        "[aria-label='London is wrong']",
        "return document.activeElement.id || document.activeElement.ariaLabel",
    )
    chrome.find_element(By.CSS_SELECTOR, wrong).send_keys(Keys.ENTER)
    assert chrome.execute_script("return document.querySelector('#correct').open")
    assert chrome.execute_script(active) == "correct-expected"
    assert "London" in chrome.find_element(By.ID, "correct-what").text
    offered = chrome.execute_script(
        "return Array.from(document.querySelectorAll('#correct-known option'), o => o.value)"
    )
    assert offered == ["PER", "met", "science"]
    assert violations(chrome, axe) == []
    chrome.switch_to.active_element.send_keys(Keys.ESCAPE)  # leaves, sends nothing, and the focus goes back
    until(chrome, "return !document.querySelector('#correct').open")
    assert chrome.execute_script(active) == "London is wrong"
    assert page.corrections == []
    chrome.switch_to.active_element.send_keys(Keys.ENTER)
    chrome.switch_to.active_element.send_keys(" ORG ", Keys.ENTER)
    until(chrome, "return document.querySelector('#record-body').textContent.includes('Noted')")
    assert [(c.item, c.given, c.verdict, c.expected) for c in page.corrections] == [("e3", "LOC", Verdict.WRONG, "ORG")]
    assert chrome.execute_script("return document.activeElement.textContent") == "Noted. Thank you."


def test_the_last_hour_becomes_the_reference_at_a_press(chrome: Chrome, page: Served) -> None:
    page.publish(enriched(1))
    show(chrome, page)
    chrome.find_element(By.ID, "pin").send_keys(Keys.ENTER)
    until(chrome, "return document.querySelector('#pin-note').textContent.includes('too few')")
    with served_page(new_state(drift_min_documents=1)) as other:
        other.publish(enriched(1))
        show(chrome, other)
        chrome.find_element(By.ID, "pin").send_keys(Keys.ENTER)
        until(chrome, "return document.querySelector('#pin-note').textContent.includes('are the reference now')")
        until(chrome, "return document.querySelector('#quality').textContent.includes('pinned')")


PASTED = f"This is the story of how Ada met Bob in London {BREAKS_OUT} and it was a fine day for all of them."


def try_out(chrome: Chrome, page: Served, text: str) -> None:
    """Open the page, paste a text as a reader would, wait for what is said of it."""
    chrome.get(page.address)
    until(chrome, "return !document.querySelector('#trial').hidden")
    box = chrome.find_element(By.ID, "trial-text")
    box.send_keys(text, Keys.TAB, Keys.ENTER)  # the button follows the box
    until(chrome, "return ['Read.', 'Not r'].includes(document.querySelector('#trial-note').textContent.slice(0, 5))")


def test_a_pasted_text_is_read_and_its_words_are_weighed_in_tint_and_in_words(chrome: Chrome, axe: str) -> None:
    with trial_server() as url, served_page(new_state(serve_url=url)) as page:
        try_out(chrome, page, PASTED)
        assert chrome.execute_script("return window.ran") is None
        texts = chrome.execute_script(
            "return Array.from(document.querySelectorAll('#trial-body .text'), n => n.textContent)"
        )
        assert texts == [PASTED, PASTED]  # weighed, and with the names marked
        tinted = "return document.querySelectorAll('#trial-body .w-for, #trial-body .w-against').length"
        assert chrome.execute_script(tinted) > 0
        told = [line.text for line in chrome.find_elements(By.CSS_SELECTOR, "#trial-body .told")]
        assert [line.split(" ")[0] for line in told] == ["For", "Against"]
        assert any("+" in line for line in told)
        assert chrome.find_elements(By.CSS_SELECTOR, "#trial-body img, #trial-body script, #trial-body td button") == []
        blocked = [e for e in chrome.get_log("browser") if "Content Security" in e["message"]]  # type: ignore[no-untyped-call]
        assert blocked == []
        assert violations(chrome, axe) == []


def test_a_text_that_cannot_be_read_is_told_and_without_a_model_there_is_no_box(chrome: Chrome, page: Served) -> None:
    with served_page(new_state(serve_url="http://127.0.0.1:1")) as lonely:
        try_out(chrome, lonely, "Ada met Bob")
        assert "does not answer" in chrome.find_element(By.ID, "trial-note").text
    chrome.get(page.address)
    until(chrome, "return document.querySelectorAll('#numbers dd').length > 0")
    assert not chrome.find_element(By.ID, "trial").is_displayed()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_readable_on_a_phone(page: Served, dark: bool, axe: str) -> None:
    for number, document in enumerate(HOSTILE.values()):
        page.publish(document)
        page.publish(dead(number))
    with browser(width=360, height=740, dark=dark) as chrome:
        show(chrome, page, 2)
        assert chrome.execute_script("return document.documentElement.scrollWidth") <= 360
        assert chrome.execute_script("return window.innerWidth") == 360
        assert violations(chrome, axe) == []
        with trial_server() as url, served_page(new_state(serve_url=url)) as trying:
            try_out(chrome, trying, PASTED)
            assert chrome.execute_script("return document.documentElement.scrollWidth") <= 360
            assert violations(chrome, axe) == []


def test_it_is_accessible(chrome: Chrome, page: Served, axe: str) -> None:
    for number in range(12):
        page.publish(enriched(number))
    page.publish(dead(1))
    show(chrome, page, 2)
    assert violations(chrome, axe) == []


AXE = "axe-core@4.10.3"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    if (npm := shutil.which("npm")) is None:
        pytest.skip("npm is not there to fetch axe-core")
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder), AXE],
        capture_output=True,
        check=False,
        timeout=120,
    )
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if done.returncode or not script.exists():
        pytest.skip("axe-core could not be fetched")
    return script.read_text(encoding="utf-8")


def violations(chrome: Chrome, axe: str) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA."""
    chrome.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = chrome.execute_async_script(
        "axe.run(document, {runOnly: {type: 'tag', values: arguments[0]}}).then(arguments[1])", tags
    )
    return [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}" for v in found["violations"]]

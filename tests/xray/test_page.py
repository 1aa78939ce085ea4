"""The X-ray's page in a browser, from facts that were written by hand."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import NARROW, WIDE, chromium, expect_no_horizontal_scroll, page, tab_to
from tests.support.waiting import wait_until
from tests.support.xray_recording import Recorded, Recording, every_state, served
from xray.controls import RefusedError

COLUMNS = {
    "caller": ["sent"],
    "broker": ["waiting", "left-behind"],
    "worker": ["held", "scheduled", "retrying", "running"],
    "backend": ["done", "failed", "revoked", "expired", "lost"],
}
WORDS = {"held": "reserved", "left-behind": "left behind"}
TIMES = "\N{MULTIPLICATION SIGN}"
SECONDS = 2.0  # of a thousand tasks each


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def to_the_end(xray: Page) -> None:
    xray.locator("#moment").focus()
    xray.keyboard.press("End")


def card(xray: Page, task: str) -> Any:
    return xray.locator(f".task[data-id='{task}']")


def picture(xray: Page) -> list[str]:
    """Return where each card is, and what it says."""
    xray.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    found: list[str] = xray.locator("main .task, main .face, .depth").evaluate_all(
        "all => all.map(one => `${one.closest('.column').id} ${one.className} ${one.innerText}`)"
    )
    return found


def album(photos: int, done: int) -> Recording:
    """Return a chord of which some tasks are done, one runs and one has failed."""
    run = Recording()
    run.worker()
    ids = [f"{number:04x}" for number in range(photos)]
    for photo in ids:
        about = {"group": "album", "chord": "sheet", "chord_task": "tasks.sheet"}
        run.waiting(photo, "tasks.try_to_develop", **about, chord_chain=["tasks.deliver"])
    run.queue(*ids)
    for photo in ids[:done]:
        run.does(photo, "tasks.try_to_develop")
    run.starts(ids[done], "tasks.try_to_develop")
    run.queue(*ids[done + 1 :])
    return run


def test_each_state_has_its_column_its_sign_and_its_word(browser: Browser, tmp_path: Path) -> None:
    with page(browser, every_state().save(tmp_path / "run.html"), WIDE) as xray:
        to_the_end(xray)
        for column, states in COLUMNS.items():
            for state in states:
                found = xray.locator(f"#{column} .task[data-id='{state}']")
                expect(found.locator(".state")).to_have_text(WORDS.get(state, state))
                expect(found.locator("use").first).to_have_attribute("href", f"#sign-{state}")
        assert xray.locator(".task").count() == sum(map(len, COLUMNS.values()))
        expect(card(xray, "retrying").locator(".brief")).to_contain_text("in ")
        slot = xray.locator(".slot", has_text="process 12")
        expect(slot.locator(".task")).to_have_attribute("data-id", "running")
        for stroke, seen in enumerate(["inferred", "inferred", "seen", ""]):
            expect(card(xray, "held").locator(".trail i").nth(stroke)).to_have_class(seen)


@pytest.mark.slow
def test_what_is_learned_late_takes_no_card_back(browser: Browser, tmp_path: Path) -> None:
    run = Recording()
    run.worker()
    run.does("one")
    run.waiting("one", at=run.at - 0.5)  # a look at the queue that took its time
    run.event("started", "two", at=run.at)
    run.receives("two", at=run.at - 0.01)
    run.starts("three")
    run.add("held", id="three", queue="lab")
    run.add("released", id="three")
    run.waiting("three")  # this one was put back
    run.starts("four", pid=12)
    run.receives("four", retries=1)  # its second try's message was faster
    run.event("retried", "four", error="BusyError('later')")
    run.add("process", id="five", worker="celery@lab", task="tasks.develop", pid=12, since=run.at)
    with page(browser, run.save(tmp_path / "run.html"), WIDE) as xray:
        to_the_end(xray)
        expect(xray.locator("#backend .task")).to_have_attribute("data-id", "one")
        running = xray.locator("#worker .running")
        assert {one.get_attribute("data-id") for one in running.all()} == {"two", "five"}
        expect(xray.locator("#broker .task")).to_have_attribute("data-id", "three")
        expect(xray.locator("#worker .held.task")).to_have_attribute("data-id", "four")


def steps(xray: Page, task: str) -> list[str]:
    """Open a card, and return what was before."""
    card(xray, task).click()
    expect(xray.locator("#card dd").first).to_have_text(task)
    return [line.replace("\n", " ") for line in xray.locator("#card ol li").all_inner_texts()]


@pytest.fixture(scope="module")
def unwatched(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A saved run during which nobody looked for a minute, at its end."""
    run = Recording()
    run.worker()
    run.starts("ended")
    run.receives("began")
    run.add("held", id="began", queue="lab")
    for task in ("done", "unknown", "waits"):
        run.waiting(task)
    run.queue("done", "unknown", "waits")
    run.add("watch", on=False)
    run.at += 60
    run.add("watch", on=True)
    run.queue("waits")
    run.add("released", id="began")
    run.at += 2  # what has just left its queue may be on its way
    for task in ("ended", "done"):
        run.add("result", id=task, state="SUCCESS", bytes=120, ttl=86400.0)
    with page(browser, run.save(tmp_path_factory.mktemp("saved") / "run.html"), WIDE) as xray:
        to_the_end(xray)
        yield xray


@pytest.mark.slow
def test_of_what_happened_while_nobody_looked_the_states_are_guessed(unwatched: Page) -> None:
    xray = unwatched
    expect(xray.locator("#summary")).to_contain_text(
        re.compile(r"1 waiting, 2 done, 2 not seen since · nobody looked from .* to 15 Jan, ")
    )
    expect(xray.locator("#backend .task")).to_have_count(2)
    expect(card(xray, "ended").locator(".brief")).to_have_text("")
    for task in ("unknown", "began"):
        expect(card(xray, task)).to_have_class(re.compile("guessed"))
    expect(card(xray, "unknown").locator(".state")).to_have_text("was waiting")
    expect(card(xray, "waits").locator(".brief")).to_have_text("next")


@pytest.mark.slow
def test_of_what_happened_while_nobody_looked_no_step_is_made_up(unwatched: Page) -> None:
    lines = steps(unwatched, "done")
    assert "nobody looked any more, until 15 Jan, 08:01:0" in lines[2]
    assert lines[3:5] == ["not seen received by a worker", "not seen started"]
    assert "found in the result backend as SUCCESS" in lines[5]
    assert steps(unwatched, "began")[-1].startswith("not seen acknowledged")


@pytest.mark.slow
def test_a_retry_is_told_in_its_order(browser: Browser, tmp_path: Path) -> None:
    """The next try's message is faster than the word that this one has given up."""
    run = Recording()
    run.worker()
    run.starts("again")
    run.receives("again", retries=1, eta=run.at + 60)
    run.event("retried", "again")
    run.add("result", id="again", state="RETRY", bytes=120, ttl=86400.0)
    with page(browser, run.save(tmp_path / "run.html"), WIDE) as xray:
        to_the_end(xray)
        said = [re.sub(r"^\S+ Jan, \S+ | \+.*$", "", line) for line in steps(xray, "again")]
        assert said == [
            "not seen sent by the caller",
            "not seen in the queue",
            "received by celery@lab",
            "started on process 11",
            "not seen sent again by the worker",
            "not seen in the queue",
            "received by celery@lab",
            "gave up for now",
            "in the result backend as RETRY",
        ]


@pytest.mark.slow
def test_who_was_let_through_and_not_taken_waits_again(browser: Browser, tmp_path: Path) -> None:
    run = Recording()
    run.worker()
    for task in ("one", "two"):
        run.waiting(task)
    run.queue("one", "two")
    run.queue("two")
    run.at += 5
    run.queue("one", "two")
    with page(browser, run.save(tmp_path / "run.html"), WIDE) as xray:
        to_the_end(xray)
        expect(xray.locator("#broker .brief")).to_have_text(["next", "2."])
        expect(xray.locator("#broker .guessed")).to_have_count(0)


@pytest.mark.slow
def test_what_a_solo_worker_has_taken_probably_runs(browser: Browser, tmp_path: Path) -> None:
    run = Recording()
    run.worker(pool="solo", processes=[10], slots=1)
    run.add("held", id="one", queue="lab", task="tasks.develop", bytes=900, retries=0)
    run.waiting("two")
    run.queue("two")
    run.worker(pool="solo", processes=[10], slots=1, silent=True)
    with page(browser, run.save(tmp_path / "run.html"), WIDE) as xray:
        to_the_end(xray)
        expect(xray.locator(".slot .task")).to_have_class(re.compile("running guessed"))
        expect(xray.locator(".slot .brief")).to_have_text("")
        expect(xray.locator(".worker")).to_contain_text("a task keeps it busy, or it is gone.")
        assert steps(xray, "one")[-1] == "not seen started"
        expect(xray.locator("#card .why")).to_contain_text("Probably it runs.")
        card(xray, "two").click()
        expect(xray.locator("#card .why")).to_have_text(
            "Next in the queue lab; its only process is busy."
        )


@pytest.mark.slow
def test_many_of_a_kind_are_one_stack_which_opens(browser: Browser, tmp_path: Path) -> None:
    run = Recording()
    run.worker()
    for number in range(40):
        run.waiting(f"{number:04}")
    run.queue(*(f"{number:04}" for number in range(30)), depth=1000)
    run.waiting("other", "tasks.report")
    with page(browser, run.save(tmp_path / "run.html"), WIDE) as xray:
        to_the_end(xray)
        expect(xray.locator("#broker .task")).to_have_count(1)
        stack = xray.locator("#broker .face")
        expect(stack).to_contain_text("40 \N{MULTIPLICATION SIGN}")
        expect(xray.locator(".depth")).to_have_text("1,000")
        expect(xray.locator("#broker")).to_contain_text("and 959 more")
        tab_to(xray, ".face")
        xray.keyboard.press("Enter")
        expect(stack).to_have_attribute("aria-expanded", "true")
        expect(xray.locator(".stack .task").first).to_have_attribute("data-id", "0000")
        expect(xray.locator(".stack .task")).to_have_count(8)
        expect(xray.locator(".stack")).to_contain_text("and 32 more")


@pytest.mark.slow
@pytest.mark.parametrize("photos", [3, 24])
def test_an_album_is_drawn_as_its_graph(browser: Browser, tmp_path: Path, photos: int) -> None:
    run = album(photos, 2)
    with page(browser, run.save(tmp_path / "run.html"), WIDE) as xray:
        to_the_end(xray)
        title = f"{photos} \N{MULTIPLICATION SIGN} try_to_develop → sheet → deliver"
        expect(xray.locator(".flow b")).to_have_text(title)
        xray.locator(".flow").click()
        expect(xray.locator("#graph-title")).to_have_text(title)
        expect(xray.locator(".node")).to_have_count(photos + 2)
        expect(xray.locator(".node.done")).to_have_count(2)
        expect(xray.locator(".node.done .took").first).to_have_text("200 ms")
        expect(xray.locator(".node.running")).to_have_count(1)
        expect(xray.locator(".node.coming .took")).to_have_text(["to come", "to come"])
        expect(xray.locator(".arrow")).to_have_count(2)
        expect_no_horizontal_scroll(xray)
        xray.locator(".node.running").press("Enter")
        expect(xray.locator("#card .big")).to_contain_text("running")
        for _ in range(2):  # the card, then the graph
            xray.keyboard.press("Escape")
        expect(xray.locator("#graph")).to_be_hidden()


@pytest.mark.slow
def test_what_follows_a_group_stands_outside_of_it(browser: Browser, tmp_path: Path) -> None:
    run = album(3, 2)
    run.event("failed", "0002", error="OSError('torn')")
    run.waiting("sheet", "tasks.sheet", group="album")
    run.receives("deliver", "tasks.deliver", parent="sheet", root="0000")
    run.add("result", id="deliver", state="SUCCESS", bytes=9, ttl=1.0, group="album")
    with page(browser, run.save(tmp_path / "run.html"), WIDE) as xray:
        to_the_end(xray)
        xray.locator(".flow").click()
        expect(xray.locator(".group")).to_have_count(1)
        expect(xray.locator(".graph .title")).to_contain_text("3 ")
        expect(xray.locator(".node .label")).to_have_text(
            ["0000", "0001", "0002", "sheet", "deliver"]
        )
        expect(xray.locator(".node.failed")).to_have_count(1)


def overlaps(boxes: list[Any]) -> list[Any]:
    """Return the pairs of boxes that lie on each other."""
    return [
        (one, other)
        for at, one in enumerate(boxes)
        for other in boxes[:at]
        if one["x"] < other["x"] + other["width"] and other["x"] < one["x"] + one["width"]
        if one["y"] < other["y"] + other["height"] and other["y"] < one["y"] + one["height"]
    ]


def body_is_a_group(run: Recording) -> None:
    for task in ("h1", "h2"):
        run.waiting(task, group="g", chord="body", chord_task="celery.group")
        run.does(task)
    for task in ("b1", "b2"):
        run.waiting(task, root="h2", parent="h2", group="g")


def groups_in_a_chain(run: Recording) -> None:
    run.waiting("a", chain=["celery.chord", "celery.chord"])
    run.does("a")
    for task in ("b1", "b2"):
        about = {"group": "b", "chord": "c", "chord_task": "tasks.develop"}
        run.waiting(task, root="a", parent="a", **about, chord_chain=["celery.chord"])
        run.does(task)
    run.waiting("c", root="a", parent="b2", group="b", chain=["celery.chord"])
    run.starts("c")


def chains_in_a_chord(run: Recording) -> None:
    for task in ("a1", "a2", "a3"):
        run.waiting(task, chain=["tasks.publish"])
        run.does(task)
    for task in ("b1", "b2", "b3"):
        root, about = task.replace("b", "a"), {"chord": "z", "chord_task": "tasks.report"}
        run.waiting(task, "tasks.publish", root=root, parent=root, group="g", **about)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flow", "title", "arrows"),
    [
        (body_is_a_group, "2 x develop → 2 x develop", 2),
        (groups_in_a_chain, "develop → 2 x develop → develop → chord", 3),
        (chains_in_a_chord, "3 x develop → 3 x publish → report", 4),
    ],
)
def test_of_nested_workflows_each_task_is_drawn_once(
    browser: Browser,
    tmp_path: Path,
    flow: Callable[[Recording], None],
    title: str,
    arrows: int,
) -> None:
    run = Recording()
    run.worker()
    flow(run)
    sent = {fact["id"] for fact in run.facts if "id" in fact}
    for size in (WIDE, NARROW):
        with page(browser, run.save(tmp_path / "run.html"), size) as xray:
            to_the_end(xray)
            xray.locator(".flow").click()
            expect(xray.locator("#graph-title")).to_have_text(title.replace("x", TIMES))
            nodes = xray.locator(".node")
            drawn = [one.get_attribute("data-id") for one in xray.locator(".node[role]").all()]
            assert sorted(map(str, drawn)) == sorted(sent)
            expect(xray.locator(".arrow")).to_have_count(arrows)
            assert overlaps([one.bounding_box() for one in nodes.all()]) == []
            expect_no_horizontal_scroll(xray)
            paper = "paper => paper.scrollWidth > paper.clientWidth"
            assert not xray.locator("#graph .paper").evaluate(paper), "all of it is to be seen"


@pytest.mark.slow
def test_by_keyboard_a_card_opens_and_gives_the_focus_back(
    browser: Browser, tmp_path: Path
) -> None:
    run = Recording()
    run.worker()
    run.starts("busy", pid=11)
    run.starts("busier", pid=12)
    for name in ("first", "second", "third"):
        run.waiting(name)
    run.queue("first", "second", "third")
    with page(browser, run.save(tmp_path / "run.html"), WIDE) as xray:
        to_the_end(xray)
        expect(xray.locator("#broker .brief")).to_have_text(["next", "2.", "3."])
        tab_to(xray, "#broker .task:last-child")
        xray.keyboard.press("Enter")
        opened = xray.locator("#card")
        expect(opened.locator(".why")).to_contain_text("Third in the queue lab; both processes are")
        assert opened.locator("li.inferred").all_inner_texts()[0].startswith("not seen")
        xray.keyboard.press("Escape")
        expect(opened).to_be_hidden()
        expect(card(xray, "third")).to_be_focused()


@pytest.mark.slow
def test_going_back_and_forth_gives_the_picture_of_that_moment(
    browser: Browser, tmp_path: Path
) -> None:
    run = album(6, 3)
    with page(browser, run.save(tmp_path / "run.html"), WIDE) as xray:
        xray.locator("#moment").focus()
        forth = []
        for _ in range(len(run.facts) - 1):
            xray.keyboard.press("ArrowRight")
            forth.append(picture(xray))
        assert len({str(one) for one in forth}) > len(forth) / 2, "most steps can be seen"
        back = []
        for _ in forth:
            back.append(picture(xray))
            xray.keyboard.press("ArrowLeft")
        assert back[::-1] == forth
        xray.locator("#play").click()
        xray.locator("#speed").select_option("4")
        expect(xray.locator("#worker .running")).to_have_count(1)
        expect(xray.locator("#play")).to_contain_text("Play", timeout=5000)
        assert picture(xray) == forth[-1]


@pytest.mark.slow
def test_cards_fly_unless_less_motion_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    run = Recording()
    run.worker()
    run.waiting("one")
    run.receives("one")
    moving = "() => document.getAnimations().filter(one => !one.animationName).length"
    for reduced, some in ((None, True), ("reduce", False)):
        address = run.save(tmp_path / "run.html")
        with page(browser, address, WIDE, reduced_motion=reduced) as xray:
            xray.locator("#moment").focus()
            for _ in run.facts:
                xray.keyboard.press("ArrowRight")
            expect(xray.locator("#worker .task")).to_be_visible()
            assert bool(xray.evaluate(moving)) is some
            wait_until(lambda: not xray.evaluate(moving), "all is still again")


@pytest.mark.slow
def test_on_a_phone_the_columns_stand_below_each_other(browser: Browser, tmp_path: Path) -> None:
    with page(browser, album(24, 5).save(tmp_path / "run.html"), NARROW) as xray:
        to_the_end(xray)
        xray.locator(".flow").click()
        expect_no_horizontal_scroll(xray)
        tops = [xray.locator(f"#{name}").bounding_box() for name in COLUMNS]
        heights = [box["y"] for box in tops if box]
        assert heights == sorted(set(heights))
        card(xray, "0005").click()
        expect(xray.locator("#card .big")).to_contain_text("running")
        expect_no_horizontal_scroll(xray)
        words = xray.locator("#card ol span:not(:empty)").all()
        assert overlaps([one.bounding_box() for one in words]) == []
        xray.keyboard.press("Escape")
        expect(xray.locator("#card")).to_be_hidden()
        expect(card(xray, "0005")).to_be_focused()
        expect(card(xray, "0005")).not_to_have_class(re.compile("open"))
        xray.locator("#moment").focus()
        xray.keyboard.press("Home")
        expect(xray.locator("#empty")).to_be_visible()


@pytest.mark.slow
def test_a_saved_run_asks_nobody_and_trusts_no_text(browser: Browser, tmp_path: Path) -> None:
    run = Recording()
    evil = "</script><img src=x onerror='document.title = 1'>"
    run.worker(worker=evil, tasks=[evil])
    run.receives("evil", evil, args=evil)
    run.event("failed", "evil", error=evil)
    run.waiting("waits", evil, root=evil, chain=[evil], queue=evil)
    run.add("broker", up=False, says=evil)
    with page(browser, run.save(tmp_path / "run.html", broker=evil), WIDE) as xray:
        asked: list[str] = []
        xray.on("request", lambda request: asked.append(request.url))
        xray.reload()
        to_the_end(xray)
        expect(xray.locator("#banner")).to_contain_text(evil)
        card(xray, "evil").click()
        expect(xray.locator("#card .why")).to_contain_text(evil)
        xray.locator(".flow").click()
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        policy = xray.locator("meta[http-equiv=Content-Security-Policy]")
        expect(policy).to_have_attribute("content", re.compile("^default-src 'none';"))
        assert xray.locator("img").count() == 0
        assert xray.title() == "X-ray"


# --- live: served as `python -m xray` serves it, told of facts as they come -----------------------

MESSAGE: dict[str, Any] = {
    "where": "queue lab, place 1 of 1",
    "key": "lab",
    "raw": {"body": "W10="},
    "properties": {"priority": 0},
    "headers": {"id": "one"},
    "body": [["a photo"], {}, {}],
}


class Controls:
    """Pauses any worker, and kills no process."""

    def __init__(self) -> None:
        self.paused: list[str] = []

    def pause(self, worker: str) -> None:
        self.paused.append(worker)

    def kill(self, worker: str, pid: int) -> None:
        raise RefusedError(409, f"{pid} is no process of {worker}.")


Live = tuple[Page, Recording, Recorded, Controls]


@pytest.fixture
def live(browser: Browser) -> Iterator[Live]:
    """The page of a worker of ours, and a queue with one message."""
    run, recorded, controls = Recording(), Recorded(), Controls()
    run.worker(ours=True)
    run.waiting("one")
    run.queue("one")
    recorded.tell(run)
    recorded.answers["message"] = MESSAGE
    with (
        served(recorded, controls) as address,
        page(browser, address, WIDE, troubled=True) as xray,
    ):
        yield xray, run, recorded, controls


@pytest.mark.slow
def test_live_a_message_is_read(live: Live) -> None:
    xray, *_ = live
    card(xray, "one").click()
    opened = xray.locator("#card")
    expect(opened).to_contain_text("the task's id, made by the caller")
    expect(opened).to_contain_text('["a photo"]')


@pytest.mark.slow
def test_live_a_worker_is_paused(live: Live) -> None:
    xray, run, recorded, controls = live
    xray.get_by_role("button", name="Pause").click()
    wait_until(lambda: controls.paused == ["celery@lab"], "the worker is paused")
    run.worker(ours=True, paused=True)
    recorded.tell(run)
    expect(xray.get_by_role("button", name="Let one through")).to_be_visible()


@pytest.mark.slow
def test_live_what_is_refused_is_said(live: Live) -> None:
    xray, *_ = live
    kill = xray.locator(".kill").first
    kill.click()
    expect(kill).to_have_text("Yes, kill 11")
    kill.click()
    expect(xray.locator(".worker .says")).to_have_text("11 is no process of celery@lab.")


@pytest.mark.slow
def test_live_an_outage_is_told_and_its_end_too(live: Live) -> None:
    xray, run, recorded, _ = live
    run.add("broker", up=False, says="it refuses connections.")
    recorded.tell(run)
    expect(xray.locator("#banner")).to_contain_text("it refuses connections")
    run.add("broker", up=True)
    recorded.tell(run)
    expect(xray.locator("#banner")).to_be_hidden()


WATCH_FRAMES = """() => {
    window.longest = 0;
    let last = performance.now();
    const next = (now) => {
        longest = Math.max(longest, now - last);
        last = now;
        requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
}"""


def feed(xray: Page, run: Recording, recorded: Recorded, seconds: float) -> None:
    """Tell of a thousand tasks a second, which begin and end at once."""
    for step in range(int(seconds * 20)):
        for number in range(50):
            task = f"{step:04}{number:04}"
            run.receives(task, at=run.at)
            run.event("started", task, at=run.at)
            run.event("succeeded", task, runtime=0.001, result="None")
        recorded.tell(run)
        xray.wait_for_timeout(50)  # the pace of the feed, not a wait for anything


@pytest.mark.slow
def test_at_a_thousand_tasks_a_second_it_counts_each_event_and_stays_smooth(
    browser: Browser,
) -> None:
    run, recorded = Recording(), Recorded()
    run.worker()
    recorded.tell(run)
    with served(recorded) as address, page(browser, address, WIDE) as xray:
        expect(xray.locator(".worker")).to_be_visible()
        xray.evaluate(WATCH_FRAMES)
        feed(xray, run, recorded, SECONDS)
        many = int(SECONDS * 1000)
        expect(xray.locator("#backend .face")).to_contain_text(f"{many:,} {TIMES}")
        expect(xray.locator("#counter")).to_contain_text(f"{3 * many:,} events")
        assert xray.evaluate("longest") < 400, "no frame takes long, even on a busy machine"
        assert xray.locator("*").count() < 600

"""The drawings of the notebook 03_workflow."""

from matplotlib import pyplot as plt
from session import BLUE, GREY, ORANGE, YELLOW

Work = tuple[str, str, float, float]  # which task, in which process, from when until when
Depths = list[tuple[float, int, int]]  # when, how many wait, how many are fetched


def draw_depth(runs: dict[str, tuple[Depths, float]]) -> None:
    """Draw how many messages wait, and mark when no more were sent."""
    _, panels = plt.subplots(1, 2, sharex=True, sharey=True, figsize=(8, 3.4))
    for panel, (rate, (found, stopped)) in zip(panels, runs.items(), strict=True):
        when, waiting, fetched = zip(*found, strict=True)
        panel.fill_between(when, waiting, color=BLUE, alpha=0.25, linewidth=0)
        panel.plot(when, waiting, color=BLUE, marker="", label="wait in the queue")
        panel.plot(when, fetched, color=ORANGE, marker="", linestyle="--", label="fetched")
        panel.axvline(stopped, color=GREY, linestyle=":", label="no more are sent")
        panel.set_title(rate, fontsize=10)
        panel.set(xlabel="seconds since the first was sent", xlim=(0, None))
    panels[0].set(ylabel="messages", ylim=(0, None))
    panels[1].legend(loc="upper right", frameon=True, framealpha=1, edgecolor="none")
    plt.show()


def draw_lateness(due: list[float], late: list[float]) -> None:
    """Draw how late each task began, over the time at which it was due."""
    _, axes = plt.subplots()
    axes.vlines(due, 0, late, color=BLUE)
    axes.plot(due, late, "o", color=BLUE)
    axes.set(
        xlabel="due, in seconds after the first",
        ylabel="began so late, in ms",
        ylim=(0, max(10, 1.2 * max(late))),
    )
    plt.show()


def draw_tries(tries: dict[str, list[list[float]]]) -> None:
    """Draw a row for each letter, and a mark for each time that it was tried."""
    _, panels = plt.subplots(1, 2, sharex=True, sharey=True, figsize=(8, 3.2))
    for panel, (how, letters), color, marker in zip(
        panels, tries.items(), [ORANGE, BLUE], "so", strict=True
    ):
        begun = min(times[0] for times in letters)
        for row, times in enumerate(sorted(letters), start=1):
            panel.axhline(row, color=GREY, linewidth=0.4)
            panel.plot([when - begun for when in times], [row] * len(times), marker, color=color)
        panel.set(yticks=[1, len(letters)], xticks=range(9), xlabel="seconds after the first try")
        panel.set_title(how, fontsize=10)
    panels[0].set_ylabel("letter")
    plt.show()


def draw_work(works: list[Work]) -> None:
    """Draw which process did what, and when."""
    styles = {"photo": (YELLOW, ""), "sheet": (BLUE, "//"), "letter": (ORANGE, "xx")}
    begun = min(begin for _, _, begin, _ in works)
    _, axes = plt.subplots(figsize=(8, 2.6))
    for name, process, begin, end in works:
        color, hatch = styles[name]
        axes.barh(
            process,
            end - begin,
            left=begin - begun,
            height=0.6,
            color=color,
            hatch=hatch,
            edgecolor="black",
            label=name,
        )
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(handles.values(), handles.keys(), ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    axes.set(xlabel="seconds since the first photo was begun", ylim=(1.5, -0.5))
    plt.show()

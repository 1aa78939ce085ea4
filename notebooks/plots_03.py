"""The drawings of the notebook 03_workflow."""

from matplotlib import pyplot as plt
from outrun_03 import Run
from session import BLUE, GREY, ORANGE


def draw_depth(runs: dict[str, Run]) -> None:
    """Draw how many messages wait, and mark when no more were sent."""
    _, panels = plt.subplots(1, 2, sharex=True, sharey=True, figsize=(8, 3.4))
    for panel, (title, run) in zip(panels, runs.items(), strict=True):
        when, waiting, fetched = zip(*run.counts, strict=True)
        panel.fill_between(when, waiting, color=BLUE, alpha=0.25, linewidth=0)
        panel.plot(when, waiting, color=BLUE, marker="", label="wait in the queue")
        panel.plot(when, fetched, color=ORANGE, marker="", linestyle="--", label="fetched")
        panel.axvline(run.sent_after, color=GREY, linestyle=":", label="no more are sent")
        panel.set_title(title, fontsize=10)
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
    _, panels = plt.subplots(2, sharex=True, figsize=(10, 7))
    for panel, (how, letters), color, marker in zip(
        panels, tries.items(), [ORANGE, BLUE], "so", strict=True
    ):
        begun = min(times[0] for times in letters)
        for row, times in enumerate(sorted(letters), start=1):
            panel.axhline(row, color=GREY, linewidth=0.4)
            when = [moment - begun for moment in times]
            panel.plot(when, [row] * len(times), marker, color=color, markersize=8)
        panel.set(title=how, ylabel="letter", yticks=[1, len(letters)], xticks=range(9))
    panels[-1].set_xlabel("when it was tried, in seconds after the first of the dozen")
    plt.show()

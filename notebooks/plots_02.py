"""The larger drawings of 02_architecture.ipynb."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from session import BLUE, GREEN, GREY, ORANGE, YELLOW

LANES = ["caller", "broker", "worker", "result backend"]
CALLER, BROKER, WORKER, BACKEND = range(4)

BOX = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": "black"}
LEGEND = [
    Patch(color="#ececec", label="in the queue"),
    Patch(color=ORANGE, alpha=0.45, label="fetched, waiting"),
    Patch(facecolor=ORANGE, hatch="///", edgecolor="white", label="running"),
    Line2D([], [], color=ORANGE, marker="s", mec="black", ls="", label="done by the busy worker"),
    Line2D([], [], color=BLUE, marker="o", mec="black", ls="", label="done by the other"),
]

# Each step: from which lane, to which, and what passes. Within one lane: what happens there.
STEPS = {
    "send_task()": (CALLER, CALLER, "send_task()"),
    "SUBSCRIBE": (CALLER, BACKEND, "SUBSCRIBE: tell me"),
    "LPUSH": (CALLER, BROKER, "LPUSH: the message"),
    "task-sent": (CALLER, CALLER, "task-sent"),
    "the message": (BROKER, WORKER, "the message"),
    "HSET unacked": (WORKER, BROKER, "HSET: I hold it"),
    "task-received": (WORKER, WORKER, "task-received"),
    "task-started": (WORKER, WORKER, "task-started"),
    "HDEL unacked": (WORKER, BROKER, "HDEL: acknowledged"),
    "SETEX STARTED": (WORKER, BACKEND, "SETEX: STARTED"),
    "SETEX SUCCESS": (WORKER, BACKEND, "SETEX: SUCCESS"),
    "the photo": (WORKER, WORKER, "develops the photo"),
    "the news": (BACKEND, CALLER, "the result"),
    "task-succeeded": (WORKER, WORKER, "task-succeeded"),
    ".get() returns": (CALLER, CALLER, ".get() returns"),
}
INFERRED = {  # before what
    "the message": "HSET unacked",
    "the photo": "SETEX SUCCESS",
    "the news": ".get() returns",
}


@dataclass(frozen=True)
class Fate:
    """A task's fate, in seconds since all were sent."""

    fetched: float
    started: float
    ended: float
    by_the_busy: bool


def journey(milliseconds: Mapping[str, float]) -> None:
    """Draw a message's way as a sequence diagram, with the milliseconds of each step."""
    rows: list[str] = []
    for step in sorted(milliseconds, key=milliseconds.__getitem__):
        rows += [cause for cause, effect in INFERRED.items() if effect == step] + [step]
    bottom, end = len(rows) - 1, max(milliseconds.values())

    axes = plt.figure(figsize=(8.8, 5.3)).subplots()
    axes.set(xlim=(-0.5, 3.55), ylim=(bottom + 0.6, -1.5))
    axes.axis("off")
    for lane, name in enumerate(LANES):
        axes.plot([lane, lane], [-0.7, bottom + 0.6], color=GREY, lw=1, marker="", zorder=0)
        axes.text(lane, -1.1, name, ha="center", va="center", weight="bold", bbox=BOX)
    begun, stored = rows.index("task-started"), rows.index("SETEX SUCCESS")
    axes.plot([WORKER] * 2, [begun, stored], color=YELLOW, lw=10, marker="", zorder=1)
    for row, step in enumerate(rows):
        draw_step(axes, row, step)
        if step in milliseconds:
            moment = milliseconds[step]
            axes.text(-0.12, row, f"{moment:.1f} ms", ha="right", va="center")
            to_scale = moment / end * bottom
            axes.plot([3.12, 3.42, 3.55], [row, to_scale, to_scale], color=GREY, lw=1, marker="")
    scale = axes.secondary_yaxis(
        "right", functions=(partial(np.multiply, end / bottom), partial(np.multiply, bottom / end))
    )
    scale.set_ylabel("milliseconds since the call, to scale")
    scale.set_yticks([tick for tick in MaxNLocator(8).tick_values(0, end) if tick <= end])
    scale.spines["right"].set_bounds(0, end)


def draw_step(axes: Axes, row: int, step: str) -> None:
    """Draw one row: an arrow from lane to lane, or a mark on one."""
    here, there, words = STEPS[step]
    color = GREEN if BACKEND in (here, there) else BLUE
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    if here == there:
        if step not in INFERRED:
            axes.plot(here, row, marker="D", color="black", ms=6)
        axes.text(here + 0.09, row, words, va="center", bbox=white)
        return
    style = "--" if step in INFERRED else "-"
    arrow = {"arrowstyle": "-|>", "linestyle": style, "color": color, "lw": 1.8}
    arrow |= {"shrinkA": 0, "shrinkB": 0, "mutation_scale": 14}
    axes.annotate("", xy=(there, row), xytext=(here, row), arrowprops=arrow)
    middle = (here + there) / 2 if abs(here - there) == 1 else 0.5  # between two lanes
    axes.text(middle, row - 0.1, words, ha="center", va="bottom", size=10, color=color)


def waits(trips: Mapping[str, Sequence[float]]) -> None:
    """Draw each round trip as a dot, in rows, the quickest first; a bar is the median."""
    axes = plt.figure(figsize=(9, 0.7 + 0.5 * len(trips))).subplots()
    names = sorted(trips, key=lambda name: median(trips[name]), reverse=True)
    for row, name in enumerate(names):
        milliseconds = [1000 * seconds for seconds in trips[name]]
        heights = [row + 0.07 * (number * 3 % 5 - 2) for number in range(len(milliseconds))]
        color, marker = (ORANGE, "s") if "database" in name else (BLUE, "o")
        face = "white" if "default" in name else color
        axes.plot(milliseconds, heights, marker, color=color, markerfacecolor=face, alpha=0.7)
        middle = median(milliseconds)
        axes.vlines(middle, row - 0.33, row + 0.33, color="black", lw=2.5)
        axes.text(middle, row + 0.36, f"{middle:.0f} ms", ha="center", va="bottom", size=10)
    axes.set(xscale="log", xlabel="round trip in milliseconds (log scale)", xlim=(1, 2000))
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(-0.6, len(names) - 0.1))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="x", alpha=0.3)


def gantt(runs: Mapping[str, Sequence[Fate]]) -> None:
    """Draw when each task waited and ran, by worker: a panel a run, a row a task."""
    figure = plt.figure(figsize=(10, 4.2))
    panels = figure.subplots(1, len(runs), sharex=True, sharey=True)
    for axes, (title, fates) in zip(panels, runs.items(), strict=True):
        for row, fate in enumerate(fates):
            color, hatch, marker = (ORANGE, "///", "s") if fate.by_the_busy else (BLUE, "", "o")
            axes.barh(row, fate.fetched, color="#ececec")
            waited, ran = fate.started - fate.fetched, fate.ended - fate.started
            axes.barh(row, waited, left=fate.fetched, color=color, alpha=0.45)
            axes.barh(row, ran, left=fate.started, color=color, hatch=hatch, edgecolor="white")
            axes.plot(fate.ended, row, marker, color=color, markeredgecolor="black")
        names = ["slow", *(f"quick {number}" for number in range(1, len(fates)))]
        axes.set(
            title=f"busy worker with {title}",
            xlabel="seconds since all were sent",
            yticks=range(len(fates)),
        )
        axes.set(yticklabels=names, ylim=(len(fates) - 0.4, -0.6))
    figure.legend(handles=LEGEND, loc="outside lower center", ncols=5)

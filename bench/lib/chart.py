"""Draws bench/results/chart.svg from the results there: bars of ratios beside their goals."""

import html
import json
import os

ORDER = ("scan", "peer", "native", "tenants", "token")
WIDTH, LEFT, BAR, GAP, TOP = 760, 230, 16, 8, 34
SCALE_END = 1.5  # a bar for "as long as its goal allows" has two thirds of the width


def load(directory):
    bars = []
    for part in ORDER:
        path = os.path.join(directory, part + ".json")
        if not os.path.exists(path):
            continue
        with open(path) as file:
            ratios = json.load(file)["ratios"]
        for name, (value, goal) in ratios.items():
            if goal is not None:
                bars.append((part, name, value, goal))
    return bars


def share_of_goal(value, goal):
    """How much of what the goal allows was used: up to 1 is reached, for both directions."""
    sign, number = goal.split()
    number = float(number)
    if sign == "<=":
        return value / number
    return number / value if value > 0 else SCALE_END


def write(directory):
    bars = load(directory)
    if not bars:
        return
    height = TOP + len(bars) * (BAR + GAP) + 12
    room = WIDTH - LEFT - 170
    goal_x = LEFT + room / SCALE_END
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" font-family="sans-serif" '
        'font-size="12">' % (WIDTH, height, WIDTH),
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        '<text x="10" y="20" font-weight="bold">Measured against the goals (shorter is better; the line is '
        'the goal)</text>',
    ]
    for i, (part, name, value, goal) in enumerate(bars):
        y = TOP + i * (BAR + GAP)
        share = share_of_goal(value, goal)
        width = max(2, min(share, SCALE_END) / SCALE_END * room)
        color = "#2f7d4f" if share <= 1 else "#b5532a"
        parts.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (
            LEFT - 8, y + 12, html.escape(part + ": " + name.replace("_", " "))))
        parts.append('<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>' % (LEFT, y, width, BAR, color))
        parts.append('<text x="%.1f" y="%d">%.3g (goal %s)</text>' % (
            LEFT + room + 8, y + 12, value, html.escape(goal)))
    parts.append('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#333333" stroke-dasharray="4 3"/>' % (
        goal_x, goal_x, TOP - 4, height - 8))
    parts.append("</svg>")
    with open(os.path.join(directory, "chart.svg"), "w") as file:
        file.write("\n".join(parts) + "\n")

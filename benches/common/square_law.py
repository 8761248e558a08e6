"""A cost that grows with the square: y = a·n² + b·n, put through what was measured."""


def fit(points):
    """The a and b of the law through the last two points (n, y), ordered by n.

    A pickled graph at every 25th node is n / 25 pickles of up to n nodes: a·n². What is done once for each node, such as
    reading its line, is b·n. Neither is below zero: where the two points would have it so, the law goes through the last
    one alone. Smaller sizes are left out, because the beginning of a crawl is not like the rest of it.
    """
    *_, (n, y) = points
    if len(points) > 1:
        m, x = points[-2]
        # y/n = a·n + b, and so for the other: a line through two points.
        a = (y / n - x / m) / (n - m)
        b = y / n - a * n
        if a < 0:
            return 0.0, y / n
        if b >= 0:
            return a, b
    return y / (n * n), 0.0


def at(law, n):
    """What the law says at n."""
    a, b = law
    return a * n * n + b * n


def held_out(points):
    """What the law from all points but the last makes of the last, as a multiple of what it is; None with one point."""
    *before, (n, y) = points
    return at(fit(before), n) / y if before else None

"""A cost that grows with the square: y = a·n² + b·n, fitted through what was measured."""


def fit(points):
    """The a and b, neither below zero, that miss the points (n, y) least, in shares of y.

    A pickled graph at every 25th node is n / 25 pickles of up to n nodes: a·n². What is done once for each node, such as
    reading its line, is b·n.
    """
    if not points:
        raise ValueError("no point to fit through")
    # With both sides divided by y: 1 = a·u + b·v.
    rows = [(n * n / y, n / y) for n, y in points]
    uu, uv, vv = (sum(r[i] * r[j] for r in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    u, v = (sum(r[i] for r in rows) for i in (0, 1))
    determinant = uu * vv - uv * uv
    if len({n for n, _ in points}) > 1 and determinant:
        a, b = (u * vv - v * uv) / determinant, (v * uu - u * uv) / determinant
        if a >= 0 and b >= 0:
            return a, b
        if a < 0:
            return 0.0, v / vv
    return u / uu, 0.0


def at(law, n):
    """What the law says at n."""
    a, b = law
    return a * n * n + b * n


def miss(law, points):
    """By how much of itself the point that is missed most is missed."""
    return max(abs(at(law, n) - y) / y for n, y in points)

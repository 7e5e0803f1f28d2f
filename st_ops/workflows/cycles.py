"""Finding the tasks of a workflow that can lead back to themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def on_cycles(successors: Mapping[str, set[str]]) -> frozenset[str]:
    """The nodes on a cycle of the graph that maps each node to its successors (which need not all be nodes)."""
    known = {node: sorted(found & successors.keys()) for node, found in successors.items()}
    return frozenset(
        node
        for component in _components(known)
        for node in component
        if len(component) > 1 or node in known[node]
    )


def _components(successors: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """Strongly connected components: Tarjan's algorithm, without recursion."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    open_: dict[str, None] = {}
    for root in successors:
        walk = [] if root in order else [(root, iter(successors[root]))]
        while walk:
            node, rest = walk[-1]
            if node not in order:
                order[node] = low[node] = len(order)
                open_[node] = None
            following = next(rest, None)
            if following is None:
                walk.pop()
                if low[node] == order[node]:
                    yield _closed(open_, node)
                elif walk:
                    low[walk[-1][0]] = min(low[walk[-1][0]], low[node])
            elif following not in order:
                walk.append((following, iter(successors[following])))
            elif following in open_:
                low[node] = min(low[node], order[following])


def _closed(open_: dict[str, None], root: str) -> list[str]:
    component: list[str] = []
    while not component or component[-1] != root:
        component.append(open_.popitem()[0])
    return component

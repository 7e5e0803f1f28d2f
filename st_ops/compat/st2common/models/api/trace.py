"""Trace contexts."""

__all__ = ["TraceContext"]


class TraceContext:
    """Names the trace that an event belongs to."""

    def __init__(self, id_=None, trace_tag=None, **_more):
        if id_ is None and trace_tag is None:
            raise ValueError("A trace context needs an id_ or a trace_tag.")
        self.id_ = id_
        self.trace_tag = trace_tag

    def __eq__(self, other):
        return isinstance(other, TraceContext) and vars(self) == vars(other)

    def __hash__(self):
        return hash((self.id_, self.trace_tag))

    def __str__(self):
        return f"{{id_: {self.id_}, trace_tag: {self.trace_tag}}}"

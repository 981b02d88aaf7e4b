"""Computes what a graph computes from its weights alone, for formats that have no linear algebra."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

_aten = torch.ops.aten


def fold(graph_module: GraphModule) -> GraphModule:
    """Replace results that do not depend on the inputs by constants, and solves by products with inverses.

    ONNX has no operator that solves a linear system, and none for the logarithm of a determinant. In flows
    their matrices are weights, so that inverses and determinants can be computed once.

    Args:
        graph_module: The module of an exported program; it is changed.
    """
    known: dict[Node, Any] = {}
    for node in list(graph_module.graph.nodes):
        if node.op == "get_attr":
            known[node] = _attribute(graph_module, str(node.target))
        elif node.target is _aten._linalg_check_errors.default:
            graph_module.graph.erase_node(node)  # it would keep the solve whose errors it checks
        elif node.op == "call_function" and _is_known(node, known):
            known[node] = node.target(*_values(node.args, known), **_values(node.kwargs, known))
        elif node.op == "call_function" and node.target in _INVERSES and node.args[0] in known:
            inverse = _INVERSES[node.target](known[node.args[0]], **_values(node.kwargs, known))
            with graph_module.graph.inserting_before(node):
                by = _constant(graph_module, inverse)
                product = graph_module.graph.call_function(_aten.matmul.default, (by, node.args[1]))
            for solution in _solutions(node):
                solution.replace_all_uses_with(product)
    for node, value in known.items():
        if (
            node.op == "call_function"
            and isinstance(value, Tensor)
            and any(u not in known for u in node.users)
        ):
            with graph_module.graph.inserting_before(node):
                node.replace_all_uses_with(_constant(graph_module, value))
    graph_module.graph.eliminate_dead_code()
    graph_module.recompile()
    return graph_module


def _is_known(node: Node, known: dict[Node, Any]) -> bool:
    inputs = node.all_input_nodes
    pure = node.target is operator.getitem or not getattr(
        getattr(node.target, "_schema", None), "is_mutable", True
    )
    return bool(inputs) and pure and all(each in known for each in inputs)


def _solutions(node: Node) -> list[Node]:
    """Return the nodes that stand for the solution of a solve, which may return more than that."""
    if node.target is not _aten._linalg_solve_ex.default:
        return [node]
    return [user for user in node.users if user.target is operator.getitem and user.args[1] == 0]


def _values(arguments: Any, known: dict[Node, Any]) -> Any:
    return torch.fx.map_arg(arguments, lambda node: known[node])


def _attribute(module: GraphModule, path: str) -> Any:
    return operator.attrgetter(path)(module)


def _constant(module: GraphModule, value: Tensor) -> Node:
    name = f"constant_{sum(1 for _ in module.buffers())}"
    module.register_buffer(name, value.detach().clone())
    return module.graph.get_attr(name)


def _inverse(matrix: Tensor, *, left: bool = True, **_: Any) -> Tensor:
    assert left, "flows multiply from the left"
    found: Tensor = torch.linalg.inv(matrix.double())
    return found.to(matrix.dtype)


def _triangular_inverse(
    matrix: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    assert left, "flows multiply from the left"
    identity = torch.eye(matrix.shape[-1], dtype=torch.float64, device=matrix.device)
    found: Tensor = torch.linalg.solve_triangular(
        matrix.double(), identity, upper=upper, unitriangular=unitriangular
    )
    return found.to(matrix.dtype)


_INVERSES: dict[Any, Callable[..., Tensor]] = {
    _aten._linalg_solve_ex.default: _inverse,
    _aten.linalg_solve_triangular.default: _triangular_inverse,
}

"""Computes what a graph computes from its weights alone, for formats that have no linear algebra."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
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
    graph = graph_module.graph
    known: dict[Node, Any] = {}
    for node in list(graph.nodes):
        if node.op == "get_attr":
            known[node] = operator.attrgetter(str(node.target))(graph_module)
        elif node.op != "call_function":
            continue
        elif node.target is _aten._assert_tensor_metadata.default:
            graph.erase_node(node)  # it would keep what is folded alive
        elif _is_pure(node) and all(each in known for each in node.all_input_nodes):
            known[node] = node.target(*_values(node.args, known), **_values(node.kwargs, known))
        elif node.target in _INVERSES and node.args[0] in known and node.kwargs.get("left", True):
            inverse = _INVERSES[node.target](known[node.args[0]], node.kwargs)
            with graph.inserting_before(node):
                product = graph.call_function(
                    _aten.matmul.default, (_constant(graph_module, inverse), node.args[1])
                )
            node.replace_all_uses_with(product)
    for node, value in known.items():
        used = node.op == "call_function" and any(user not in known for user in node.users)
        if used and isinstance(value, Tensor):
            with graph.inserting_before(node):
                node.replace_all_uses_with(_constant(graph_module, value))
    graph.eliminate_dead_code()
    graph_module.recompile()
    return graph_module


def _is_pure(node: Node) -> bool:
    """Return whether an operator returns the same for the same arguments, and changes none of them."""
    if node.target is operator.getitem:
        return True
    return (
        isinstance(node.target, torch._ops.OpOverload)
        and not node.target._schema.is_mutable
        and torch.Tag.nondeterministic_seeded not in node.target.tags
    )


def _values(arguments: Any, known: Mapping[Node, Any]) -> Any:
    return torch.fx.map_arg(arguments, lambda node: known[node])


def _constant(module: GraphModule, value: Tensor) -> Node:
    name = f"constant_{sum(1 for _ in module.buffers())}"
    module.register_buffer(name, value.detach().clone())
    return module.graph.get_attr(name)


def _inverse(matrix: Tensor, options: Mapping[str, Any]) -> Tensor:
    found: Tensor = torch.linalg.inv(matrix.double())
    return found.to(matrix.dtype)


def _triangular_inverse(matrix: Tensor, options: Mapping[str, Any]) -> Tensor:
    identity = torch.eye(matrix.shape[-1], dtype=torch.float64)
    found: Tensor = torch.linalg.solve_triangular(matrix.double(), identity, **options)
    return found.to(matrix.dtype)


_INVERSES: dict[Any, Callable[[Tensor, Mapping[str, Any]], Tensor]] = {
    _aten.linalg_solve.default: _inverse,
    _aten.linalg_solve_triangular.default: _triangular_inverse,
}

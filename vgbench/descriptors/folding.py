"""Folding batch normalisation into the convolution before it: the same function in fewer steps.

At inference ``bn(conv(x))`` is one convolution with rescaled weights. It is only done where that is
certain: the forward pass traces to a graph, the convolution's output goes nowhere else, and neither
module is used twice.
"""

from __future__ import annotations

from collections import Counter

import torch
from torch import nn


def fold_batch_norm(module: nn.Module) -> tuple[nn.Module, int] | None:
    """Fold the batch normalisations of a module in evaluation mode.

    Parameters
    ----------
    module
        Left as it is: the result shares its weights except for the folded convolutions.

    Returns
    -------
    (module, count) or None
        A module that computes the same, and how many were folded. It is a pure graph over torch's
        own layers and keeps no state between calls, so that threads may share it. None when the
        module does not trace, or has hooks, which a graph would lose.
    """
    if module.training or has_hooks(module):
        return None
    try:
        traced = torch.fx.symbolic_trace(module)
    except Exception:  # tracing runs the author's code on symbols; anything may come of it
        return None
    layers = dict(traced.named_modules())
    calls = [node for node in traced.graph.nodes if node.op == "call_module"]
    uses = Counter(str(node.target) for node in calls)
    folded = 0
    for node in calls:
        norm = layers[str(node.target)]
        before = node.args[0] if len(node.args) == 1 and not node.kwargs else None
        if type(norm) is not nn.BatchNorm2d or not isinstance(before, torch.fx.Node):
            continue
        if before.op != "call_module" or len(before.users) != 1:
            continue
        convolution = layers[str(before.target)]
        if uses[str(node.target)] != 1 or uses[str(before.target)] != 1:
            continue
        # Exact types: a subclass or a parametrised layer may compute something else.
        if type(convolution) is not nn.Conv2d or norm.running_var is None:
            continue
        traced.set_submodule(str(before.target), _merged(convolution, norm))
        node.replace_all_uses_with(before)
        traced.graph.erase_node(node)
        folded += 1
    traced.recompile()
    traced.delete_all_unused_submodules()
    return traced, folded


def _merged(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Make one convolution of the two; computed in float64, so that only one rounding is added."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    shift = -norm.running_mean.double() * scale
    if norm.affine:
        scale = scale * norm.weight.double()
        shift = shift * norm.weight.double() + norm.bias.double()
    if convolution.bias is not None:
        shift = shift + convolution.bias.double() * scale
    weight = convolution.weight
    merged = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]
        convolution.stride,  # type: ignore[arg-type]
        convolution.padding,  # type: ignore[arg-type]
        convolution.dilation,  # type: ignore[arg-type]
        convolution.groups,
        bias=True,
        padding_mode=convolution.padding_mode,
        device=weight.device,
        dtype=weight.dtype,
    )
    with torch.no_grad():
        merged.weight.copy_(weight.double() * scale.view(-1, 1, 1, 1))
        assert merged.bias is not None
        merged.bias.copy_(shift)
    return merged.eval().requires_grad_(False)


def has_hooks(module: nn.Module) -> bool:
    """Tell whether any part of a module has forward hooks."""
    kinds = ("_forward_hooks", "_forward_pre_hooks")
    return any(getattr(part, kind) for part in module.modules() for kind in kinds)

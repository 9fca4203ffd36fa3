"""What of a model is supported, as a table for people: `docs/operators.md` shows it, and a test imports each example."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Supported:
    """A row of the table.

    Attributes:
        operators: by the names that PyTorch has for them.
        becomes: what the array does.
        limits: what is possible of them.
        example: a module, or an expression of a map `x` of 4 channels and 6 x 6 pixels.
    """

    operators: tuple[str, ...]
    becomes: str
    limits: str
    example: str


SUPPORTED = (
    Supported(
        ("conv2d", "convolution"),
        "a layer",
        "any strides, dilations, groups and kernels, which may be as large as the map",
        "nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)",
    ),
    Supported(
        ("linear", "addmm", "mm"),
        "a layer",
        "of vectors; behind a flatten it reads the map in place",
        "nn.Sequential(nn.Flatten(), nn.Linear(144, 3))",
    ),
    Supported(
        ("batch_norm", "native_batch_norm_legit_no_training"),
        "nothing, or a layer",
        "in eval mode; it is folded into the layer before it",
        "nn.Sequential(nn.Conv2d(4, 3, 1), nn.BatchNorm2d(3))",
    ),
    Supported(
        ("add", "sub", "rsub"),
        "part of the layer before, or a layer",
        "of two maps of one shape, or of a map and one number per channel",
        "x + x.relu() - 0.5",
    ),
    Supported(
        ("mul", "div", "neg"),
        "nothing, or a layer",
        "by one number, or by one number per channel",
        "-x * torch.tensor([1.0, 2.0, 0.5, 1.5]).view(4, 1, 1) / 3",
    ),
    Supported(
        ("relu", "relu6", "hardtanh", "clamp", "clamp_min", "clamp_max", "hardsigmoid"),
        "nothing: the limits of a layer",
        "limits that are numbers",
        "functional.relu6(x).clamp(max=4)",
    ),
    Supported(
        ("leaky_relu", "prelu", "abs"),
        "two layers",
        "slopes that are all at most 1, or all at least 1",
        "functional.leaky_relu(x, 0.1)",
    ),
    Supported(
        ("silu", "hardswish", "sigmoid", "tanh", "gelu", "elu", "celu", "selu", "mish", "softplus", "softshrink",
         "exp"),
        "an activation table of the layer before, or a layer that copies",
        "on arrays with activation_tables; at the end of a model the host computes them",
        "functional.silu(x) + functional.gelu(-x)",
    ),
    Supported(
        ("conv_transpose2d",),
        "a layer, and moves",
        "any strides and groups",
        "nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1)",
    ),
    Supported(
        ("max_pool2d", "max_pool2d_with_indices", "adaptive_max_pool2d"),
        "a step",
        "the places of the largest values are not given",
        "functional.max_pool2d(x, 3, 2, 1)",
    ),
    Supported(
        ("avg_pool2d", "adaptive_avg_pool2d", "mean"),
        "a layer",
        "means over rows, columns or both",
        "x.mean((2, 3))",
    ),
    Supported(
        ("upsample_nearest2d", "upsample_nearest_exact2d", "upsample_bilinear2d", "upsample_bicubic2d"),
        "a step, or layers",
        "any factors",
        "functional.interpolate(x, scale_factor=2)",
    ),
    Supported(
        ("pixel_shuffle", "pixel_unshuffle"),
        "a step",
        "any factor that divides",
        "functional.pixel_shuffle(x, 2)",
    ),
    Supported(
        ("pad", "constant_pad_nd", "reflection_pad2d", "replication_pad2d"),
        "part of the layer behind, or a layer",
        "with a number, by reflection, replication or wrapping around",
        "functional.pad(x, (1, 0, 2, 1))",
    ),
    Supported(
        ("cat", "concat", "stack"),
        "nothing",
        "along channels at no cost; along other dimensions as a new order (below)",
        "torch.cat([x, x.relu()], 1)",
    ),
    Supported(
        ("chunk", "split", "split_with_sizes", "tensor_split", "unbind", "getitem", "narrow", "slice", "select", "index",
         "index_select", "repeat"),
        "nothing, or a copy of channels",
        "channels in any choice and order; layers read them in place",
        "torch.cat([x.chunk(2, 1)[1], x[:, [3, 0]]], 1)",
    ),
    Supported(
        ("permute", "transpose", "t", "movedim", "roll", "channel_shuffle", "native_channel_shuffle"),
        "nothing, or a copy of channels",
        "chains that come to a choice or a shuffle of channels, also in tensors of rank 5",
        "x.view(-1, 2, 2, 6, 6).transpose(1, 2).reshape(-1, 4, 6, 6)",
    ),
    Supported(
        ("slice", "narrow", "chunk", "select"),
        "a layer with one tap per channel",
        "pixels: crops, every n-th pixel, several of these as channels",
        "torch.cat([x[..., ::2, ::2], x[..., 1::2, 1::2]], 1)",
    ),
    Supported(
        ("flip", "transpose", "permute", "cat", "slice"),
        "a layer with one nonzero per value",
        "any order of small maps: values before times values after, at most 4,194,304",
        "x.flip(3).transpose(2, 3)",
    ),
    Supported(
        ("expand",),
        "a copy of channels, or a step",
        "along channels, or of one pixel",
        "x[:, 1:2].expand(-1, 5, -1, -1)",
    ),
    Supported(
        ("view", "unsafe_view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"),
        "nothing, or moves",
        "of each input by itself; what is flattened and then viewed as before costs nothing",
        "x.flatten(1).view(-1, 4, 6, 6)",
    ),
    Supported(
        ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "clone", "contiguous", "alias", "detach",
         "lift_fresh_copy"),
        "nothing",
        "in eval mode",
        "functional.dropout(x, training=False).contiguous()",
    ),
)  # fmt: skip
"""The operators that the array takes."""

AT_THE_END = (
    "x.mean((2, 3)).softmax(1)",
    "x.flatten(1).log_softmax(1)",
    "x.sigmoid().amax(1)",
    "x.flatten(1).argmax(1)",
    "x.flatten(1).topk(5)",
    "x.norm(dim=1, keepdim=True)",
    "torch.cat([x[:, :2].sigmoid() + torch.arange(6.0), x[:, 2:].exp()], 1).flatten(2).transpose(1, 2)",
)
"""Ends of models, as expressions of a map, which the host computes."""

"""Arguments of MIL operators, drawn with Hypothesis: one strategy for each operator, small shapes, finite values."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Arguments: TypeAlias = dict[str, Any]
Draw: TypeAlias = st.DrawFn

BOOLEANS = st.booleans()


def shapes(low: int = 1, high: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """Between ``low`` and ``high`` axes of one to four values."""
    return hnp.array_shapes(min_dims=low, max_dims=high, min_side=1, max_side=4)


def floats(low: float = -8, high: float = 8) -> st.SearchStrategy[float]:
    """Without subnormal numbers, which engines may flush."""
    return st.floats(float(np.float32(low)), float(np.float32(high)), width=32, allow_subnormal=False)


def tensors(shape: Any, low: float = -8, high: float = 8, unique: bool = False) -> st.SearchStrategy[Any]:
    """float32."""
    return hnp.arrays(np.float32, shape, elements=floats(low, high), unique=unique)


def quarters(shape: Any, low: int = -32, high: int = 32) -> st.SearchStrategy[Any]:
    """float32 that quotients and sums are exact for."""
    return hnp.arrays(np.int32, shape, elements=st.integers(low, high)).map(lambda x: (x / 4).astype(np.float32))


def integers(shape: Any, low: int, high: int) -> st.SearchStrategy[Any]:
    """int32 from ``low`` to ``high``, both included."""
    return hnp.arrays(np.int32, shape, elements=st.integers(low, high))


def some_axes(draw: Draw, rank: int) -> np.ndarray:
    """Distinct axes, counted from either end."""
    axes = draw(st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank, unique=True))
    return np.array([axis - rank * draw(st.booleans()) for axis in axes], np.int32)


def one_axis(draw: Draw, rank: int) -> np.int32:
    """An axis, counted from either end."""
    return np.int32(draw(st.integers(-rank, rank - 1)))


def unary(low: float = -8, high: float = 8) -> st.SearchStrategy[Arguments]:
    """``x`` alone."""
    return shapes().flatmap(lambda shape: tensors(shape, low, high)).map(lambda x: {"x": x})


def halves() -> st.SearchStrategy[Arguments]:
    """``x`` of quarters, in which halves are frequent, or of anything."""
    return unary() | shapes().flatmap(quarters).map(lambda x: {"x": x})


@st.composite
def with_constants(draw: Draw, /, **ranges: tuple[float, float]) -> Arguments:
    """``x`` and scalar parameters."""
    return draw(unary()) | {name: np.float32(draw(floats(*span))) for name, span in ranges.items()}


@st.composite
def per_channel(draw: Draw, *names: str) -> Arguments:
    """Images, and parameters ``[channels]``."""
    shape = draw(shapes(4, 4))
    return {"x": draw(tensors(shape))} | {name: draw(tensors(shape[1], -2, 2)) for name in names}


@st.composite
def binary(draw: Draw, kind: str = "float") -> Arguments:
    """Two tensors that broadcast; divisors are not zero."""
    left, right = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=3, max_side=3)).input_shapes
    match kind:
        case "bool":
            return {"x": draw(hnp.arrays(np.bool_, left)), "y": draw(hnp.arrays(np.bool_, right))}
        case "divisor":
            sign = np.float32(draw(st.sampled_from([-1, 1])))
            return {"x": draw(quarters(left)), "y": draw(quarters(right, 1, 16)) * sign}
        case "power":
            return {"x": draw(tensors(left, 0.1, 4)), "y": draw(tensors(right, -3, 3))}
        case "exact":
            if draw(st.booleans()):
                return {"x": draw(integers(left, -9, 9)), "y": draw(integers(right, -9, 9))}
            return {"x": draw(quarters(left)), "y": draw(quarters(right))}
    return {"x": draw(tensors(left)), "y": draw(tensors(right))}


@st.composite
def reduction(draw: Draw, low: float = -8, high: float = 8, exact: bool = False) -> Arguments:
    """``axes`` and ``keep_dims``; integral values where sums must not round."""
    shape = draw(shapes())
    x = draw(quarters(shape)) if exact else draw(tensors(shape, low, high))
    return {"x": x, "axes": some_axes(draw, len(shape)), "keep_dims": draw(BOOLEANS)}


@st.composite
def arg_reduction(draw: Draw) -> Arguments:
    """``axis`` and ``keep_dims``; no two values are equal."""
    shape = draw(shapes())
    return {
        "x": draw(tensors(shape, unique=True)),
        "axis": one_axis(draw, len(shape)),
        "keep_dims": draw(BOOLEANS),
    }


@st.composite
def cumsum(draw: Draw) -> Arguments:
    """Inclusive: coremltools 9.0 fails to infer the exclusive sum."""
    shape = draw(shapes())
    axis = np.int32(draw(st.integers(-1, len(shape) - 1)))
    return {"x": draw(quarters(shape)), "axis": axis, "reverse": draw(BOOLEANS)}


@st.composite
def ordering(draw: Draw, top: bool = False) -> Arguments:
    """``axis`` and ``ascending`` for values of which no two are equal; ``k`` for the first of them."""
    shape = draw(shapes())
    axis = one_axis(draw, len(shape))
    arguments = {"x": draw(tensors(shape, unique=True)), "axis": axis, "ascending": draw(BOOLEANS)}
    return arguments | ({"k": np.int32(draw(st.integers(1, shape[axis])))} if top else {})


@st.composite
def softmax(draw: Draw) -> Arguments:
    shape = draw(shapes())
    return {"x": draw(tensors(shape)), "axis": one_axis(draw, len(shape))}


@st.composite
def cast(draw: Draw) -> Arguments:
    return {"x": draw(tensors(draw(shapes()))), "dtype": draw(st.sampled_from(["int32", "fp32", "bool"]))}


@st.composite
def clip(draw: Draw) -> Arguments:
    low = draw(floats())
    return draw(unary()) | {"alpha": np.float32(low), "beta": np.float32(low + draw(floats(0.5, 4)))}


@st.composite
def select(draw: Draw) -> Arguments:
    shape = draw(shapes())
    return {"cond": draw(hnp.arrays(np.bool_, shape)), "a": draw(tensors(shape)), "b": draw(tensors(shape))}


@st.composite
def linear(draw: Draw) -> Arguments:
    batch, width, out = draw(shapes(3, 3))
    return {
        "x": draw(tensors((batch, width))),
        "weight": draw(tensors((out, width))),
        "bias": draw(tensors(out)),
    }


@st.composite
def matmul(draw: Draw) -> Arguments:
    batch, rows, inner, columns = draw(shapes(4, 4))
    flip_x, flip_y = draw(BOOLEANS), draw(BOOLEANS)
    x, y = draw(tensors((batch, rows, inner))), draw(tensors((inner, columns)))
    return {
        "x": x.swapaxes(-1, -2).copy() if flip_x else x,
        "y": y.T.copy() if flip_y else y,
        "transpose_x": flip_x,
        "transpose_y": flip_y,
    }


@st.composite
def einsum(draw: Draw) -> Arguments:
    equation = draw(st.sampled_from(["abcd,adce->abce", "abc,cbd->abd"]))
    sizes = {index: draw(st.integers(1, 4)) for index in sorted(set(equation) - set(",->"))}
    operands = equation.partition("->")[0].split(",")
    values = tuple(draw(tensors(tuple(sizes[index] for index in operand))) for operand in operands)
    return {"values": values, "equation": equation}


@st.composite
def l2_norm(draw: Draw) -> Arguments:
    return {"x": draw(tensors(draw(shapes(3, 4)), 0.5, 8)), "epsilon": np.float32(draw(floats(1e-5, 0.5)))}


@st.composite
def layer_norm(draw: Draw) -> Arguments:
    shape = draw(shapes(2, 4))
    axes = sorted(draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
    inner = tuple(shape[axis] for axis in axes)
    return {
        "x": draw(tensors(shape)),
        "axes": np.array(axes, np.int32),
        "gamma": draw(tensors(inner)),
        "beta": draw(tensors(inner)),
        "epsilon": np.float32(draw(floats(1e-3, 1))),
    }


@st.composite
def gather(draw: Draw) -> Arguments:
    shape = draw(shapes())
    axis = one_axis(draw, len(shape))
    indices = draw(integers(draw(shapes(1, 2)), 0, shape[axis] - 1))
    return {"x": draw(tensors(shape)), "indices": indices, "axis": axis}


@st.composite
def gather_along_axis(draw: Draw) -> Arguments:
    shape = draw(shapes())
    axis = one_axis(draw, len(shape))
    indices = draw(integers(shape, 0, shape[axis] - 1))
    return {"x": draw(tensors(shape)), "indices": indices, "axis": axis}


@st.composite
def scatter_along_axis(draw: Draw) -> Arguments:
    """Each place is written once, in the only mode that coremltools 9.0 infers: it takes every mode for `update`."""
    shape = draw(shapes())
    axis = one_axis(draw, len(shape))
    order = np.argsort(draw(tensors(shape, unique=True)), axis=axis).astype(np.int32)
    data, updates = draw(quarters(shape)), draw(quarters(shape))
    return {"data": data, "indices": order, "updates": updates, "axis": axis, "mode": "update"}


@st.composite
def band_part(draw: Draw) -> Arguments:
    bounds = {name: np.int32(draw(st.integers(-1, 3))) for name in ("lower", "upper")}
    return {"x": draw(tensors(draw(shapes(2, 4))))} | bounds


@st.composite
def fill(draw: Draw) -> Arguments:
    return {"shape": np.array(draw(shapes()), np.int32), "value": np.float32(draw(floats()))}


@st.composite
def fill_like(draw: Draw) -> Arguments:
    return {"ref_tensor": draw(tensors(draw(shapes()))), "value": np.float32(draw(floats()))}


@st.composite
def pad(draw: Draw) -> Arguments:
    mode = draw(st.sampled_from(["constant", "reflect", "replicate"]))
    shape = draw(shapes(2, 4))
    amounts = []
    for length in shape[-2:]:
        amounts += [draw(st.integers(0, length - 1 if mode == "reflect" else 3)) for _ in range(2)]
    whole = np.array([0] * (2 * len(shape) - 4) + amounts if mode == "constant" else amounts, np.int32)
    arguments = {"x": draw(tensors(shape, unique=True)), "pad": whole, "mode": mode}  # or edges may be like insides
    return arguments | ({"constant_val": np.float32(draw(floats()))} if mode == "constant" else {})


@st.composite
def range_1d(draw: Draw) -> Arguments:
    start, count, step = draw(st.integers(-9, 9)), draw(st.integers(1, 9)), draw(st.sampled_from([-3, -1, 1, 2]))
    return {"start": np.int32(start), "end": np.int32(start + count * step), "step": np.int32(step)}


@st.composite
def tile(draw: Draw) -> Arguments:
    shape = draw(shapes())
    return {"x": draw(tensors(shape)), "reps": draw(integers(len(shape), 1, 3))}


@st.composite
def concat(draw: Draw) -> Arguments:
    """Not interleaved: coremltools 9.0 infers the same value for that."""
    shape = draw(shapes())
    axis = one_axis(draw, len(shape))
    values = []
    for _ in range(draw(st.integers(1, 3))):
        part = list(shape)
        part[axis] = draw(st.integers(1, 4))
        values.append(draw(tensors(tuple(part))))
    return {"values": tuple(values), "axis": axis}


@st.composite
def stack(draw: Draw) -> Arguments:
    shape = draw(shapes(1, 3))
    values = tuple(draw(tensors(shape)) for _ in range(draw(st.integers(1, 3))))
    return {"values": values, "axis": np.int32(draw(st.integers(-len(shape) - 1, len(shape))))}


@st.composite
def split(draw: Draw) -> Arguments:
    shape = list(draw(shapes()))
    axis = one_axis(draw, len(shape))
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    shape[axis] = sum(sizes)
    return {"x": draw(tensors(tuple(shape))), "split_sizes": np.array(sizes, np.int32), "axis": axis}


@st.composite
def expand_dims(draw: Draw) -> Arguments:
    shape = draw(shapes(1, 3))
    rank = len(shape) + draw(st.integers(1, 2))
    places = draw(
        st.lists(st.integers(0, rank - 1), min_size=rank - len(shape), max_size=rank - len(shape), unique=True)
    )
    signed = [place - rank * draw(st.booleans()) for place in places]
    return {"x": draw(tensors(shape)), "axes": np.array(signed, np.int32)}


@st.composite
def reshape(draw: Draw) -> Arguments:
    x = draw(tensors(draw(shapes())))
    target = draw(st.permutations(x.shape))
    wild = draw(st.integers(-1, len(target) - 1))
    return {"x": x, "shape": np.array([-1 if i == wild else n for i, n in enumerate(target)], np.int32)}


@st.composite
def reverse(draw: Draw) -> Arguments:
    shape = draw(shapes())
    return {"x": draw(tensors(shape)), "axes": some_axes(draw, len(shape))}


def bounds(draw: Draw, shape: tuple[int, ...]) -> Arguments:
    """``begin``, ``end`` and ``stride`` that leave something, and masks."""
    begins, ends, strides = [], [], []
    for length in shape:
        first, last = sorted((draw(st.integers(0, length - 1)), draw(st.integers(0, length - 1))))
        backwards = draw(st.booleans()) and first > 0
        begin, end = (last, first - 1) if backwards else (first, last + 1)
        begins.append(begin - length * draw(st.booleans()))
        ends.append(end - length * (draw(st.booleans()) and end < length))
        strides.append((-1 if backwards else 1) * draw(st.integers(1, 2)))
    masks = {f"{name}_mask": draw(hnp.arrays(np.bool_, len(shape))) for name in ("begin", "end")}
    values = {"begin": begins, "end": ends, "stride": strides}
    return {name: np.array(value, np.int32) for name, value in values.items()} | masks


@st.composite
def slice_by_index(draw: Draw) -> Arguments:
    shape = draw(shapes())
    arguments = bounds(draw, shape)
    squeeze = draw(hnp.arrays(np.bool_, len(shape))) if len(shape) > 1 else np.zeros(len(shape), np.bool_)
    squeeze[0] = False
    arguments["begin_mask"] &= ~squeeze
    return {"x": draw(tensors(shape)), "squeeze_mask": squeeze} | arguments


@st.composite
def slice_update(draw: Draw) -> Arguments:
    shape = draw(shapes())
    arguments = bounds(draw, shape)
    taken = [
        np.arange(length)[None if no_begin else begin : None if no_end else end : step]
        for length, begin, end, step, no_begin, no_end in zip(shape, *arguments.values(), strict=True)
    ]
    return {"x": draw(tensors(shape)), "update": draw(tensors(tuple(map(len, taken))))} | arguments


@st.composite
def slice_by_size(draw: Draw) -> Arguments:
    shape = draw(shapes())
    begin = np.array([draw(st.integers(0, length - 1)) for length in shape], np.int32)
    size = [draw(st.sampled_from([-1, *range(1, n - b + 1)])) for n, b in zip(shape, begin, strict=True)]
    return {"x": draw(tensors(shape)), "begin": begin, "size": np.array(size, np.int32)}


@st.composite
def squeeze(draw: Draw) -> Arguments:
    shape = draw(shapes(2, 4))
    ones = draw(st.sets(st.integers(1, len(shape) - 1), min_size=1))
    x = draw(tensors(tuple(1 if axis in ones else length for axis, length in enumerate(shape))))
    return {"x": x, "axes": np.array(sorted(ones), np.int32)}


@st.composite
def transpose(draw: Draw) -> Arguments:
    shape = draw(shapes())
    return {"x": draw(tensors(shape)), "perm": np.array(draw(st.permutations(range(len(shape)))), np.int32)}


@st.composite
def flatten2d(draw: Draw) -> Arguments:
    shape = draw(shapes(2, 4))
    return {"x": draw(tensors(shape)), "axis": np.int32(draw(st.integers(1, len(shape) - 1)))}


@st.composite
def quantize(draw: Draw) -> Arguments:
    kind = draw(st.sampled_from([np.int8, np.uint8]))
    info = np.iinfo(kind)
    shape = draw(shapes())
    arguments: Arguments = {"output_dtype": np.dtype(kind).name, "input": draw(quarters(shape))}
    if draw(st.booleans()):
        points = hnp.arrays(kind, shape[0], elements=st.integers(int(info.min), int(info.max)))
        return arguments | {
            "axis": np.int32(0),
            "scale": draw(hnp.arrays(np.float32, shape[0], elements=st.sampled_from([0.5, 0.125, 0.03125]))),
            "zero_point": draw(points),
        }
    point = kind(draw(st.integers(int(info.min), int(info.max))))
    return arguments | {"scale": np.float32(draw(st.sampled_from([0.5, 0.125, 0.03125]))), "zero_point": point}


@st.composite
def attention(draw: Draw) -> Arguments:
    batch, queries, keys, width = draw(shapes(4, 4))
    arguments = {
        "query": draw(tensors((batch, queries, width))),
        "key": draw(tensors((batch, keys, width))),
        "value": draw(tensors((batch, keys, width))),
    }
    return arguments | draw(st.sampled_from([{}, {"attn_mask": np.tri(queries, keys, dtype=np.bool_)}]))


_ANY = dict.fromkeys(
    (
        "abs",
        "atan",
        "ceil",
        "cos",
        "cosh",
        "erf",
        "exp",
        "exp2",
        "floor",
        "gelu",
        "identity",
        "non_zero",
        "relu",
        "relu6",
        "shape",
        "sigmoid",
        "sign",
        "sin",
        "sinh",
        "softplus",
        "softsign",
        "square",
        "tanh",
    ),
    unary(),
)
_EXACT = dict.fromkeys(
    (
        "add",
        "equal",
        "greater",
        "greater_equal",
        "less",
        "less_equal",
        "maximum",
        "minimum",
        "mul",
        "not_equal",
        "sub",
    ),
    binary("exact"),
)
_LOGICAL = dict.fromkeys(("logical_and", "logical_or", "logical_xor"), binary("bool"))
_SUMS = dict.fromkeys(
    ("reduce_l1_norm", "reduce_l2_norm", "reduce_max", "reduce_mean", "reduce_min", "reduce_sum", "reduce_sum_square"),
    reduction(exact=True),
)

STRATEGIES: dict[str, st.SearchStrategy[Arguments]] = {
    **_ANY,
    **_EXACT,
    **_LOGICAL,
    **_SUMS,
    "acos": unary(-1, 1),
    "asin": unary(-1, 1),
    "atanh": unary(-0.99, 0.99),
    "inverse": unary(0.1, 9),
    "log": unary(1e-3, 99),
    "rsqrt": unary(1e-3, 99),
    "sqrt": unary(0, 99),
    "tan": unary(-1.4, 1.4),
    "logical_not": shapes().flatmap(lambda shape: hnp.arrays(np.bool_, shape)).map(lambda x: {"x": x}),
    "round": halves(),
    "cast": cast(),
    "clip": clip(),
    "threshold": with_constants(alpha=(-4, 4)),
    "clamped_relu": with_constants(alpha=(-2, 2), beta=(1, 6)),
    "elu": with_constants(alpha=(0.1, 2)),
    "leaky_relu": with_constants(alpha=(0.1, 2)),
    "linear_activation": with_constants(alpha=(-2, 2), beta=(-2, 2)),
    "scaled_tanh": with_constants(alpha=(-2, 2), beta=(-2, 2)),
    "sigmoid_hard": with_constants(alpha=(0.1, 2), beta=(-2, 2)),
    "thresholded_relu": with_constants(alpha=(-2, 2)),
    "prelu": per_channel("alpha"),
    "softplus_parametric": per_channel("alpha", "beta"),
    "softmax": softmax(),
    "select": select(),
    "floor_div": binary("divisor"),
    "mod": binary("divisor"),
    "real_div": binary("divisor"),
    "pow": binary("power"),
    "linear": linear(),
    "matmul": matmul(),
    "einsum": einsum(),
    "scaled_dot_product_attention": attention(),
    "l2_norm": l2_norm(),
    "layer_norm": layer_norm(),
    "reduce_argmax": arg_reduction(),
    "reduce_argmin": arg_reduction(),
    "reduce_log_sum": reduction(0.1, 8),
    "reduce_log_sum_exp": reduction(),
    "reduce_prod": reduction(-2, 2),
    "gather": gather(),
    "gather_along_axis": gather_along_axis(),
    "scatter_along_axis": scatter_along_axis(),
    "band_part": band_part(),
    "cumsum": cumsum(),
    "fill": fill(),
    "fill_like": fill_like(),
    "pad": pad(),
    "range_1d": range_1d(),
    "tile": tile(),
    "argsort": ordering(),
    "topk": ordering(top=True),
    "flatten2d": flatten2d(),
    "concat": concat(),
    "split": split(),
    "stack": stack(),
    "expand_dims": expand_dims(),
    "reshape": reshape(),
    "reverse": reverse(),
    "slice_by_index": slice_by_index(),
    "slice_update": slice_update(),
    "slice_by_size": slice_by_size(),
    "squeeze": squeeze(),
    "transpose": transpose(),
    "quantize": quantize(),
}
"""By operator."""


LUT_TYPES = {1: "uint1", 2: "uint2", 3: "uint3", 4: "uint4", 6: "uint6", 8: "uint8"}


def stored(kind: str, values: np.ndarray) -> np.ndarray:
    """Integers in one of MIL's own types, which NumPy knows by coremltools."""
    from coremltools.converters.mil.mil import types

    return values.astype(types.nptype_from_builtin(types.string_to_builtin(kind)))


@st.composite
def affine(draw: Draw) -> Arguments:
    kind = draw(st.sampled_from([np.int8, np.uint8]))
    shape = draw(shapes(2, 4))
    axis = draw(st.integers(0, len(shape) - 1))
    one_for_all = draw(st.booleans())
    size = () if one_for_all else (shape[axis],)
    return {
        "quantized_data": draw(hnp.arrays(kind, shape)),
        "zero_point": draw(hnp.arrays(kind, size))[()],
        "scale": draw(tensors(size, 0.1, 2))[()],
        "axis": np.int32(axis),
    }


@st.composite
def blockwise(draw: Draw) -> Arguments:
    kind = draw(st.sampled_from(["int4", "uint4", "int8", "uint8"]))
    low, high = {"int4": (-8, 7), "uint4": (0, 15), "int8": (-128, 127), "uint8": (0, 255)}[kind]
    blocks = draw(shapes(2, 3))
    shape = tuple(count * draw(st.integers(1, 3)) for count in blocks)
    arguments = {"data": stored(kind, draw(integers(shape, low, high))), "scale": draw(tensors(blocks, 0.1, 2))}
    return arguments | ({"offset": stored(kind, draw(integers(blocks, low, high)))} if draw(st.booleans()) else {})


@st.composite
def palette(draw: Draw) -> Arguments:
    bits, vector = draw(st.sampled_from(list(LUT_TYPES))), draw(st.sampled_from([1, 2, 3]))
    blocks = draw(shapes(2, 3))
    shape = tuple(count * draw(st.integers(1, 3)) for count in blocks)
    indices = stored(LUT_TYPES[bits], draw(integers(shape, 0, 2**bits - 1)))
    arguments = {"indices": indices, "lut": draw(tensors((*blocks, 2**bits, vector)))}
    return arguments | ({"vector_axis": np.int32(draw(st.integers(0, len(shape) - 1)))} if vector > 1 else {})


def _mask(draw: Draw, shape: tuple[int, ...]) -> np.ndarray:
    mask: np.ndarray = draw(hnp.arrays(np.bool_, shape))
    mask.flat[0] = True
    return mask


@st.composite
def sparse(draw: Draw) -> Arguments:
    mask = _mask(draw, draw(shapes(1, 3)))
    return {"nonzero_data": draw(tensors(int(mask.sum()))), "mask": stored("uint1", mask)}


@st.composite
def sparse_palette(draw: Draw) -> Arguments:
    dense = draw(palette())
    mask = _mask(draw, dense["indices"].shape)
    arguments = {"indices_mask": stored("uint1", mask), "indices_nonzero_data": dense.pop("indices")[mask]}
    return arguments | dense


@st.composite
def sparse_blockwise(draw: Draw) -> Arguments:
    dense = draw(blockwise())
    mask = _mask(draw, dense["data"].shape)
    return {"data_mask": stored("uint1", mask), "nonzero_data": dense.pop("data")[mask]} | dense


COMPRESSED: dict[str, st.SearchStrategy[Arguments]] = {
    "constexpr_affine_dequantize": affine(),
    "constexpr_blockwise_shift_scale": blockwise(),
    "constexpr_lut_to_dense": palette(),
    "constexpr_sparse_to_dense": sparse(),
    "constexpr_lut_to_sparse": sparse_palette(),
    "constexpr_sparse_blockwise_shift_scale": sparse_blockwise(),
}
"""Operators that decompress weights, in their latest form."""

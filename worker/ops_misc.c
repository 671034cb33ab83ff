// Operator bindings: devices, assertions, warnings, and questions about the state of PyTorch.
// A program sees gradients enabled, no autocast, no CUDA library and no tracing (torchscript.md §15.6).
#include "worker/op_util.h"

#include "io/base/log.h"

#include <stdlib.h>
#include <time.h>

static Status ret_text(const char *text, IValue *ret) { return value_str(str_of(text), ret); }

OP_FN(answer_false)
{
    rets[0] = value_bool(false);
    return ST_OK;
}

OP_FN(answer_true)
{
    rets[0] = value_bool(true);
    return ST_OK;
}

OP_FN(answer_zero)
{
    rets[0] = value_int(0);
    return ST_OK;
}

OP_FN(no_effect)
{
    return ST_OK;
}

OP_FN(same_value)
{
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

// ---- Devices ------------------------------------------------------------------------------------------------------------

static const char *device_kind_name(Device d) { return d.kind == DEVICE_CUDA ? "cuda" : d.kind == DEVICE_META ? "meta" : "cpu"; }

// Names of devices that are none of the three kinds, and only where a model was made, are the CPU.
OP_FN(op_device)
{
    Str text = str_of_value(args[0]), kind;
    int64_t index;
    if (!text.len)
        return op_raise("Device string must not be empty");
    if (!device_text_parse(text, &kind, &index))
        return op_raise("Invalid device string: '" STR_FMT "'", STR_ARG(text));
    if (!device_kind_known(kind))
        return op_raise("Expected one of " DEVICE_KINDS " device type at start of device string: " STR_FMT, STR_ARG(kind));
    if (site->arg_count > 1)
        index = args[1].as.i;
    if (index < -1 || index > INT8_MAX)
        return op_raise("Device index must be -1 or non-negative, got %lld", (long long)index);
    DeviceKind found = str_is(kind, "cuda") ? DEVICE_CUDA : str_is(kind, "meta") ? DEVICE_META : DEVICE_CPU;
    rets[0] = (IValue){.tag = TAG_DEVICE, .as.device = {(uint8_t)found, (int8_t)index}};
    return ST_OK;
}

OP_FN(op_device_type)
{
    return ret_text(device_kind_name(args[0].as.device), rets);
}

OP_FN(op_device_index)
{
    rets[0] = args[0].as.device.index < 0 ? value_none() : value_int(args[0].as.device.index);
    return ST_OK;
}

OP_FN(op_to_cpu_list)
{
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

// ---- Assertions and warnings --------------------------------------------------------------------------------------------

OP_FN(op_warn) // once per lane: a batch job would repeat it for every batch
{
    if (!lane->warned)
        log_warning("the model warns: " STR_FMT " (further warnings of this model are not shown)", STR_ARG(str_of_value(args[0])));
    lane->warned = true;
    return ST_OK;
}

OP_FN(op_assert_tensor) // _assert_async: the one element must not be zero
{
    Str message = site->arg_count > 1 && args[1].tag == TAG_STR ? str_of_value(args[1]) : STR("Expected Tensor with single nonzero value, but got zero");
    bool holds;
    TRY(tensor_truth(lane, args[0].as.tensor, &holds));
    if (!holds)
        return op_raise(STR_FMT, STR_ARG(message));
    if (site->ret_count) // _functional_assert_async hands its token on
        rets[0] = value_retain(args[2]);
    return ST_OK;
}

OP_FN(op_assert_scalar)
{
    return arg_double(args[0]) != 0 ? ST_OK : op_raise(STR_FMT, STR_ARG(str_of_value(args[1])));
}

// The metadata that torch.export recorded must hold: a, size, stride, dtype, device, layout.
OP_FN(op_assert_metadata)
{
    const View *v = &args[0].as.tensor->view;
    const int64_t *have[2] = {v->size, v->stride};
    for (int i = 0; i < 2; i++) {
        int64_t want[VIEW_MAX_DIMS];
        int n;
        if (args[1 + i].tag == TAG_NONE)
            continue;
        TRY(arg_ints(args[1 + i], want, VIEW_MAX_DIMS, &n));
        if (n != v->ndim || memcmp(want, have[i], (size_t)n * sizeof *want) != 0)
            return op_raise("Tensor %s mismatch! Expected: %s, Got: %s", i ? "strides" : "sizes", size_text(want, n).text, size_text(have[i], v->ndim).text);
    }
    if (args[3].tag != TAG_NONE && args[3].as.i != v->dtype)
        return op_raise("Tensor dtype mismatch! Expected: %s, Got: %s", dtype_torch_name((DType)args[3].as.i), dtype_torch_name((DType)v->dtype));
    return ST_OK;
}

OP_FN(op_make_token)
{
    Tensor *t;
    TRY(tensor_new(lane, DT_F32, 1, &(int64_t){0}, &t));
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

OP_FN(op_constrain_range) // sym_constrain_range: size, min, max
{
    int64_t size = arg_int(args[0]);
    if (size < arg_int_or(args[1], INT64_MIN) || size > arg_int_or(args[2], INT64_MAX))
        return op_raise("Invalid value range for %lld between [%lld, %lld].", (long long)size,
                        (long long)arg_int_or(args[1], INT64_MIN), (long long)arg_int_or(args[2], INT64_MAX));
    return ST_OK;
}

// ---- Values of any type -------------------------------------------------------------------------------------------------

// What std::hash of libstdc++ gives for bytes: Murmur2 of 64 bits with its fixed seed.
static uint64_t hash_bytes(const char *bytes, size_t len)
{
    const uint64_t mul = 0xc6a4a7935bd1e995u;
    uint64_t h = 0xc70f6907u ^ (len * mul), word;
    size_t at = 0;
    for (; at + 8 <= len; at += 8) {
        memcpy(&word, bytes + at, 8);
        word *= mul;
        h = (h ^ (word ^ word >> 47) * mul) * mul;
    }
    if (at < len) {
        word = 0;
        memcpy(&word, bytes + at, len - at);
        h = (h ^ word) * mul;
    }
    h = (h ^ h >> 47) * mul;
    return h ^ h >> 47;
}

OP_FN(op_hash)
{
    uint64_t h = 0;
    if (args[0].tag == TAG_STR)
        h = hash_bytes(str_of_value(args[0]).ptr, str_of_value(args[0]).len);
    else if (args[0].tag == TAG_FLOAT)
        h = args[0].as.f == 0 ? 0 : hash_bytes((const char *)&args[0].as.f, sizeof args[0].as.f);
    else if (args[0].tag == TAG_INT || args[0].tag == TAG_BOOL)
        h = (uint64_t)arg_int(args[0]);
    else
        return op_raise("hash() of a value of this type is not supported");
    rets[0] = value_int((int64_t)h);
    return ST_OK;
}

OP_FN(op_id)
{
    rets[0] = value_int(args[0].tag == TAG_NONE ? 0 : (int64_t)(uintptr_t)args[0].as.obj);
    return ST_OK;
}

OP_FN(op_wait) // futures are complete when they are made
{
    return future_result(args[0], &rets[0]);
}

OP_FN(op_if_then_else)
{
    rets[0] = value_retain(args[args[0].as.b ? 1 : 2]);
    return ST_OK;
}

OP_FN(op_time_point)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    rets[0] = value_int((int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    return ST_OK;
}

OP_FN(op_cpu_capability)
{
    return ret_text("DEFAULT", rets);
}

OP_FN(op_autocast_dtype)
{
    rets[0] = value_int(str_is(str_of_value(args[0]), "cuda") ? DT_F16 : DT_BF16);
    return ST_OK;
}

OP_FN(op_size_if_not_equal)
{
    rets[0] = value_equal(args[0], args[1]) ? value_none() : value_retain(args[0]);
    return ST_OK;
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}
#define ASKS(name, fn) {name, fn, OP_PRIVATE_LAYOUT | OP_BITS, NULL, NULL}

const OpBinding OPS_MISC[] = {
    ROW("aten::device", op_device), ROW("aten::device.with_index", op_device), ROW("prim::type", op_device_type),
    ROW("prim::index", op_device_index), ASKS("aten::_to_cpu", op_to_cpu_list), ASKS("aten::cuda", same_value),
    ROW("aten::warn", op_warn), ROW("aten::_assert_async", op_assert_tensor), ROW("aten::_assert_async.msg", op_assert_tensor),
    ROW("aten::_functional_assert_async.msg", op_assert_tensor), ROW("aten::_assert_scalar", op_assert_scalar),
    ROW("aten::_assert_tensor_metadata", op_assert_metadata), ROW("aten::sym_constrain_range", op_constrain_range),
    ROW("aten::sym_constrain_range_for_size", op_constrain_range), ROW("aten::_make_dep_token", op_make_token),
    ROW("aten::is_grad_enabled", answer_false), ROW("aten::set_grad_enabled", no_effect), ROW("aten::is_scripting", answer_true),
    ROW("aten::_get_tracing_state", answer_false), ROW("aten::is_autocast_enabled", answer_false),
    ROW("aten::is_autocast_cpu_enabled", answer_false), ROW("aten::get_autocast_dtype", op_autocast_dtype),
    ASKS("aten::_autocast_to_full_precision", same_value), ASKS("aten::_autocast_to_reduced_precision", same_value),
    ASKS("aten::cudnn_is_acceptable", answer_false), ASKS("aten::has_torch_function", answer_false),
    ROW("aten::_nnpack_available", answer_false), ROW("aten::is_vulkan_available", answer_false),
    ROW("aten::_use_cudnn_rnn_flatten_weight", answer_false), ROW("aten::_cufft_get_plan_cache_size", answer_zero),
    ROW("aten::_cufft_get_plan_cache_max_size", answer_zero), ROW("aten::_cufft_set_plan_cache_max_size", no_effect),
    ROW("aten::_cufft_clear_plan_cache", no_effect), ROW("aten::_get_cpu_capability", op_cpu_capability),
    ROW("aten::hash.generic", op_hash), ROW("prim::id", op_id), ASKS("aten::wait", op_wait), ASKS("prim::awaitable_wait", op_wait),
    ASKS("prim::awaitable_nowait", same_value), ASKS("prim::IfThenElse", op_if_then_else), ROW("prim::TimePoint", op_time_point),
    ROW("prim::AddStatValue", no_effect), ROW("aten::_size_if_not_equal", op_size_if_not_equal),
    {0},
};

// Helpers of the kernel tests: operands with reproducible contents, running an operator's fast and reference variants on
// them, and comparing. Buffers have guard bytes around them that must survive.
#ifndef TSB_TESTS_KERNEL_TEST_H
#define TSB_TESTS_KERNEL_TEST_H

#include "kernels/copy.h"
#include "kernels/half.h"
#include "kernels/ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64 };

typedef struct Operand {
    View view;
    uint8_t *block; // guard, data, guard
    size_t bytes;
} Operand;

static inline uint64_t test_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static inline void operand_alloc(Operand *o, size_t bytes)
{
    o->bytes = bytes;
    size_t all = (bytes + 2 * GUARD + 63) & ~(size_t)63;
    o->block = aligned_alloc(64, all);
    assert_non_null(o->block);
    memset(o->block, 0xA5, all);
    o->view.data = o->block + GUARD;
}

static inline void operand_check_guards(const Operand *o)
{
    for (int i = 0; i < GUARD; i++) {
        assert_int_equal(o->block[i], 0xA5);
        assert_int_equal(o->block[GUARD + o->bytes + (size_t)i], 0xA5);
    }
}

static inline void operand_free(Operand *o)
{
    if (o->block) {
        operand_check_guards(o);
        free(o->block);
    }
    o->block = NULL;
}

// Contiguous float32 with values in [-1, 1).
static inline Operand operand_f32(int ndim, const int64_t *size, uint64_t seed)
{
    Operand o = {.view = {.dtype = DT_F32}};
    view_set_contiguous(&o.view, ndim, size);
    int64_t n = view_numel(&o.view);
    operand_alloc(&o, (size_t)n * 4);
    for (int64_t i = 0; i < n; i++)
        ((float *)o.view.data)[i] = (float)test_random(&seed) / (float)(1u << 30) - 1.0f;
    return o;
}
// The same values in another element type.
static inline Operand operand_typed(DType t, int ndim, const int64_t *size, uint64_t seed)
{
    Operand f = operand_f32(ndim, size, seed), o = {.view = f.view};
    o.view.dtype = (uint8_t)t;
    operand_alloc(&o, (size_t)view_numel(&o.view) * dtype_size(t));
    assert_int_equal(copy_convert(&o.view, &f.view), ST_OK);
    operand_free(&f);
    return o;
}
#define DIMS(...) (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}

static inline Operand operand_absent(void) { return (Operand){.view = {.dtype = DT_INVALID}}; }

// A strided view with the dimensions in another order: the contents of `o` seen permuted.
static inline View view_permuted(const View *v, const int *order)
{
    View p = *v;
    for (int i = 0; i < v->ndim; i++) {
        p.size[i] = v->size[order[i]];
        p.stride[i] = v->stride[order[i]];
    }
    return p;
}

typedef struct Result {
    Operand out[KERNEL_MAX_OUTPUTS];
    int count;
    const char *variant;
} Result;

// Prepares and runs; results in private layouts are brought back to plain. `over`: use in-place when the kernel offers it.
static inline Status kernel_try(const KernelOp *op, const void *params, const View *in, int n_in, bool reference, PackStore *packs, Result *r)
{
    KernelContext ctx = {.packs = packs, .threads = 1, .reference_only = reference};
    Kernel k;
    memset(r, 0, sizeof *r);
    Status s = kernel_prepare(&k, op, &ctx, params, in, n_in);
    if (s != ST_OK)
        return s;
    View views[KERNEL_MAX_OUTPUTS];
    r->count = k.output_count;
    r->variant = k.variant->name;
    for (int i = 0; i < k.output_count; i++) {
        r->out[i].view = k.outputs[i];
        operand_alloc(&r->out[i], view_bytes(&k.outputs[i]));
        views[i] = r->out[i].view;
    }
    void *scratch = aligned_alloc(64, (k.scratch_bytes + 127) & ~(size_t)63);
    assert_non_null(scratch);
    s = k.variant->run(&k, in, views, scratch, NULL);
    assert_int_equal(s, ST_OK);
    free(scratch);
    for (int i = 0; i < k.output_count; i++) {
        operand_check_guards(&r->out[i]);
        if (k.outputs[i].layout == LAYOUT_STRIDED)
            continue;
        Operand plain = {.view = k.outputs[i]};
        plain.view.layout = LAYOUT_STRIDED;
        operand_alloc(&plain, (size_t)view_numel(&plain.view) * dtype_size((DType)plain.view.dtype));
        assert_int_equal(layout_to_plain(&plain.view, &r->out[i].view), ST_OK);
        operand_free(&r->out[i]);
        r->out[i] = plain;
    }
    kernel_destroy(&k);
    return ST_OK;
}

static inline void result_free(Result *r)
{
    for (int i = 0; i < r->count; i++)
        operand_free(&r->out[i]);
}

static inline double view_at(const View *v, int64_t i)
{
    int64_t at = 0;
    for (int d = v->ndim - 1; d >= 0; d--) {
        at += i % v->size[d] * v->stride[d];
        i /= v->size[d];
    }
    switch (v->dtype) {
    case DT_F32: return ((float *)v->data)[at];
    case DT_F64: return ((double *)v->data)[at];
    case DT_I64: return (double)((int64_t *)v->data)[at];
    case DT_I32: return ((int32_t *)v->data)[at];
    case DT_I8: return ((int8_t *)v->data)[at];
    case DT_F16: return f16_to_float(((uint16_t *)v->data)[at]);
    case DT_BF16: return bf16_to_float(((uint16_t *)v->data)[at]);
    default: fail(); return 0;
    }
}

// Relative L2 distance.
static inline double view_distance(const View *a, const View *b)
{
    assert_true(view_same_shape(a, b));
    double d = 0, n = 0;
    for (int64_t i = 0; i < view_numel(a); i++) {
        double x = view_at(a, i), y = view_at(b, i);
        if (isnan(x) || isnan(y)) {
            assert_true(isnan(x) && isnan(y));
            continue;
        }
        if (isinf(x) || isinf(y)) {
            assert_true(x == y);
            continue;
        }
        d += (x - y) * (x - y);
        n += y * y;
    }
    return n > 0 ? sqrt(d / n) : sqrt(d);
}

// The variant chosen first and the reference agree on all outputs, with constant and with varying operands, and the fast
// one gives the same bits twice. Returns the name of the fast variant.
static inline const char *kernel_compare_to(const KernelOp *op, const void *params, const View *in, int n_in, uint32_t constant_mask, double most)
{
    PackStore *packs;
    assert_int_equal(pack_store_new(&packs), ST_OK);
    View operands[KERNEL_MAX_INPUTS];
    const char *name = NULL;
    for (int round = 0; round < (constant_mask ? 2 : 1); round++) {
        for (int i = 0; i < n_in; i++) {
            operands[i] = in[i];
            operands[i].constant = round == 1 && (constant_mask >> i & 1);
        }
        Result fast, again, reference;
        Status s = kernel_try(op, params, operands, n_in, false, packs, &fast);
        if (s != ST_OK)
            print_error("%s: %s\n", op->name, status_message());
        assert_int_equal(s, ST_OK);
        assert_int_equal(kernel_try(op, params, operands, n_in, false, packs, &again), ST_OK);
        assert_int_equal(kernel_try(op, params, operands, n_in, true, packs, &reference), ST_OK);
        assert_int_equal(fast.count, reference.count);
        for (int i = 0; i < fast.count; i++) {
            double d = view_distance(&fast.out[i].view, &reference.out[i].view);
            if (!(d <= most))
                print_error("%s (%s): output %d is off by %g\n", op->name, fast.variant, i, d);
            assert_true(d <= most);
            assert_int_equal(fast.out[i].bytes, again.out[i].bytes);
            assert_memory_equal(fast.out[i].view.data, again.out[i].view.data, fast.out[i].bytes);
        }
        name = fast.variant;
        result_free(&fast);
        result_free(&again);
        result_free(&reference);
    }
    pack_store_free(packs);
    return name;
}
#define kernel_compare(op, params, in, n_in, constant_mask) kernel_compare_to(op, params, in, n_in, constant_mask, 1e-6)

#endif

// The one place where oneDNN 2.x and 3.x differ: descriptors are values in one and handles in the other, and what 2.x does
// in two calls (operation descriptor, then primitive descriptor) 3.x does in one.
#include "kernels/cpu/dnnl_prim.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

// ---- process

static dnnl_engine_t engine;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

static void engine_make(void)
{
    dnnl_set_primitive_cache_capacity(256); // lanes and shapes prepare again and again: bounded, but not recompiled
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success)
        engine = NULL;
}

dnnl_engine_t dnnl_cpu_engine(void)
{
    pthread_once(&engine_once, engine_make);
    return engine;
}

Status dnnl_limit_isa(Isa isa)
{
    static const dnnl_cpu_isa_t isas[ISA_COUNT] = {dnnl_cpu_isa_sse41, dnnl_cpu_isa_avx2, dnnl_cpu_isa_avx512_core};
    dnnl_status_t s = dnnl_set_max_cpu_isa(isas[isa]);
    // The library refuses once it has looked at the machine; that is fine when the limit changes nothing.
    if (s != dnnl_success && dnnl_get_effective_cpu_isa() != isas[isa])
        return status_fail(ST_INTERNAL, "instruction set limit %s comes too late for oneDNN: set it before preparing", isa_name(isa));
    return ST_OK;
}

// The library runs on OpenMP, whichever run-time it was linked with; asking the loader avoids linking a second one.
void dnnl_thread_init(int threads)
{
    void (*set)(int) = (void (*)(int))(uintptr_t)dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (set)
        set(threads < 1 ? 1 : threads);
}

Status dnnl_check(dnnl_status_t s, const char *what)
{
    switch (s) {
    case dnnl_success: return ST_OK;
    case dnnl_out_of_memory: return status_fail(ST_MEMORY, "oneDNN %s: out of memory", what);
    case dnnl_unimplemented: return ST_DECLINED;
    default: return status_fail(ST_INTERNAL, "oneDNN %s: error %d", what, (int)s);
    }
}

Status dnnl_data_type(DType t, dnnl_data_type_t *out)
{
    if (t != DT_F32)
        return ST_DECLINED;
    *out = dnnl_f32;
    return ST_OK;
}

// ---- descriptors

#if DNNL_VERSION_MAJOR >= 3
void md_free(Md *md)
{
    if (*md)
        dnnl_memory_desc_destroy(*md);
    *md = NULL;
}
static dnnl_status_t md_by_tag(Md *out, int n, const dnnl_dims_t d, dnnl_data_type_t t, dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(out, n, d, t, tag);
}
static dnnl_status_t md_by_strides(Md *out, int n, const dnnl_dims_t d, dnnl_data_type_t t, const dnnl_dims_t s)
{
    return dnnl_memory_desc_create_with_strides(out, n, d, t, s);
}
#else
void md_free(Md *md) { md->set = false; }
static dnnl_status_t md_by_tag(Md *out, int n, const dnnl_dims_t d, dnnl_data_type_t t, dnnl_format_tag_t tag)
{
    dnnl_status_t s = dnnl_memory_desc_init_by_tag(&out->d, n, d, t, tag);
    out->set = s == dnnl_success;
    return s;
}
static dnnl_status_t md_by_strides(Md *out, int n, const dnnl_dims_t d, dnnl_data_type_t t, const dnnl_dims_t st)
{
    dnnl_status_t s = dnnl_memory_desc_init_by_strides(&out->d, n, d, t, st);
    out->set = s == dnnl_success;
    return s;
}
#endif

static void copy_dims(dnnl_dims_t to, int n, const int64_t *from)
{
    memset(to, 0, sizeof(dnnl_dims_t));
    for (int i = 0; i < n; i++)
        to[i] = from[i];
}

static Status md_tagged(Md *out, DType t, int ndim, const int64_t *size, dnnl_format_tag_t tag)
{
    dnnl_data_type_t type;
    TRY(dnnl_data_type(t, &type));
    if (ndim > 6)
        return ST_DECLINED;
    dnnl_dims_t dims;
    copy_dims(dims, ndim, size);
    return dnnl_check(md_by_tag(out, ndim, dims, type, tag), "memory descriptor");
}

Status md_strided(Md *out, DType t, int ndim, const int64_t *size, const int64_t *stride)
{
    dnnl_data_type_t type;
    TRY(dnnl_data_type(t, &type));
    if (ndim > 6)
        return ST_DECLINED;
    dnnl_dims_t dims, strides;
    copy_dims(dims, ndim, size);
    copy_dims(strides, ndim, stride);
    for (int i = 0; i < ndim; i++)
        if (strides[i] == 0 && dims[i] != 1) // a stretched dimension: the library reads 0 as "compute it"
            return ST_DECLINED;
        else if (strides[i] == 0)
            strides[i] = 1;
    dnnl_status_t s = md_by_strides(out, ndim, dims, type, strides);
    return s == dnnl_invalid_arguments ? ST_DECLINED : dnnl_check(s, "memory descriptor"); // interleaved elements, overlap
}

Status md_any(Md *out, DType t, int ndim, const int64_t *size) { return md_tagged(out, t, ndim, size, dnnl_format_tag_any); }

Status md_layout(Md *out, DType t, Layout layout, int ndim, const int64_t *size)
{
    static const dnnl_format_tag_t tags[4][7] = {
        [LAYOUT_STRIDED] = {0, dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde, dnnl_abcdef},
        [LAYOUT_CHANNELS_LAST] = {0, 0, 0, dnnl_acb, dnnl_acdb, dnnl_acdeb, 0},
        [LAYOUT_BLOCK8] = {0, 0, 0, dnnl_aBc8b, dnnl_aBcd8b, dnnl_aBcde8b, 0},
        [LAYOUT_BLOCK16] = {0, 0, 0, dnnl_aBc16b, dnnl_aBcd16b, dnnl_aBcde16b, 0},
    };
    if (ndim > 6 || !tags[layout][ndim])
        return ST_DECLINED;
    return md_tagged(out, t, ndim, size, tags[layout][ndim]);
}

Status md_of_view(Md *out, const View *v)
{
    if (v->layout != LAYOUT_STRIDED)
        return md_layout(out, (DType)v->dtype, (Layout)v->layout, v->ndim, v->size);
    if (view_is_contiguous(v))
        return md_layout(out, (DType)v->dtype, LAYOUT_STRIDED, v->ndim, v->size);
    if (view_is_channels_last(v))
        return md_layout(out, (DType)v->dtype, LAYOUT_CHANNELS_LAST, v->ndim, v->size);
    return md_strided(out, (DType)v->dtype, v->ndim, v->size, v->stride);
}

bool md_equal(MdRef a, MdRef b) { return dnnl_memory_desc_equal(a, b) != 0; }
size_t md_size(MdRef md) { return dnnl_memory_desc_get_size(md); }

Status md_to_layout(MdRef md, DType t, int ndim, const int64_t *size, Layout *out)
{
    static const Layout order[] = {LAYOUT_STRIDED, LAYOUT_CHANNELS_LAST, LAYOUT_BLOCK16, LAYOUT_BLOCK8};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        int64_t block = order[i] == LAYOUT_BLOCK16 ? 16 : order[i] == LAYOUT_BLOCK8 ? 8 : 1;
        Md m = {0};
        if (ndim < 2 || size[1] % block || md_layout(&m, t, order[i], ndim, size) != ST_OK)
            continue;
        bool same = md_equal(md, MD_REF(m));
        md_free(&m);
        if (same) {
            *out = order[i];
            return ST_OK;
        }
    }
    return ST_DECLINED;
}

void md_key(PackKey *k, MdRef md)
{
#if DNNL_VERSION_MAJOR >= 3
    int n = 0, blocks = 0;
    const dnnl_dims_t *dims = NULL, *padded = NULL, *strides = NULL, *blks = NULL, *idxs = NULL;
    dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &n);
    dnnl_memory_desc_query(md, dnnl_query_inner_nblks_s32, &blocks);
    dnnl_memory_desc_query(md, dnnl_query_dims, &dims);
    dnnl_memory_desc_query(md, dnnl_query_padded_dims, &padded);
    dnnl_memory_desc_query(md, dnnl_query_strides, &strides);
    dnnl_memory_desc_query(md, dnnl_query_inner_blks, &blks);
    dnnl_memory_desc_query(md, dnnl_query_inner_idxs, &idxs);
#else
    int n = md->ndims, blocks = md->format_desc.blocking.inner_nblks;
    const dnnl_dims_t *dims = &md->dims, *padded = &md->padded_dims, *strides = &md->format_desc.blocking.strides;
    const dnnl_dims_t *blks = &md->format_desc.blocking.inner_blks, *idxs = &md->format_desc.blocking.inner_idxs;
    pack_key_bytes(k, &md->format_kind, sizeof md->format_kind);
#endif
    pack_key_bytes(k, *dims, sizeof(int64_t) * (size_t)n);
    pack_key_bytes(k, *padded, sizeof(int64_t) * (size_t)n);
    pack_key_bytes(k, *strides, sizeof(int64_t) * (size_t)n);
    pack_key_bytes(k, *blks, sizeof(int64_t) * (size_t)blocks);
    pack_key_bytes(k, *idxs, sizeof(int64_t) * (size_t)blocks);
}

// ---- attributes

Status attr_new(Attr *out)
{
    TRY(dnnl_check(dnnl_primitive_attr_create(out), "attributes"));
    dnnl_status_t s = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (s != dnnl_success)
        attr_free(*out);
    return dnnl_check(s, "attributes");
}

void attr_free(Attr a)
{
    if (a)
        dnnl_primitive_attr_destroy(a);
}

// The library's name of an activation and its two parameters. hardsigmoid: 3.x only.
static bool act_alg(Act act, float lo, float hi, dnnl_alg_kind_t *alg, float *alpha, float *beta)
{
    *alpha = *beta = 0;
    switch (act) {
    case ACT_RELU: *alg = dnnl_eltwise_relu; return true;
    case ACT_CLAMP: *alg = dnnl_eltwise_clip; *alpha = lo; *beta = hi; return true;
    case ACT_SIGMOID: *alg = dnnl_eltwise_logistic; return true;
    case ACT_TANH: *alg = dnnl_eltwise_tanh; return true;
    case ACT_SILU: *alg = dnnl_eltwise_swish; *alpha = 1; return true;
    case ACT_GELU: *alg = dnnl_eltwise_gelu_erf; return true;
    case ACT_GELU_TANH: *alg = dnnl_eltwise_gelu_tanh; return true;
    case ACT_LEAKY_RELU: *alg = dnnl_eltwise_relu; *alpha = lo; return true;
    case ACT_ELU: *alg = dnnl_eltwise_elu; *alpha = lo == 0 ? 1 : lo; return true;
#if DNNL_VERSION_MAJOR >= 3
    case ACT_HARDSWISH: *alg = dnnl_eltwise_hardswish; *alpha = 1.0f / 6; *beta = 0.5f; return true;
    case ACT_HARDSIGMOID: *alg = dnnl_eltwise_hardsigmoid; *alpha = 1.0f / 6; *beta = 0.5f; return true;
#else
    case ACT_HARDSWISH: *alg = dnnl_eltwise_hardswish; return true;
#endif
    default: return false;
    }
}

bool dnnl_has_act(Act act)
{
    dnnl_alg_kind_t alg;
    float alpha, beta;
    return act == ACT_NONE || act_alg(act, 0, 0, &alg, &alpha, &beta);
}

Status attr_post_ops(Attr a, bool sum, Act act, float lo, float hi)
{
    if (!sum && act == ACT_NONE)
        return ST_OK;
    dnnl_post_ops_t ops;
    TRY(dnnl_check(dnnl_post_ops_create(&ops), "post-operations"));
    dnnl_alg_kind_t alg;
    float alpha, beta;
    dnnl_status_t s = dnnl_success;
    if (act != ACT_NONE && !act_alg(act, lo, hi, &alg, &alpha, &beta))
        s = dnnl_unimplemented;
#if DNNL_VERSION_MAJOR >= 3
    if (s == dnnl_success && sum)
        s = dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
    if (s == dnnl_success && act != ACT_NONE)
        s = dnnl_post_ops_append_eltwise(ops, alg, alpha, beta);
#else
    if (s == dnnl_success && sum)
        s = dnnl_post_ops_append_sum(ops, 1);
    if (s == dnnl_success && act != ACT_NONE)
        s = dnnl_post_ops_append_eltwise(ops, 1, alg, alpha, beta);
#endif
    if (s == dnnl_success)
        s = dnnl_primitive_attr_set_post_ops(a, ops);
    dnnl_post_ops_destroy(ops);
    return dnnl_check(s, "post-operations");
}

// ---- primitive descriptors

MdRef pd_md(Pd pd, int what) { return dnnl_primitive_desc_query_md(pd, (dnnl_query_t)what, 0); }

void pd_free(Pd pd)
{
    if (pd)
        dnnl_primitive_desc_destroy(pd);
}

bool pd_is_reference(Pd pd)
{
    const char *name = NULL;
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name) != dnnl_success || !name || strncmp(name, "ref", 3) == 0;
}

#if DNNL_VERSION_MAJOR < 3
// Second half of the two calls of 2.x.
static Status pd_from(Pd *out, dnnl_status_t first, const_dnnl_op_desc_t op, Attr a, const char *what)
{
    TRY(dnnl_check(first, what));
    return dnnl_check(dnnl_primitive_desc_create(out, op, a, dnnl_cpu_engine(), NULL), what);
}
#endif

Status pd_conv(Pd *out, const ConvGeometry *g, MdRef src, MdRef weight, MdRef bias, MdRef dst, Attr a)
{
    dnnl_dims_t stride, dilation, before, after;
    copy_dims(stride, g->spatial, g->stride);
    copy_dims(dilation, g->spatial, g->dilation);
    copy_dims(before, g->spatial, g->padding);
    copy_dims(after, g->spatial, g->padding_end);
    for (int i = 0; i < g->spatial; i++)
        dilation[i]--;
#if DNNL_VERSION_MAJOR >= 3
    if (g->transposed)
        return dnnl_check(dnnl_deconvolution_forward_primitive_desc_create(out, dnnl_cpu_engine(), dnnl_forward_inference, dnnl_deconvolution_direct,
                                                                           src, weight, bias, dst, stride, dilation, before, after, a),
                          "deconvolution");
    return dnnl_check(dnnl_convolution_forward_primitive_desc_create(out, dnnl_cpu_engine(), dnnl_forward_inference, dnnl_convolution_direct, src,
                                                                     weight, bias, dst, stride, dilation, before, after, a),
                      "convolution");
#else
    dnnl_convolution_desc_t d; // a deconvolution's is the same type
    dnnl_status_t s = g->transposed ? dnnl_dilated_deconvolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_deconvolution_direct, src, weight,
                                                                                   bias, dst, stride, dilation, before, after)
                                    : dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_convolution_direct, src, weight,
                                                                                 bias, dst, stride, dilation, before, after);
    return pd_from(out, s, &d, a, "convolution");
#endif
}

Status pd_inner_product(Pd *out, MdRef src, MdRef weight, MdRef bias, MdRef dst, Attr a)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_check(dnnl_inner_product_forward_primitive_desc_create(out, dnnl_cpu_engine(), dnnl_forward_inference, src, weight, bias, dst, a),
                      "inner product");
#else
    dnnl_inner_product_desc_t d;
    return pd_from(out, dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, src, weight, bias, dst), &d, a, "inner product");
#endif
}

Status pd_matmul(Pd *out, MdRef a, MdRef b, MdRef bias, MdRef dst, Attr attr)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_check(dnnl_matmul_primitive_desc_create(out, dnnl_cpu_engine(), a, b, bias, dst, attr), "matmul");
#else
    dnnl_matmul_desc_t d;
    return pd_from(out, dnnl_matmul_desc_init(&d, a, b, bias, dst), &d, attr, "matmul");
#endif
}

Status pd_pool(Pd *out, PoolKind kind, int spatial, MdRef src, MdRef dst, const int64_t *stride, const int64_t *kernel, const int64_t *dilation,
               const int64_t *padding, const int64_t *padding_end, Attr a)
{
    dnnl_dims_t st, ke, di, before, after;
    copy_dims(st, spatial, stride);
    copy_dims(ke, spatial, kernel);
    copy_dims(di, spatial, dilation);
    copy_dims(before, spatial, padding);
    copy_dims(after, spatial, padding_end);
    for (int i = 0; i < spatial; i++)
        di[i]--;
    dnnl_alg_kind_t alg = kind == POOL_MAX         ? dnnl_pooling_max
                          : kind == POOL_AVG_VALID ? dnnl_pooling_avg_exclude_padding
                                                   : dnnl_pooling_avg_include_padding;
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_check(
        dnnl_pooling_forward_primitive_desc_create(out, dnnl_cpu_engine(), dnnl_forward_inference, alg, src, dst, st, ke, di, before, after, a),
        "pooling");
#else
    dnnl_pooling_v2_desc_t d;
    return pd_from(out, dnnl_pooling_v2_forward_desc_init(&d, dnnl_forward_inference, alg, src, dst, st, ke, di, before, after), &d, a, "pooling");
#endif
}

Status pd_reorder(Pd *out, MdRef src, MdRef dst, Attr a)
{
    return dnnl_check(dnnl_reorder_primitive_desc_create(out, src, dnnl_cpu_engine(), dst, dnnl_cpu_engine(), a), "reorder");
}

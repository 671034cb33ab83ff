// Many products of small float32 matrices, where preparing each for a library's kernel takes longer than multiplying.
// Sums run along k, the same on every instruction set.
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"

#include <string.h>

enum {
    SMALL = 16, // the most rows, columns and terms
    TINY = 4,   // the same with AVX-512, with which the library is the faster for larger ones
    WORK = 512, // the most multiplications of one
    MANY = 8,   // the fewest products
};

typedef struct SmallMatmul {
    MatmulShape m;
    int64_t count;
} SmallMatmul;

// c [m, n] = a [m, k] b [k, n], strides in elements; c contiguous.
ISA_INLINE void product(int m, int n, int k, const float *a, const int64_t *a_stride, const float *b,
                        const int64_t *b_stride, float *c)
{
    float right[SMALL][SMALL];
    for (int p = 0; p < k; p++)
        for (int j = 0; j < n; j++)
            right[p][j] = b[p * b_stride[0] + j * b_stride[1]];
    for (int i = 0; i < m; i++) {
        float sum[SMALL] = {0};
        for (int p = 0; p < k; p++) {
            float left = a[i * a_stride[0] + p * a_stride[1]];
            for (int j = 0; j < n; j++)
                sum[j] += left * right[p][j];
        }
        memcpy(c + i * n, sum, (size_t)n * sizeof *c);
    }
}

ISA_INLINE void products_body(const SmallMatmul *s, const float *a, const float *b, float *c)
{
    const MatmulShape *m = &s->m;
    int batch = m->ndim - 2, rows = (int)m->m, columns = (int)m->n, terms = (int)m->k;
    const int64_t *a_stride = m->a.stride + batch, *b_stride = m->b.stride + batch;
    int64_t at[VIEW_MAX_DIMS] = {0};
    for (int64_t i = 0; i < s->count; i++, c += rows * columns) {
        if (columns == 2 && terms == 2) // for the compiler to unroll
            product(rows, 2, 2, a, a_stride, b, b_stride, c);
        else if (columns == 2)
            product(rows, 2, terms, a, a_stride, b, b_stride, c);
        else if (columns == 4 && terms == 4)
            product(rows, 4, 4, a, a_stride, b, b_stride, c);
        else
            product(rows, columns, terms, a, a_stride, b, b_stride, c);
        for (int d = batch - 1; d >= 0; d--) {
            a += m->a.stride[d];
            b += m->b.stride[d];
            if (++at[d] < m->batch[d])
                break;
            at[d] = 0;
            a -= m->batch[d] * m->a.stride[d];
            b -= m->batch[d] * m->b.stride[d];
        }
    }
}
ISA_VARIANTS(products, (const SmallMatmul *s, const float *a, const float *b, float *c), (s, a, b, c))

Status c_small_matmul_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const MatmulParams *p = params;
    SmallMatmul s = {.count = 1};
    int64_t most = kernel_isa() == ISA_AVX512 ? TINY : SMALL;
    TRY(matmul_shape(&in[0], &in[1], &s.m));
    for (int d = 0; d < s.m.ndim - 2; d++)
        s.count *= s.m.batch[d];
    if (s.m.a.dtype != DT_F32 || any_private(in, n_in) || s.count < MANY || s.m.m > most || s.m.n > most ||
        s.m.k > most || s.m.m * s.m.n * s.m.k > WORK || p->alpha != 1 || p->alpha_im != 0 ||
        (operand_given(in, n_in, 2) && (p->beta != 0 || p->beta_im != 0)))
        return ST_DECLINED;
    kernel_output(k, 0, DT_F32, s.m.out_ndim, s.m.out_size);
    void *state;
    TRY(kernel_state_new(k, sizeof s, &state));
    *(SmallMatmul *)state = s;
    k->flops = 2.0 * (double)(s.count * s.m.m * s.m.n * s.m.k);
    return ST_OK;
}

Status c_small_matmul_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    products(k->state, in[0].data, in[1].data, out[0].data);
    return ST_OK;
}

void c_small_matmul_destroy(Kernel *k)
{
    kernel_state_free(k);
}

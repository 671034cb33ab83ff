// Distances of all pairs of rows, float32 and float64: sums in 16 parts, the same on every instruction set.
// Contiguous operands with the same batch dimensions.
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"

#include <math.h>

enum { PARTS = 16 };

typedef struct Cdist {
    double p;
    bool upper;
    int64_t batches, rows, others, width;
} Cdist;

Status c_cdist_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const View *a = &in[0], *b = &in[1];
    int n = a->ndim;
    if (n < 2 || b->ndim != n || a->size[n - 1] != b->size[n - 1] || a->size[n - 1] == 0 || any_private(in, n_in) || a->dtype != b->dtype ||
        (a->dtype != DT_F32 && a->dtype != DT_F64) || !view_is_contiguous(a) || !view_is_contiguous(b))
        return ST_DECLINED;
    Cdist s = {.p = ((const CdistParams *)params)->p, .upper = ((const CdistParams *)params)->upper, .batches = 1, .rows = a->size[n - 2], .others = b->size[n - 2], .width = a->size[n - 1]};
    int64_t size[VIEW_MAX_DIMS];
    for (int d = 0; d < n - 2; d++) {
        if (a->size[d] != b->size[d])
            return ST_DECLINED;
        size[d] = a->size[d];
        s.batches *= a->size[d];
    }
    size[n - 2] = s.rows;
    size[n - 1] = s.others;
    kernel_output(k, 0, (DType)a->dtype, n, size);
    void *state;
    TRY(kernel_state_new(k, sizeof(Cdist), &state));
    *(Cdist *)state = s;
    return ST_OK;
}

// One row against `others` rows; term(d) of each absolute difference, joined by `join`.
#define WALK(T, JOIN, TERM, FINISH)                                                                                    \
    for (int64_t o = 0; o < s->others; o++, b += n) {                                                                  \
        T part[PARTS] = {0}, sum = 0;                                                                                  \
        int64_t i = 0;                                                                                                 \
        for (; i + PARTS <= n; i += PARTS)                                                                             \
            for (int j = 0; j < PARTS; j++) {                                                                          \
                T d = a[i + j] - b[i + j];                                                                             \
                part[j] = JOIN(part[j], TERM(d));                                                                      \
            }                                                                                                          \
        for (; i < n; i++) {                                                                                           \
            T d = a[i] - b[i];                                                                                         \
            sum = JOIN(sum, TERM(d));                                                                                  \
        }                                                                                                              \
        for (int half = PARTS / 2; half; half /= 2)                                                                    \
            for (int j = 0; j < half; j++)                                                                             \
                part[j] = JOIN(part[j], part[j + half]);                                                               \
        sum = JOIN(sum, part[0]);                                                                                      \
        y[o] = FINISH(sum);                                                                                            \
    }
#define PLUS(x, y) ((x) + (y))
#define GREATER(x, y) ((y) > (x) || (y) != (y) ? (y) : (x))
#define SQUARE(d) ((d) * (d))
#define SIZE(d) ((d) < 0 ? -(d) : (d))
#define NONZERO(d) ((d) != 0)
#define AS_IS(x) (x)

#define DISTANCES(T, SQRT, POW)                                                                                        \
    ISA_INLINE void distances_##T##_body(const Cdist *s, const T *a, const T *b, T *y)                                 \
    {                                                                                                                  \
        int64_t n = s->width;                                                                                          \
        T p = (T)s->p;                                                                                                 \
        if (s->p == 2)                                                                                                 \
            WALK(T, PLUS, SQUARE, SQRT)                                                                                \
        else if (s->p == 1)                                                                                            \
            WALK(T, PLUS, SIZE, AS_IS)                                                                                 \
        else if (s->p == 0)                                                                                            \
            WALK(T, PLUS, NONZERO, AS_IS)                                                                              \
        else if (isinf(s->p))                                                                                          \
            WALK(T, GREATER, SIZE, AS_IS)                                                                              \
        else                                                                                                           \
            for (int64_t o = 0; o < s->others; o++, b += n) {                                                          \
                T sum = 0;                                                                                             \
                for (int64_t i = 0; i < n; i++)                                                                        \
                    sum += POW(SIZE(a[i] - b[i]), p);                                                                  \
                y[o] = POW(sum, 1 / p);                                                                                \
            }                                                                                                          \
    }                                                                                                                  \
    ISA_VARIANTS(distances_##T, (const Cdist *s, const T *a, const T *b, T *y), (s, a, b, y))
DISTANCES(float, sqrtf, powf)
DISTANCES(double, sqrt, pow)

Status c_cdist_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const Cdist *all = k->state;
    for (int64_t i = 0; i < all->batches * all->rows; i++) {
        int64_t skip = all->upper ? i % all->rows + 1 : 0;
        Cdist one = *all, *s = &one;
        one.others = all->others > skip ? all->others - skip : 0;
        int64_t a = i * s->width, b = (i / s->rows * all->others + skip) * s->width, y = i * all->others + skip;
        if (in[0].dtype == DT_F32)
            distances_float(s, (const float *)in[0].data + a, (const float *)in[1].data + b, (float *)out[0].data + y);
        else
            distances_double(s, (const double *)in[0].data + a, (const double *)in[1].data + b, (double *)out[0].data + y);
    }
    return ST_OK;
}

void c_cdist_destroy(Kernel *k) { kernel_state_free(k); }

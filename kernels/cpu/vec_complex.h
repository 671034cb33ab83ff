// Magnitudes and quotients of complex64, computed in double, where neither squares nor products of floats overflow or lose
// digits. Included once by vec_both.h.

#define D VEC_NAME(f64_vector)
#define CFLOATS VEC_NAME(wide_floats)
#define SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
// LOW, HIGH: the first (second) of each pair of numbers in x, next to that of the same pair in y; BACK: into the order of
// x then y. SWAP, EVEN, ODD: within the pairs. SIGNS: the first pair, again and
// again.
#if VEC_BYTES == 64
#define LOW 0, 8, 2, 10, 4, 12, 6, 14
#define HIGH 1, 9, 3, 11, 5, 13, 7, 15
#define BACK 0, 2, 4, 6, 1, 3, 5, 7
#define SWAP 1, 0, 3, 2, 5, 4, 7, 6
#define EVEN 0, 0, 2, 2, 4, 4, 6, 6
#define ODD 1, 1, 3, 3, 5, 5, 7, 7
#define SIGNS 0, 1, 0, 1, 0, 1, 0, 1
#elif VEC_BYTES == 32
#define LOW 0, 4, 2, 6
#define HIGH 1, 5, 3, 7
#define BACK 0, 2, 1, 3
#define SWAP 1, 0, 3, 2
#define EVEN 0, 0, 2, 2
#define ODD 1, 1, 3, 3
#define SIGNS 0, 1, 0, 1
#else
#define LOW 0, 2
#define HIGH 1, 3
#define BACK 0, 1
#define SWAP 1, 0
#define EVEN 0, 0
#define ODD 1, 1
#define SIGNS 0, 1
#endif
enum { VEC_NAME(COMPLEX_STEP) = VEC_BYTES / 8 }; // numbers in two vectors of doubles

#define complex_load VEC_NAME(complex_load)
#define complex_store VEC_NAME(complex_store)
static inline D complex_load(const float *x)
{
    CFLOATS few;
    memcpy(&few, x, sizeof few);
    return VEC_WIDEN(few);
}
static inline void complex_store(float *o, D x)
{
    CFLOATS few = __builtin_convertvector(x, CFLOATS);
    memcpy(o, &few, sizeof few);
}

// o[i] = |x[i]| of COMPLEX_STEP numbers. An infinite part makes the magnitude infinite whatever the other part is.
#define magnitudes VEC_NAME(magnitudes)
ISA_INLINE void magnitudes(float *o, const float *x)
{
    D first = complex_load(x), second = complex_load(x + VEC_NAME(COMPLEX_STEP));
    first *= first;
    second *= second;
    D re = SHUFFLE(first, second, LOW), im = SHUFFLE(first, second, HIGH), infinite = VEC_NAME(f64_splat)(__builtin_inf());
    D size = VEC_NAME(f64_select)((re == infinite) | (im == infinite), infinite, VEC_NAME(f64_vsqrt)(re + im));
    complex_store(o, SHUFFLE(size, size, BACK));
}

// o[i] = x[i] / y[i], without the C standard's repairs of NaN: x conj(y) / |y|^2.
#define quotients VEC_NAME(quotients)
#define quotient VEC_NAME(quotient)
ISA_INLINE D quotient(D x, D y, D by)
{
    const D signs = SHUFFLE(((D){0.0, -0.0}), ((D){0.0, -0.0}), SIGNS);
    D cross = SHUFFLE(x, x, SWAP) * SHUFFLE(y, y, ODD);
    return (x * SHUFFLE(y, y, EVEN) + (D)((VEC_NAME(f64_ivector))cross ^ (VEC_NAME(f64_ivector))signs)) * by;
}
ISA_INLINE void quotients(float *o, D x0, D x1, D y0, D y1)
{
    D first = y0 * y0, second = y1 * y1;
    D by = 1 / (SHUFFLE(first, second, LOW) + SHUFFLE(first, second, HIGH));
    complex_store(o, quotient(x0, y0, SHUFFLE(by, by, EVEN)));
    complex_store(o + VEC_NAME(COMPLEX_STEP), quotient(x1, y1, SHUFFLE(by, by, ODD)));
}

static void VEC_NAME(c64_abs)(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)
{
    enum { STEP = VEC_NAME(COMPLEX_STEP) };
    (void)scalars;
    (void)p;
    const float *a = in[0];
    float *o = out;
    int64_t i = 0;
    for (; i + STEP <= n; i += STEP)
        magnitudes(o + i, a + 2 * i);
    if (i < n) {
        float rest[2 * STEP] = {0}, done[STEP];
        memcpy(rest, a + 2 * i, (size_t)(n - i) * 2 * sizeof(float));
        magnitudes(done, rest);
        memcpy(o + i, done, (size_t)(n - i) * sizeof(float));
    }
}

static void VEC_NAME(c64_div)(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)
{
    enum { STEP = VEC_NAME(COMPLEX_STEP) };
    (void)p;
    const float *operands[2] = {in[0], in[1]};
    float *o = out, one[2][2 * STEP], rest[2][2 * STEP] = {{0}}, done[2 * STEP];
    for (int k = 0; k < 2; k++)
        for (int j = 0; scalars >> k & 1 && j < 2 * STEP; j++)
            one[k][j] = operands[k][j % 2];
    const float *a = scalars & 1 ? one[0] : operands[0], *b = scalars & 2 ? one[1] : operands[1];
    const int64_t of_a = scalars & 1 ? 0 : 2, of_b = scalars & 2 ? 0 : 2;
    int64_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        const float *x = a + of_a * i, *y = b + of_b * i;
        quotients(o + 2 * i, complex_load(x), complex_load(x + STEP), complex_load(y), complex_load(y + STEP));
    }
    if (i < n) {
        size_t bytes = (size_t)(n - i) * 2 * sizeof(float);
        memcpy(rest[0], a + of_a * i, bytes);
        memcpy(rest[1], b + of_b * i, bytes);
        quotients(done, complex_load(rest[0]), complex_load(rest[0] + STEP), complex_load(rest[1]), complex_load(rest[1] + STEP));
        memcpy(o + 2 * i, done, bytes);
    }
}

// Operator bindings: special functions, and elementwise operators that are made of others.
#include "worker/ops_pointwise.h"

#include "kernels/copy.h"
#include "kernels/promote.h"

#include <math.h>
#include <stdlib.h>

static bool is_complex(IValue v)
{
    return v.tag == TAG_COMPLEX || (v.tag == TAG_TENSOR && dtype_is_complex((DType)v.as.tensor->view.dtype));
}

// One step of a composite: op(a, b), either of which may be a number. A NULL `out` gives a new tensor.
static Status step(Lane *lane, Site *site, PwOp op, PwKind kind, IValue a, IValue b, Tensor *out, Tensor **result)
{
    PwCall c = PW_CALL((uint8_t)op, (uint8_t)kind);
    pw_add(&c, PW_OPERAND, -1, a);
    pw_add(&c, PW_OPERAND, -1, b);
    c.out = out;
    return pw_call(lane, site, &c, result);
}

static Tensor *out_of(const Site *site, const IValue *args)
{
    return site->op->flags & OP_WRITES_ARG0 ? args[0].as.tensor : NULL;
}

static Status ret_step(Lane *lane, Site *site, PwOp op, IValue a, IValue b, Tensor *out, IValue *ret)
{
    Tensor *t;
    TRY(step(lane, site, op, PW_COMMON, a, b, out, &t));
    *ret = value_tensor_take(t);
    return ST_OK;
}

typedef struct Scale {
    double factor;
    const char *name;
} Scale;

OP_FN(op_scaled) // deg2rad, rad2deg: self times a constant
{
    const Scale *s = site->op->data;
    if (is_complex(args[0]))
        return op_raise("%s is not supported for complex tensors.", s->name);
    return ret_step(lane, site, PW_MUL, args[0], value_float(s->factor), out_of(site, args), rets);
}

// self * 2^other. The power has the dtype of self where that is a floating-point one (1.13: always that of other, or
// float32).
OP_FN(op_ldexp)
{
    Tensor *self = args[0].as.tensor, *power, *narrow;
    TRY(step(lane, site, PW_POW, PW_COMMON, value_float(2), args[1], NULL, &power));
    DType dtype = tensor_dtype(self);
    Status status = ST_OK;
    if (dtype_is_floating(dtype) && dtype_category(tensor_dtype(args[1].as.tensor)) <= DT_INTEGRAL) {
        status = tensor_to_dtype(lane, power, dtype, &narrow);
        tensor_release(power);
        TRY(status);
        power = narrow;
    }
    status = ret_step(lane, site, PW_MUL, args[0], value_tensor_take(power), out_of(site, args), rets);
    tensor_release(power);
    return status;
}

// Powers in double precision: operands are converted first.
OP_FN(op_float_power)
{
    bool complex = is_complex(args[0]) || is_complex(args[1]);
    DType dtype = complex ? DT_C128 : DT_F64;
    Tensor *out = out_of(site, args);
    if (out && tensor_dtype(out) != dtype)
        return op_raise("the base given to float_power_ has dtype %s but the operation's result requires dtype %s",
                        dtype_torch_name(tensor_dtype(out)), dtype_torch_name(dtype));
    IValue wide[2] = {value_none(), value_none()};
    Status status = ST_OK;
    for (int i = 0; i < 2 && status == ST_OK; i++) {
        Tensor *t;
        if (args[i].tag != TAG_TENSOR) {
            wide[i] = args[i].tag == TAG_COMPLEX ? value_retain(args[i]) : value_float(arg_double(args[i]));
            continue;
        }
        status = tensor_to_dtype(lane, args[i].as.tensor, dtype, &t);
        wide[i] = status == ST_OK ? value_tensor_take(t) : value_none();
    }
    if (status == ST_OK)
        status = ret_step(lane, site, PW_POW, wide[0], wide[1], out, rets);
    value_release(wide[0]);
    value_release(wide[1]);
    return status;
}

OP_FN(op_add_relu) // relu(self + alpha * other)
{
    PwCall c = PW_CALL(PW_ADD_ALPHA, PW_COMMON), relu = PW_CALL(PW_RELU, PW_SELF);
    c.out = out_of(site, args);
    c.params.f[0] = arg_double(args[2]);
    c.params.i[0] = arg_int(args[2]);
    pw_add(&c, PW_OPERAND, -1, args[0]);
    pw_add(&c, PW_OPERAND, -1, args[1]);
    Tensor *sum, *result;
    TRY(pw_call(lane, site, &c, &sum));
    relu.out = sum;
    pw_add(&relu, PW_OPERAND, -1, value_tensor_take(sum));
    Status status = pw_call(lane, site, &relu, &result);
    tensor_release(sum);
    TRY(status);
    rets[0] = value_tensor_take(result);
    return ST_OK;
}

// log_sigmoid and what its derivative needs: exp(-|self|).
OP_FN(op_log_sigmoid_forward)
{
    static const uint8_t steps[] = {PW_LOGSIGMOID, PW_ABS, PW_NEG, PW_EXP};
    Tensor *t[4] = {NULL};
    Status status = ST_OK;
    for (int i = 0; i < 4 && status == ST_OK; i++) {
        PwCall c = PW_CALL(steps[i], PW_SELF);
        pw_add(&c, PW_OPERAND, -1, i < 2 ? args[0] : value_tensor_take(t[i - 1]));
        status = pw_call(lane, site, &c, &t[i]);
    }
    for (int i = 0; i < 4; i++)
        if (t[i] && (status != ST_OK || i == 1 || i == 2))
            tensor_release(t[i]);
    TRY(status);
    rets[0] = value_tensor_take(t[0]);
    rets[1] = value_tensor_take(t[3]);
    return ST_OK;
}

OP_FN(op_isreal)
{
    Tensor *self = args[0].as.tensor, *t;
    if (!is_complex(args[0])) {
        TRY(tensor_new_like(lane, self, DT_BOOL, FORMAT_PRESERVE, &t));
        TRY(tensor_fill(t, value_bool(true))); // cannot fail: bool holds it
        rets[0] = value_tensor_take(t);
        return ST_OK;
    }
    PwCall c = PW_CALL(PW_IMAG, PW_SELF);
    pw_add(&c, PW_OPERAND, -1, args[0]);
    TRY(pw_call(lane, site, &c, &t));
    Status status = ret_step(lane, site, PW_EQ, value_tensor_take(t), value_int(0), NULL, rets);
    tensor_release(t);
    return status;
}

OP_FN(op_heaviside)
{
    if (is_complex(args[0]) || is_complex(args[1]))
        return op_raise("heaviside is not yet implemented for complex tensors.");
    if (site->arg_count > 2 && is_complex(args[2]))
        return op_raise("heaviside is not yet implemented for complex tensors.");
    DType t = tensor_dtype(args[0].as.tensor);
    if (t != tensor_dtype(args[1].as.tensor) || (site->arg_count > 2 && t != tensor_dtype(args[2].as.tensor)))
        return op_raise("heaviside is not yet implemented for tensors with different dtypes.");
    return op_pw_row(lane, site, args, rets);
}

OP_FN(op_polygamma) // n, self; polygamma_: self, n
{
    bool in_place = site->op->flags & OP_WRITES_ARG0;
    int64_t n = args[in_place].as.i;
    if (n < 0)
        return op_raise("polygamma(n, x) does not support negative n.");
    PwCall c;
    pw_fill(&c, site->op->data, args);
    c.params.f[0] = (double)n;
    return pw_finish(lane, site, &c, rets);
}

OP_FN(op_mvlgamma) // self, p
{
    if (args[1].as.i < 1)
        return op_raise("p has to be greater than or equal to 1");
    if (args[1].as.i > 1 << 20)
        return op_raise("mvlgamma: p is too large (limit %d)", 1 << 20);
    return op_pw_row(lane, site, args, rets);
}

// Mantissas and exponents of a floating-point tensor.
OP_FN(op_frexp)
{
    Tensor *self = args[0].as.tensor, *wide, *exponent = NULL, *mantissa = NULL;
    if (!dtype_is_floating(tensor_dtype(self)))
        return op_raise("torch.frexp() only supports floating-point dtypes");
    TRY(tensor_copy_as(lane, self, DT_F64, FORMAT_PRESERVE, &wide));
    Status status = tensor_new_like(lane, wide, DT_I32, FORMAT_PRESERVE, &exponent);
    double *x = wide->view.data;
    for (int64_t i = 0, n = tensor_numel(wide); i < n && status == ST_OK; i++) {
        int e = 0;
        x[i] = isfinite(x[i]) ? frexp(x[i], &e) : x[i];
        ((int32_t *)exponent->view.data)[i] = e;
    }
    if (status == ST_OK)
        status = tensor_to_dtype(lane, wide, tensor_dtype(self), &mantissa);
    tensor_release(wide);
    if (status != ST_OK) {
        if (exponent)
            tensor_release(exponent);
        return status;
    }
    rets[0] = value_tensor_take(mantissa);
    rets[1] = value_tensor_take(exponent);
    return ST_OK;
}

// ---- isin
// ---------------------------------------------------------------------------------------------------------------

// The operand as a contiguous tensor of `dtype`, then of `wide`: both round as a comparison in `dtype` does.
static Status isin_operand(Lane *lane, IValue v, DType dtype, DType wide, Tensor **out)
{
    Tensor *t, *narrow;
    if (v.tag != TAG_TENSOR)
        TRY(tensor_from_scalar(lane, v, dtype, &narrow));
    else
        TRY(tensor_to_dtype(lane, v.as.tensor, dtype, &narrow));
    Status status = dtype != wide ? tensor_copy_as(lane, narrow, wide, FORMAT_CONTIGUOUS, &t) : tensor_contiguous(lane, narrow, &t);
    tensor_release(narrow);
    if (status == ST_OK)
        *out = t;
    return status;
}

// The tests as a set: open addressing, at most half full. Keys are the bits of int64s, or of doubles without -0 and NaN; the
// key 0, which marks free places, is kept apart.
typedef struct KeySet {
    uint64_t *keys;
    int64_t size, used; // size: a power of two
    bool zero;
} KeySet;

// Where the key is, or the free place where it belongs.
static inline int64_t set_place(const KeySet *s, uint64_t key)
{
    uint64_t h = (key ^ key >> 32) * 0x9e3779b97f4a7c15u;
    int64_t at = (int64_t)((h ^ h >> 32) & (uint64_t)(s->size - 1));
    while (s->keys[at] != key && s->keys[at])
        at = (at + 1) & (s->size - 1);
    return at;
}

static Status set_grow(KeySet *s)
{
    KeySet larger = {.size = s->size ? 4 * s->size : 512, .used = s->used, .zero = s->zero};
    larger.keys = calloc((size_t)larger.size, sizeof *larger.keys);
    if (!larger.keys)
        return status_no_memory((size_t)larger.size * sizeof *larger.keys);
    for (int64_t i = 0; i < s->size; i++)
        if (s->keys[i])
            larger.keys[set_place(&larger, s->keys[i])] = s->keys[i];
    free(s->keys);
    *s = larger;
    return ST_OK;
}

static Status set_add(KeySet *s, uint64_t key)
{
    if (2 * s->used >= s->size)
        TRY(set_grow(s));
    int64_t at = set_place(s, key);
    s->zero = s->zero || key == 0;
    s->used += s->keys[at] == 0 && key;
    s->keys[at] = key;
    return ST_OK;
}

static inline uint64_t key_of_int64_t(int64_t x) { return (uint64_t)x; }
static inline uint64_t key_of_double(double x)
{
    uint64_t key;
    x += 0.0; // -0 becomes +0
    memcpy(&key, &x, sizeof key);
    return key;
}

// out[i]: is x[i] among the tests? One by one where there are few of them. NaN is among nothing.
#define MARK_AMONG(T)                                                                                                  \
    static Status mark_among_##T(const T *x, int64_t n, const T *tests, int64_t count, bool invert, bool *out)         \
    {                                                                                                                  \
        if (count <= 16) {                                                                                             \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                int found = 0;                                                                                         \
                for (int64_t k = 0; k < count; k++)                                                                    \
                    found |= tests[k] == x[i];                                                                         \
                out[i] = found != invert;                                                                              \
            }                                                                                                          \
            return ST_OK;                                                                                              \
        }                                                                                                              \
        KeySet s = {0};                                                                                                \
        Status status = set_grow(&s);                                                                                  \
        for (int64_t k = 0; k < count && status == ST_OK; k++)                                                         \
            if (tests[k] == tests[k])                                                                                  \
                status = set_add(&s, key_of_##T(tests[k]));                                                            \
        for (int64_t i = 0; i < n && status == ST_OK; i++) {                                                           \
            uint64_t key = key_of_##T(x[i]);                                                                           \
            out[i] = (x[i] == x[i] && (key ? s.keys[set_place(&s, key)] == key : s.zero)) != invert;                   \
        }                                                                                                              \
        free(s.keys);                                                                                                  \
        return status;                                                                                                 \
    }
MARK_AMONG(double)
MARK_AMONG(int64_t)

OP_FN(op_isin) // elements, test_elements, assume_unique, invert; one of the first two may be a number
{
    Promotion p = PROMOTION_NONE;
    for (int i = 0; i < 2; i++) {
        DType t = args[i].tag == TAG_TENSOR ? tensor_dtype(args[i].as.tensor) : number_dtype(args[i]);
        if (t == DT_BOOL || dtype_is_complex(t))
            return op_raise("Unsupported input type encountered for isin(): %s",
                            dtype_torch_name(t == DT_C128 && args[i].tag != TAG_TENSOR ? DT_C64 : t));
        if (args[i].tag == TAG_TENSOR)
            promote_tensor(&p, t, args[i].as.tensor->view.ndim);
        else
            promote_number(&p, t);
    }
    DType common = promotion_result(&p);
    if (common == DT_INVALID)
        return op_raise("isin: these dtypes cannot be promoted");
    bool real = dtype_is_floating(common), invert = args[3].as.b;
    Tensor *elements, *tests = NULL, *mask = NULL;
    TRY(isin_operand(lane, args[0], common, real ? DT_F64 : DT_I64, &elements));
    Status status = isin_operand(lane, args[1], common, real ? DT_F64 : DT_I64, &tests);
    if (status == ST_OK)
        status = tensor_new(lane, DT_BOOL, elements->view.ndim, elements->view.size, &mask);
    if (status == ST_OK) {
        int64_t count = tensor_numel(tests), n = tensor_numel(elements);
        status = real ? mark_among_double(elements->view.data, n, tests->view.data, count, invert, mask->view.data)
                      : mark_among_int64_t(elements->view.data, n, tests->view.data, count, invert, mask->view.data);
        if (status == ST_OK)
            rets[0] = value_tensor_take(mask);
        else
            tensor_release(mask);
    }
    tensor_release(elements);
    if (tests)
        tensor_release(tests);
    return status;
}

// ---- the table
// ----------------------------------------------------------------------------------------------------------

#define SCALED(name, factor)                                                                                           \
    {"aten::" name, op_scaled, 0, &(const Scale){factor, name}, pw_free_user},                                         \
        {"aten::" name "_", op_scaled, OP_WRITES_ARG0, &(const Scale){factor, name}, pw_free_user},
#define SPECIAL(name, op) ROW(name, op_pw_row, 0, op, FLOAT, "t")
// name, with numbers on either side; `t` and `n` are the names of the overloads with a number as the first, second
// operand.
#define SPECIAL_2(name, op, t, n)                                                                                      \
    ROW(name, op_pw_row, 0, op, FLOAT, "tt")                                                                           \
    ROW(name "." t, op_pw_row, 0, op, FLOAT, "tt") ROW(name "." n, op_pw_row, 0, op, FLOAT, "tt")
#define POLYNOMIAL(name, op) SPECIAL_2("special_" name, op, "x_scalar", "n_scalar")
#define PLAIN(name, fn) {"aten::" name, fn, 0, NULL, pw_free_user},

const OpBinding OPS_SPECIAL[] = {
    SCALED("deg2rad", 0.017453292519943295) SCALED("rad2deg", 57.295779513082323)
        PLAIN("ldexp.Tensor", op_ldexp){"aten::ldexp_", op_ldexp, OP_WRITES_ARG0, NULL, pw_free_user},
    PLAIN("float_power.Tensor_Tensor", op_float_power) PLAIN("float_power.Tensor_Scalar", op_float_power)
        PLAIN("float_power.Scalar", op_float_power){"aten::float_power_.Tensor", op_float_power, OP_WRITES_ARG0, NULL,
                                                    pw_free_user},
    {"aten::float_power_.Scalar", op_float_power, OP_WRITES_ARG0, NULL, pw_free_user},
    PLAIN("_add_relu.Tensor", op_add_relu) PLAIN("_add_relu.Scalar", op_add_relu)
    {"aten::_add_relu_.Tensor", op_add_relu, OP_WRITES_ARG0, NULL, pw_free_user},
    {"aten::_add_relu_.Scalar", op_add_relu, OP_WRITES_ARG0, NULL, pw_free_user}, PLAIN("log_sigmoid_forward", op_log_sigmoid_forward)
    PLAIN("isreal", op_isreal) PLAIN("frexp.Tensor", op_frexp) PLAIN("isin.Tensor_Tensor", op_isin) PLAIN(
        "isin.Tensor_Scalar", op_isin) PLAIN("isin.Scalar_Tensor", op_isin) ROW("heaviside", op_heaviside, 0, HEAVISIDE,
                                                                                COMMON, "tt")
        ROW("heaviside_", op_heaviside, OP_WRITES_ARG0, HEAVISIDE, COMMON, "wt")
    ROW("heaviside.out", op_heaviside, 0, HEAVISIDE, COMMON, "tto") ROW(
            "polygamma", op_polygamma, 0, POLYGAMMA, FLOAT,
            "-t") ROW("polygamma_", op_polygamma, OP_WRITES_ARG0, POLYGAMMA, FLOAT,
                      "w-") ROW("special_polygamma", op_polygamma, 0, POLYGAMMA, FLOAT, "-t")
            ROW("mvlgamma", op_mvlgamma, 0, MVLGAMMA, FLOAT,
                "tn") ROW("mvlgamma_", op_mvlgamma, OP_WRITES_ARG0, MVLGAMMA, FLOAT,
                          "wn") ROW("special_multigammaln", op_mvlgamma, 0, MVLGAMMA, FLOAT, "tn")

                SPECIAL("i0", I0) ROW("i0_", op_pw_row, OP_WRITES_ARG0, I0, FLOAT, "w")
                    SPECIAL("special_i0", I0) SPECIAL("special_i0e", I0E) SPECIAL("special_i1", I1) SPECIAL(
                        "special_i1e",
                        I1E) SPECIAL("special_modified_bessel_i0", I0) SPECIAL("special_modified_bessel_i1", I1)
                        SPECIAL("special_modified_bessel_k0", K0) SPECIAL("special_modified_bessel_k1", K1) SPECIAL(
                            "special_scaled_modified_bessel_k0",
                            K0E) SPECIAL("special_scaled_modified_bessel_k1",
                                         K1E) SPECIAL("special_bessel_j0", BESSEL_J0) SPECIAL("special_bessel_j1",
                                                                                              BESSEL_J1)
                            SPECIAL(
                                "special_bessel_y0",
                                BESSEL_Y0) SPECIAL("special_bessel_y1",
                                                   BESSEL_Y1) SPECIAL("special_spherical_bessel_j0",
                                                                      SPHERICAL_J0) SPECIAL("special_airy_ai", AIRY_AI)
                                SPECIAL("special_ndtr", NDTR) SPECIAL("special_ndtri", NDTRI) SPECIAL(
                                    "special_log_ndtr",
                                    LOG_NDTR) SPECIAL("special_erfcx", ERFCX) SPECIAL("special_entr", ENTR)

                                    SPECIAL_2("special_zeta", ZETA, "self_scalar", "other_scalar") SPECIAL_2(
                                        "special_xlogy", XLOGY,
                                        "self_scalar", "other_scalar")
                                        SPECIAL_2("special_xlog1py", XLOG1PY, "self_scalar", "other_scalar") PAIR(
                                            "igamma", IGAMMA, COMMON) PAIR("igammac", IGAMMAC, COMMON)
                                            PAIR_PURE("special_gammainc", IGAMMA, COMMON) PAIR_PURE(
                                                "special_gammaincc",
                                                IGAMMAC, COMMON) PAIR_PURE("logaddexp2", LOGADDEXP2,
                                                                           COMMON) PAIR("lcm", LCM, COMMON)
                                                ROW("xlogy_.Tensor", op_pw_row, PW, XLOGY, FLOAT,
                                                    "wt") ROW("xlogy_.Scalar_Other", op_pw_row, PW, XLOGY, FLOAT, "wt")

                                                    POLYNOMIAL("chebyshev_polynomial_t", CHEBYSHEV_T) POLYNOMIAL(
                                                        "chebyshev_polynomial_u",
                                                        CHEBYSHEV_U) POLYNOMIAL("chebyshev_polynomial_v", CHEBYSHEV_V)
                                                        POLYNOMIAL("chebyshev_polynomial_w", CHEBYSHEV_W) POLYNOMIAL(
                                                            "shifted_chebyshev_polynomial_t", SHIFTED_CHEBYSHEV_T)
                                                            POLYNOMIAL("shifted_chebyshev_polynomial_u",
                                                                       SHIFTED_CHEBYSHEV_U)
                                                                POLYNOMIAL("shifted_chebyshev_polynomial_v",
                                                                           SHIFTED_CHEBYSHEV_V)
                                                                    POLYNOMIAL("shifted_chebyshev_polynomial_w",
                                                                               SHIFTED_CHEBYSHEV_W)
                                                                        POLYNOMIAL("hermite_polynomial_h", HERMITE_H)
                                                                            POLYNOMIAL("hermite_polynomial_he",
                                                                                       HERMITE_HE)
                                                                                POLYNOMIAL("laguerre_polynomial_l",
                                                                                           LAGUERRE_L)
                                                                                    POLYNOMIAL("legendre_polynomial_p",
                                                                                               LEGENDRE_P){0},
};
